package export_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/export"
	"github.com/seed64aab995/rescuekernel/record/listing"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

func area(t testing.TB) *record.Area {
	t.Helper()
	layout := record.DefaultLayout()
	a, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f})
	require.NoError(t, err)
	return a
}

func add(t testing.TB, a *record.Area, message string) {
	t.Helper()
	task, err := a.Source("task")
	require.NoError(t, err)
	_, err = a.Add(task, &record.Record{Class: record.ClassTaskPanic, Time: now.UnixNano(), Source: "ledger", CPU: record.NoCPU, Message: message})
	require.NoError(t, err)
}

// collector keeps what it is given, and fails at a message.
type collector struct {
	got    []string
	failAt string
}

var errDown = errors.New("collector is down")

func (c *collector) Export(_ context.Context, r *record.Record) error {
	if c.failAt != "" && r.Message == c.failAt {
		return errDown
	}
	c.got = append(c.got, r.Message)
	return nil
}

func messages(t testing.TB, a *record.Area) (list []string) {
	t.Helper()
	contents, err := a.Contents()
	require.NoError(t, err)
	entries, broken := listing.Select(contents, listing.Filter{})
	require.Zero(t, broken)
	for _, e := range entries {
		list = append(list, e.Message)
	}
	return list
}

func TestPumpAcknowledgesWhatArrived(t *testing.T) {
	t.Parallel()
	a := area(t)
	for _, m := range []string{"one", "two", "three"} {
		add(t, a, m)
	}
	to := &collector{failAt: "two"}
	p := export.Pump{Source: a, Acknowledger: a, Exporter: to}
	moved, err := p.Once(t.Context())
	require.ErrorIs(t, err, errDown)
	require.ErrorContains(t, err, "record 3 of restart 5f")
	require.Equal(t, 2, moved, "the loss that an area begins with, and one")
	require.Equal(t, []string{"two", "three"}, messages(t, a))

	to.failAt = ""
	moved, err = p.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, moved)
	require.Equal(t, []string{"one", "two", "three"}, to.got[1:])
	require.Empty(t, messages(t, a))
	moved, err = p.Once(t.Context())
	require.NoError(t, err)
	require.Zero(t, moved)
}

func TestPumpWithoutAcknowledger(t *testing.T) {
	t.Parallel()
	a := area(t)
	add(t, a, "one")
	to := &collector{}
	p := export.Pump{Source: a, Exporter: to}
	for range 3 {
		_, err := p.Once(t.Context())
		require.NoError(t, err)
	}
	add(t, a, "two")
	_, err := p.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two"}, to.got[1:])
	require.Len(t, messages(t, a), 3, "nothing is freed")
}

func TestPumpWithFilterFreesNothing(t *testing.T) {
	t.Parallel()
	a := area(t)
	add(t, a, "one")
	to := &collector{}
	p := export.Pump{Source: a, Acknowledger: a, Exporter: to, Filter: listing.Filter{Class: "task"}}
	_, err := p.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, to.got)
	require.Len(t, messages(t, a), 2)
}

func TestPumpTellsOfUnreadableRecords(t *testing.T) {
	t.Parallel()
	to := &collector{}
	p := export.Pump{Exporter: to, Source: listing.SourceFunc(func() (*record.Contents, error) {
		return &record.Contents{Records: []record.Stored{{Sequence: 1, Data: []byte{0xff}}}}, nil
	})}
	moved, err := p.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, moved)
	require.Contains(t, to.got[0], "a record of 1 bytes that cannot be read")
}

func TestPumpSourceAndAcknowledgerFail(t *testing.T) {
	t.Parallel()
	p := export.Pump{Exporter: &collector{}, Source: listing.SourceFunc(func() (*record.Contents, error) { return nil, errDown })}
	_, err := p.Once(t.Context())
	require.ErrorIs(t, err, errDown)
	p = export.Pump{Exporter: &collector{}, Source: area(t), Acknowledger: refusing{}}
	_, err = p.Once(t.Context())
	require.ErrorIs(t, err, errDown)
}

type refusing struct{}

func (refusing) Acknowledge(record.ID, uint64) (int, error) { return 0, errDown }

func TestPumpRuns(t *testing.T) {
	t.Parallel()
	a := area(t)
	to := &collector{failAt: "one"}
	add(t, a, "one")
	ctx, cancel := context.WithCancel(t.Context())
	p := export.Pump{Source: a, Acknowledger: a, Failed: func(error) {
		to.failAt = ""
		add(t, a, "two")
	}}
	p.Exporter = exporterFunc(func(r *record.Record) error {
		if r.Message == "two" {
			cancel()
		}
		return to.Export(ctx, r)
	})
	require.ErrorIs(t, p.Run(ctx, time.Millisecond), context.Canceled)
	require.Equal(t, []string{"one", "two"}, to.got[1:])
}

type exporterFunc func(*record.Record) error

func (f exporterFunc) Export(_ context.Context, r *record.Record) error { return f(r) }

func TestSlog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record record.Record
		level  slog.Level
		want   string
	}{
		"task": {record.Record{Class: record.ClassTaskPanic, Source: "ledger", Sequence: 7, Time: now.UnixNano(), CPU: record.NoCPU, Message: "torn", Trace: "main.add"}, slog.LevelInfo,
			`time=2026-11-21T23:00:00.000Z level=ERROR msg=torn class=task.fault.panic source=ledger restart=00000000000000000000000000000000 sequence=7 trace=main.add` + "\n"},
		"host": {record.Record{Class: record.ClassPage, Source: "host", FaultAddress: 0xdead, PC: 0x401000, CPU: 2, Stopped: 3, Architecture: record.AMD64, Registers: []byte{1}}, slog.LevelInfo,
			`level=ERROR+4 msg=host.fault.page class=host.fault.page source=host restart=00000000000000000000000000000000 sequence=0 cpu=2 fault_address=0xdead pc=0x401000 stopped=3 architecture=amd64 registers=01` + "\n"},
		"loss": {record.Record{Class: record.ClassLoss, CPU: record.NoCPU, Count: record.UnknownCount, Message: "lost"}, slog.LevelInfo,
			`level=WARN msg=lost class=record.loss source="" restart=00000000000000000000000000000000 sequence=0 count_unknown=true` + "\n"},
		"not wanted": {record.Record{Class: record.ClassLoss}, slog.LevelError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			handler := slog.NewTextHandler(&b, &slog.HandlerOptions{Level: c.level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					a.Value = slog.TimeValue(a.Value.Time().UTC())
				}
				return a
			}})
			require.NoError(t, export.Slog{Logger: slog.New(handler)}.Export(t.Context(), &c.record))
			require.Equal(t, c.want, b.String())
		})
	}
}

// TestPumpOfTwoRestarts has records of an earlier boot before those of this one: both
// are acknowledged, each under its own restart id.
func TestPumpOfTwoRestarts(t *testing.T) {
	t.Parallel()
	layout := record.DefaultLayout()
	old, err := record.Format(make([]byte, layout.Size()), layout, record.ID{1})
	require.NoError(t, err)
	a, adopted, err := record.Adopt(make([]byte, layout.Size()), old.Memory(), layout, record.ID{2})
	require.NoError(t, err)
	require.Equal(t, 1, adopted.Records)
	_, err = a.Add(record.FirstSource, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU})
	require.NoError(t, err)
	pump := export.Pump{Source: a, Acknowledger: a, Exporter: export.Slog{Logger: slog.New(slog.DiscardHandler)}}
	moved, err := pump.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, moved)
	contents, err := a.Contents()
	require.NoError(t, err)
	require.Empty(t, contents.Records)
}
