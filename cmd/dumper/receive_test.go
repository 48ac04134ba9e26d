package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/serial"
)

// serialLine is a console's log with the test host's dump in it.
func serialLine(t *testing.T) (line, dump []byte) {
	t.Helper()
	path, _ := hostDump(t)
	dump = contents(t, path)
	header, err := (&kerneldump.Header{Architecture: "amd64", HostName: "testhost", PanicString: "oops", Time: 9}).AppendBinary(nil)
	require.NoError(t, err)
	var b bytes.Buffer
	b.WriteString("host: panic\r\n")
	w := serial.NewWriter(&b, 3)
	require.NoError(t, w.Begin(header, []serial.Section{{Kind: 1, Data: []byte("notes")}}))
	for rest := dump; len(rest) > 0; {
		n := min(50_000, len(rest))
		_, err := w.Write(rest[:n])
		require.NoError(t, err)
		b.WriteString("progress \x1b[31m\r\n")
		rest = rest[n:]
	}
	require.NoError(t, w.Close(true))
	b.WriteString("reset\r\n")
	return b.Bytes(), dump
}

func TestReceive(t *testing.T) {
	t.Parallel()
	line, dump := serialLine(t)
	directory := t.TempDir()
	input := writeTemporary(t, "console.log", line)
	output := filepath.Join(directory, "vmcore")

	r := dumper(t, "receive", "-v", "--text", filepath.Join(directory, "text"), "--notes", filepath.Join(directory, "notes"), input, "-o", output)
	require.Equal(t, exitDone, r.code, r.errors)
	require.Contains(t, r.out, "(panic: oops)")
	require.Contains(t, r.errors, "| host: panic\n")
	require.Contains(t, r.errors, `progress \x1b[31m`, "a console's text must not reach the terminal as it is")
	require.Equal(t, dump, contents(t, output))
	require.Contains(t, string(contents(t, filepath.Join(directory, "text"))), "progress \x1b[31m\r\n")
	require.Equal(t, "notes", string(contents(t, filepath.Join(directory, "notes"))))

	requireFails(t, exitIO, "exists", "receive", input, "-o", output)
	var fact receivedFact
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "receive", "--force", "--json", input, "-o", output)), &fact))
	require.Equal(t, receivedFact{Output: output, Size: int64(len(dump)), Complete: true, EndSeen: true, Whole: true, Lost: []lostRange{},
		Frames: fact.Frames, Host: "testhost", Panic: "oops", Time: 9}, fact)
}

func TestReceiveWithLosses(t *testing.T) {
	t.Parallel()
	line, dump := serialLine(t)
	directory := t.TempDir()
	lost := append(bytes.Clone(line[:40_000]), line[50_000:]...)
	output := filepath.Join(directory, "lost")
	r := dumper(t, "receive", writeTemporary(t, "a", lost), "-o", output)
	require.Equal(t, exitIncomplete, r.code, r.errors)
	require.Contains(t, r.out, "lost: [0x9000, 0xc000), 12 KiB")
	got := contents(t, output)
	require.Len(t, got, len(dump))
	require.Equal(t, dump[:0x9000], got[:0x9000])
	require.Equal(t, dump[0xc000:], got[0xc000:])
	require.Equal(t, make([]byte, 0x3000), got[0x9000:0xc000])

	r = dumper(t, "receive", writeTemporary(t, "b", line[:100_000]), "-o", filepath.Join(directory, "cut"))
	require.Equal(t, exitIncomplete, r.code, r.errors)
	require.Contains(t, r.out, "the end did not come")

	requireFails(t, exitNotDump, "no frame", "receive", writeTemporary(t, "c", []byte("only text\n")), "-o", filepath.Join(directory, "none"))
	requireFails(t, exitUsage, "-o DUMP", "receive", "x")
	requireFails(t, exitIO, "absent", "receive", filepath.Join(directory, "absent"), "-o", filepath.Join(directory, "y"))
}

// A line that goes silent is left after a while, or when interrupted.
func TestReceiveFromSilentLine(t *testing.T) {
	t.Parallel()
	line, dump := serialLine(t)
	for _, interrupt := range []bool{false, true} {
		silent, sender := io.Pipe()
		go func() { _, _ = sender.Write(line[:60_000]) }()
		output := filepath.Join(t.TempDir(), "out")
		ctx, cancel := context.WithCancel(t.Context())
		args := []string{"receive", "-o", output, "-"}
		if interrupt {
			time.AfterFunc(300*time.Millisecond, cancel)
		} else {
			args = append(args, "--idle", "300ms")
		}
		var out, messages bytes.Buffer
		code := run(ctx, args, silent, &out, &messages)
		cancel()
		require.Equal(t, exitIncomplete, code, messages.String())
		got := contents(t, output)
		require.NotEmpty(t, got)
		require.True(t, bytes.HasPrefix(dump, got))
		require.NoError(t, silent.Close())
	}
}
