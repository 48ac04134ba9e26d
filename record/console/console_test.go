package console_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/console"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

func area(t testing.TB) *record.Area {
	t.Helper()
	layout := record.DefaultLayout()
	a, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	require.NoError(t, err)
	add(t, a, "torn")
	return a
}

func add(t testing.TB, a *record.Area, message string) {
	t.Helper()
	task, err := a.Source("task")
	require.NoError(t, err)
	_, err = a.Add(task, &record.Record{Class: record.ClassTaskPanic, Time: now.Add(-time.Minute).UnixNano(), Source: "ledger", CPU: record.NoCPU, Message: message})
	require.NoError(t, err)
}

// typed is a line at which all is typed before anything is read.
type typed struct {
	io.Reader
	bytes.Buffer
}

func (l *typed) Read(p []byte) (int, error) { return l.Reader.Read(p) }

// talk is what a session writes when all of input is typed.
func talk(t testing.TB, c console.Config, input string) string {
	t.Helper()
	line := &typed{Reader: strings.NewReader(input)}
	c.Now = func() time.Time { return now }
	require.NoError(t, console.Serve(t.Context(), line, c))
	return line.String()
}

func TestCommands(t *testing.T) {
	t.Parallel()
	const torn = "5f000000    2  2026-11-21T22:59:00.000Z  task.fault.panic  ledger  torn\r\n"
	for input, want := range map[string]string{
		"records class=task\n":                       torn,
		"records class=task since=2m\r\n":            torn,
		"records since=10s class=task\r":             "no such records\r\n",
		"recordx\x08s\x7fs class=task\n":             torn,
		"nonsense\x15records class=task\n":           torn,
		"records show 2\n":                           "message      torn\r\n",
		"records show 2 5f\n":                        "message      torn\r\n",
		"records show 2 60\n":                        "no record 2",
		"records show 9\n":                           "no record 9",
		"records show x\n":                           `"x" is no sequence number`,
		"records show\n":                             "commands: ",
		"records json source=ledger\n":               `"message":"torn"`,
		"records colour=red\n":                       "the keys are class, source",
		"records ack 5f 2\n":                         "2 records freed",
		"records ack 60 2\n":                         `0 restarts begin with "60"`,
		"records ack 5f x\n":                         "no sequence number",
		"records ack 5f\n":                           "commands: ",
		"reboot\n":                                   `"reboot" is no command`,
		"help\n":                                     "records ack RESTART SEQUENCE",
		"\r\n\n":                                     "",
		strings.Repeat("x", 10000) + "\n":            "is no command",
		"records follow colour=red\n":                "not a word of a filter",
		"records class=task":                         "", // the line ended before the command did
		"records ack 5f 2\nrecords class=task\nhelp": "no such records",
	} {
		t.Run(input[:min(len(input), 40)], func(t *testing.T) {
			t.Parallel()
			a := area(t)
			out := talk(t, console.Config{Source: a, Acknowledger: a}, input)
			if want == "" {
				require.Empty(t, out)
			}
			require.Contains(t, out, want)
			require.NotContains(t, strings.ReplaceAll(out, "\r\n", ""), "\n")
		})
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	a := area(t)
	require.Contains(t, talk(t, console.Config{Source: a}, "records ack 5f 2\n"), "not acknowledged here")
	require.Contains(t, talk(t, console.Config{Source: a}, "records\n"), "torn")
}

func TestEchoAndPrompt(t *testing.T) {
	t.Parallel()
	out := talk(t, console.Config{Source: area(t), Echo: true, Prompt: "> "}, "hex\x08lp\n")
	require.True(t, strings.Contains(out, "hex\b \blp\r\n"), "%q", out)
	require.Equal(t, 2, strings.Count(out, "> "))
}

// TestFollow is a session over a pipe: what comes is shown until a line is typed.
func TestFollow(t *testing.T) {
	t.Parallel()
	a := area(t)
	here, there := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- console.Serve(t.Context(), there, console.Config{Source: a, Interval: time.Millisecond})
	}()
	reader := bufio.NewReader(here)
	expect := func(want string) {
		t.Helper()
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, want)
	}
	_, err := io.WriteString(here, "records follow class=task\n")
	require.NoError(t, err)
	expect("torn")
	add(t, a, "torn again")
	expect("torn again")
	_, err = io.WriteString(here, "stop\nhelp\n")
	require.NoError(t, err)
	expect("commands: ")
	require.NoError(t, here.Close())
	require.NoError(t, <-ended)
}

func TestEnds(t *testing.T) {
	t.Parallel()
	_, there := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, console.Serve(ctx, there, console.Config{Source: area(t)}), context.Canceled)

	broken := errors.New("no carrier")
	line := &typed{Reader: io.MultiReader(strings.NewReader("records follow\n"), failing{broken})}
	require.ErrorIs(t, console.Serve(t.Context(), line, console.Config{Source: area(t)}), broken)
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func FuzzServe(f *testing.F) {
	f.Add("records ack 5f 2\nrecords show 1\n")
	f.Add("records follow\nrecords json since=1h\n\x15\x08\x7f")
	a := area(f)
	f.Fuzz(func(t *testing.T, input string) {
		line := &typed{Reader: strings.NewReader(input)}
		require.NoError(t, console.Serve(t.Context(), line, console.Config{Source: a, Acknowledger: a, Echo: true}))
	})
}
