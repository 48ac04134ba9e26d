package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
)

// Config is what there is to see.
type Config struct {
	Source listing.Source

	// Acknowledger frees what "records ack" says. nil: that command is refused.
	Acknowledger listing.Acknowledger

	Prompt   string           // what is written when a command may be typed
	Echo     bool             // write what is typed, as a terminal at the other end of a UART expects
	Interval time.Duration    // between the looks of follow; 0: listing.DefaultInterval
	Now      func() time.Time // what durations count back from; nil: time.Now
}

// errUsage is answered with what there is to type.
var errUsage = errors.New("commands: records [json|follow] [KEY=VALUE...], records show SEQUENCE [RESTART], records ack RESTART SEQUENCE, help")

// session is one Serve.
type session struct {
	Config
	line  io.Writer
	lines chan string
}

// Serve answers commands until the line ends, which is no error, or ctx does. Its
// reader stays in its last Read until the line is closed.
func Serve(ctx context.Context, line io.ReadWriter, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &session{Config: c, line: &writer{line: line}, lines: make(chan string)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- s.read(ctx, line)
		close(s.lines)
	}()
	for {
		if _, err := io.WriteString(s.line, s.Prompt); err != nil {
			return fmt.Errorf("records console: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case words, open := <-s.lines:
			if !open {
				return <-ended
			}
			if err := s.answer(ctx, strings.Fields(words)); err != nil {
				return fmt.Errorf("records console: %w", err)
			}
		}
	}
}

// answer runs a command. Its error is the line's; what is wrong with the command is
// said there.
func (s *session) answer(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return nil
	}
	var out bytes.Buffer
	var err error
	switch {
	case words[0] == "help":
		err = errUsage
	case words[0] != "records":
		err = fmt.Errorf("%.32q is no command; %w", words[0], errUsage)
	case len(words) > 1 && words[1] == "follow":
		err = s.follow(ctx, words[2:])
	case len(words) > 1 && words[1] == "show":
		err = s.show(&out, words[2:])
	case len(words) > 1 && words[1] == "ack":
		err = s.acknowledge(&out, words[2:])
	case len(words) > 1 && words[1] == "json":
		err = s.list(&out, words[2:], listing.WriteJSON)
	default:
		err = s.list(&out, words[1:], listing.WriteText)
	}
	if err != nil {
		fmt.Fprintf(&out, "%v\n", err)
	}
	return s.write(out.Bytes())
}

// write ends lines as a terminal in raw mode wants it.
func (s *session) write(text []byte) error {
	_, err := s.line.Write(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	return err
}

func (s *session) entries(words []string) ([]listing.Entry, error) {
	f, err := listing.ParseFilter(words, s.Now())
	if err != nil {
		return nil, err
	}
	c, err := s.Source.Contents()
	if err != nil {
		return nil, err
	}
	entries, _ := listing.Select(c, f)
	return entries, nil
}

func (s *session) list(out io.Writer, words []string, write func(io.Writer, []listing.Entry) error) error {
	entries, err := s.entries(words)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return errors.New("no such records")
	}
	return write(out, entries)
}

func (s *session) show(out io.Writer, words []string) error {
	if len(words) < 1 || len(words) > 2 {
		return errUsage
	}
	sequence, err := strconv.ParseUint(words[0], 0, 64)
	if err != nil {
		return fmt.Errorf("%.32q is no sequence number", words[0])
	}
	var filter []string
	if len(words) == 2 {
		filter = []string{"restart=" + words[1]}
	}
	entries, err := s.entries(filter)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.Sequence == sequence {
			found = true
			if err := listing.WriteDetail(out, e); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("no record %d", sequence)
	}
	return nil
}

// follow lists until another line is typed, or the line ends.
func (s *session) follow(ctx context.Context, words []string) error {
	f, err := listing.ParseFilter(words, s.Now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.lines:
			cancel()
		case <-ctx.Done():
		}
	}()
	return listing.Follow(ctx, s.Source, f, s.Interval, func(entries []listing.Entry) error {
		var out bytes.Buffer
		if err := listing.WriteText(&out, entries); err != nil {
			return err
		}
		return s.write(out.Bytes())
	})
}

// acknowledge wants the whole restart id or enough of it to be the only one.
func (s *session) acknowledge(out io.Writer, words []string) error {
	if s.Acknowledger == nil {
		return errors.New("records are not acknowledged here")
	}
	if len(words) != 2 {
		return errUsage
	}
	sequence, err := strconv.ParseUint(words[1], 0, 64)
	if err != nil {
		return fmt.Errorf("%.32q is no sequence number", words[1])
	}
	entries, err := s.entries([]string{"restart=" + words[0]})
	if err != nil {
		return err
	}
	restarts := map[record.ID]bool{}
	for _, e := range entries {
		restarts[e.RestartID] = true
	}
	if len(restarts) != 1 {
		return fmt.Errorf("%d restarts begin with %.32q", len(restarts), words[0])
	}
	freed, err := s.Acknowledger.Acknowledge(entries[0].RestartID, sequence)
	fmt.Fprintf(out, "%d records freed\n", freed)
	return err
}
