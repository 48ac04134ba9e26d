// Package console is the fault records of a live host over a serial line: a prompt at
// which an operator asks what broke while the network, the disk or the rest of the
// host is what broke.
//
// A host gives Serve a line (a UART, a virtual console, standard input and output) and
// the area of its records, on a goroutine of its own:
//
//	go console.Serve(ctx, line, console.Config{Source: area, Acknowledger: area})
//
// Who is at the line types a command and a line's end:
//
//	records [KEY=VALUE...]          a line a record; the words are package listing's
//	records json [KEY=VALUE...]     the same, a JSON object a line
//	records show SEQUENCE [RESTART] all of one record
//	records follow [KEY=VALUE...]   what there is and what comes, until the next line is typed
//	records ack RESTART SEQUENCE    frees what was read, up to that sequence number
//	help
//
// A command that is not understood says what is. A line is at most 512 bytes; more of
// it is dropped. There is no login: who can type at the line can read and, where the
// host gives an Acknowledger, free.
//
// The package echoes what is typed if Config.Echo says so, and understands backspace;
// it needs no terminal.
package console
