package listing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
)

var (
	restart = record.ID{0x5f, 0x0c}
	now     = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
)

// area has a loss of unknown count, a page fault, and two faults of a task.
func area(t testing.TB) *record.Area {
	t.Helper()
	layout := record.DefaultLayout()
	a, err := record.Format(make([]byte, layout.Size()), layout, restart)
	require.NoError(t, err)
	kernel, err := a.Source("kernel")
	require.NoError(t, err)
	task, err := a.Source("task")
	require.NoError(t, err)
	for _, f := range []struct {
		source int
		record record.Record
	}{
		{kernel, record.Record{Class: record.ClassPage, Time: now.Add(-time.Hour).UnixNano(), CPU: 3, Message: "page fault\x1b[2J", FaultAddress: 0xdead0000beef, PC: 0x401000,
			Registers: []byte{1, 2}, Architecture: record.ARM64, Stack: []byte{3}, StackAddress: 0x7000, Stopped: 3, NotStopped: 1}},
		{task, record.Record{Class: record.ClassTaskPanic, Source: "ledger", Time: now.Add(-time.Minute).UnixNano(), CPU: record.NoCPU, Message: "torn", Trace: "main.add\nmain.main\n", Uptime: 5e9, BuildID: "v1"}},
		{task, record.Record{Class: record.ClassTaskHang, Source: "clerk", CPU: record.NoCPU, Message: "hangs", Flags: record.FlagTraceCut}},
	} {
		_, err := a.Add(f.source, &f.record)
		require.NoError(t, err)
	}
	return a
}

func selected(t testing.TB, a *record.Area, words ...string) []listing.Entry {
	t.Helper()
	f, err := listing.ParseFilter(words, now)
	require.NoError(t, err)
	c, err := a.Contents()
	require.NoError(t, err)
	entries, broken := listing.Select(c, f)
	require.Zero(t, broken)
	return entries
}

func TestFilter(t *testing.T) {
	t.Parallel()
	a := area(t)
	for words, want := range map[string]string{
		"":                                    "loss page panic hang",
		"class=host.fault":                    "page",
		"class=task":                          "panic hang",
		"class=task.fault.pan":                "",
		"source=ledger":                       "panic",
		"restart=5F0":                         "loss page panic hang",
		"restart=00":                          "",
		"since=30m":                           "loss panic hang",
		"since=2026-11-21T22:59:30Z":          "loss hang",
		"until=30m":                           "loss page hang",
		"after=2":                             "panic hang",
		"class=task after=3 source=clerk":     "hang",
		"class=host.fault.page since=2h":      "page",
		"class=host.fault.page until=1h30m0s": "",
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			var found []string
			for _, e := range selected(t, a, strings.Fields(words)...) {
				found = append(found, e.Class[strings.LastIndexByte(e.Class, '.')+1:])
			}
			require.Equal(t, want, strings.Join(found, " "))
		})
	}
	for _, word := range []string{"class", "class=", "colour=red", "since=yesterday", "after=-1", "=x"} {
		_, err := listing.ParseFilter([]string{word}, now)
		require.ErrorIs(t, err, listing.ErrWord, word)
		require.ErrorContains(t, err, word)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	a := area(t)
	var b bytes.Buffer
	require.NoError(t, listing.WriteText(&b, selected(t, a)))
	require.Equal(t, `5f0c0000    1  time not known            record.loss       record  unknown: what was recorded before this boot is not known
5f0c0000    2  2026-11-21T22:00:00.000Z  host.fault.page   kernel  page fault.[2J
5f0c0000    3  2026-11-21T22:59:00.000Z  task.fault.panic  ledger  torn
5f0c0000    4  time not known            task.fault.hang   clerk   hangs
`, b.String())
}

// TestNested has a record of what broke on the panic path: every shape says so.
func TestNested(t *testing.T) {
	t.Parallel()
	e := []listing.Entry{{Record: record.Record{Class: record.ClassPage, Message: "again", CPU: record.NoCPU, Flags: record.FlagNested}}}
	var text, detail, object bytes.Buffer
	require.NoError(t, listing.WriteText(&text, e))
	require.Contains(t, text.String(), "again (on the panic path)")
	require.NoError(t, listing.WriteDetail(&detail, e[0]))
	require.Contains(t, detail.String(), "nested       this broke on the panic path\n")
	require.NoError(t, listing.WriteJSON(&object, e))
	require.Contains(t, object.String(), `"flags":32`)
}

// TestTextIsPlain has a message that a terminal would act on, in one byte or in two.
func TestTextIsPlain(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, listing.WriteText(&b, []listing.Entry{{Record: record.Record{Message: "\x1b[2J\u009b2J\x7f\u00e9"}}}))
	require.Contains(t, b.String(), ".[2J.2J.\u00e9")
}

// TestFollowCompleted has the record of a panic completed while it is followed: it
// comes again.
func TestFollowCompleted(t *testing.T) {
	t.Parallel()
	r := record.Record{RestartID: restart, Sequence: 1, Class: record.ClassPanic, Source: "host", CPU: record.NoCPU}
	data, err := r.AppendBinary(nil)
	require.NoError(t, err)
	looks := 0
	source := listing.SourceFunc(func() (*record.Contents, error) {
		looks++
		return &record.Contents{Records: []record.Stored{{RestartID: restart, Sequence: 1, Minimal: looks < 3, Data: data}}}, nil
	})
	done := errors.New("done")
	var minimal []bool
	err = listing.Follow(t.Context(), source, listing.Filter{}, time.Millisecond, func(entries []listing.Entry) error {
		require.Len(t, entries, 1)
		if minimal = append(minimal, entries[0].Minimal); len(minimal) == 2 {
			return done
		}
		return nil
	})
	require.ErrorIs(t, err, done)
	require.Equal(t, []bool{true, false}, minimal)
}

func TestDetail(t *testing.T) {
	t.Parallel()
	a := area(t)
	var b bytes.Buffer
	for _, e := range selected(t, a) {
		require.NoError(t, listing.WriteDetail(&b, e))
	}
	for _, want := range []string{
		"count        unknown", "CPU          3", "fault at     0xdeadbeef0000"[:13], "0xdead0000beef", "pc           0x401000", "registers    2 bytes, arm64",
		"stack        1 bytes from 0x7000", "other CPUs   3 stopped, 1 did not", "trace\n  main.add\n  main.main\n", "uptime       5s", "build        v1", "lacks        the trace's end",
	} {
		require.Contains(t, b.String(), want)
	}
	require.NotContains(t, b.String(), "\x1b")
	require.Error(t, listing.WriteDetail(failing{}, selected(t, a)[0]))
	require.Error(t, listing.WriteText(failing{}, selected(t, a)))
	require.Error(t, listing.WriteJSON(failing{}, selected(t, a)))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, listing.WriteJSON(&b, selected(t, area(t))))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	require.Len(t, lines, 4)
	require.JSONEq(t, `{"restart":"5f0c0000000000000000000000000000","sequence":2,"time":"2026-11-21T22:00:00Z","cpu":3,"class":"host.fault.page","source":"kernel",
		"message":"page fault\u001b[2J","fault_address":"0xdead0000beef","pc":"0x401000","stopped":3,"not_stopped":1,"architecture":"arm64","registers":"0102","stack_address":"0x7000","stack":"03"}`, lines[1])
	var loss listing.Object
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &loss))
	require.True(t, loss.CountUnknown)
	require.Nil(t, loss.Count)
	require.Nil(t, loss.CPU)
}

func TestBrokenDataIsCounted(t *testing.T) {
	t.Parallel()
	entries, broken := listing.Select(&record.Contents{Records: []record.Stored{{Data: []byte{0xff}}, {}}}, listing.Filter{})
	require.Empty(t, entries)
	require.Equal(t, 2, broken)
}

// TestFollow adds a record for each that is shown, until there were enough.
func TestFollow(t *testing.T) {
	t.Parallel()
	a := area(t)
	task, err := a.Source("task")
	require.NoError(t, err)
	failures := 1
	from := listing.SourceFunc(func() (*record.Contents, error) {
		if failures > 0 {
			failures--
			return nil, errors.New("busy")
		}
		return a.Contents()
	})
	ctx, cancel := context.WithCancel(t.Context())
	var sequences []uint64
	err = listing.Follow(ctx, from, listing.Filter{Class: "task"}, time.Millisecond, func(entries []listing.Entry) error {
		for _, e := range entries {
			sequences = append(sequences, e.Sequence)
		}
		if len(sequences) >= 5 {
			cancel()
			return nil
		}
		_, err := a.Add(task, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU})
		return err
	})
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 4, 5, 6, 7}, sequences)

	stop := errors.New("stop")
	err = listing.Follow(t.Context(), a, listing.Filter{}, 0, func([]listing.Entry) error { return stop })
	require.ErrorIs(t, err, stop)
}

func FuzzParseFilter(f *testing.F) {
	f.Add("class=host.fault since=1h")
	f.Add("after=0x10 until=2026-11-21T23:00:00Z restart=ab")
	f.Fuzz(func(t *testing.T, words string) {
		filter, err := listing.ParseFilter(strings.Fields(words), now)
		if err != nil {
			require.ErrorIs(t, err, listing.ErrWord)
			return
		}
		filter.Match(&record.Record{Class: "host.fault.page", Time: 1})
	})
}
