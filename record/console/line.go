package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxLine is the longest command.
const maxLine = 512

// What a terminal sends.
const (
	backspace = '\b'
	rubout    = 0x7f
	cancel    = 0x15 // ^U: the line anew
)

// read makes lines of what is typed: until a carriage return, a line feed, or
// both.
func (s *session) read(ctx context.Context, line io.Reader) error {
	var typed []byte
	var piece [64]byte
	for {
		n, err := line.Read(piece[:])
		for _, b := range piece[:n] {
			if b != '\r' && b != '\n' {
				typed = s.edit(typed, b)
				continue
			}
			s.echo("\r\n")
			if len(typed) == 0 {
				continue // also the second half of a line's end
			}
			select {
			case s.lines <- string(typed):
			case <-ctx.Done():
				return ctx.Err()
			}
			typed = typed[:0]
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("records console: %w", err)
		}
	}
}

// edit does with a byte what a terminal's line does.
func (s *session) edit(typed []byte, b byte) []byte {
	switch {
	case b == backspace || b == rubout:
		if len(typed) > 0 {
			typed = typed[:len(typed)-1]
			s.echo("\b \b")
		}
	case b == cancel:
		typed = typed[:0]
		s.echo("^U\r\n")
	case b >= ' ' && len(typed) < maxLine:
		typed = append(typed, b)
		s.echo(string(b))
	}
	return typed
}

// echo writes what was typed. A line that cannot be written to is found by the
// answer.
func (s *session) echo(text string) {
	if s.Echo {
		io.WriteString(s.line, text)
	}
}

// writer lets echo and answer take turns.
type writer struct {
	mutex sync.Mutex
	line  io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.line.Write(p)
}
