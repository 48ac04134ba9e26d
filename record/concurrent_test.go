package record_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

// TestConcurrentAdders adds from many goroutines while another reads. Afterwards
// every record is there or counted as lost.
func TestConcurrentAdders(t *testing.T) {
	t.Parallel()
	for _, acknowledges := range []bool{false, true} {
		addConcurrently(t, acknowledges)
	}
}

// addConcurrently also acknowledges, if asked to. Then a record that was read and
// gave way before it was acknowledged is counted as lost, too: the area cannot
// know better.
func addConcurrently(t *testing.T, acknowledges bool) {
	a := newArea(t, 16)
	const adders, each = 8, 200
	var lock sync.Mutex
	read := map[uint64]bool{}     // sequence numbers of records that were read
	losses := map[uint64]uint64{} // by First: the last count
	take := func() uint64 {
		c, err := a.Contents()
		require.NoError(t, err)
		require.Zero(t, c.Torn)
		lock.Lock()
		defer lock.Unlock()
		last := uint64(0)
		for _, r := range decode(t, c) {
			last = max(last, r.Sequence)
			if r.Class == record.ClassLoss {
				losses[r.First] = r.Count
			} else {
				require.Equal(t, "broke", r.Message)
				read[r.Sequence] = true
			}
		}
		return last
	}
	var wait sync.WaitGroup
	for i := range adders {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range each {
				_, err := a.Add(task+i%2, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU, Message: "broke"})
				require.True(t, err == nil || errors.Is(err, record.ErrBusy), "%v", err)
			}
		}()
	}
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		if last := take(); acknowledges {
			_, err := a.Acknowledge(first, last)
			require.NoError(t, err)
		}
	}
	if !acknowledges {
		clear(read) // what was read meanwhile may have given way since
	}
	_, err := a.Acknowledge(first, take())
	require.NoError(t, err)
	require.Empty(t, records(t, a))
	lost := uint64(0)
	for _, n := range losses {
		lost += n
	}
	if acknowledges {
		require.GreaterOrEqual(t, len(read)+int(lost), adders*each, "%d read, %d lost", len(read), lost)
		require.LessOrEqual(t, lost, uint64(adders*each))
	} else {
		require.Equal(t, adders*each, len(read)+int(lost), "%d read, %d lost", len(read), lost)
	}
}

// exporter is an Exporter that is a function.
type exporter func(ctx context.Context, r *record.Record) error

func (e exporter) Export(ctx context.Context, r *record.Record) error { return e(ctx, r) }

func TestReporter(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	var exported []record.Record
	p := &record.Reporter{
		Area: a, Now: func() time.Time { return time.Unix(0, 42) }, Window: time.Hour,
		Export: exporter(func(_ context.Context, r *record.Record) error { exported = append(exported, *r); return nil }),
	}
	p.Note("task")
	require.NoError(t, p.Report(context.Background(), "task", record.Record{Message: "boom", CPU: record.NoCPU, Generation: 3}))
	want := record.Record{
		RestartID: first, Sequence: 2, Time: 42, CPU: record.NoCPU, Class: record.ClassTaskPanic, Source: "task",
		Generation: 3, Message: "boom",
	}
	require.Equal(t, []record.Record{want}, exported)
	require.Equal(t, []*record.Record{&want}, records(t, a))

	// A task that has no space of its own goes where nobody's faults go, under
	// its name; so does one that has the host's.
	require.NoError(t, p.Report(context.Background(), "nameless", record.Record{CPU: record.NoCPU}))
	require.NoError(t, p.Report(context.Background(), "host", record.Record{CPU: record.NoCPU, Class: record.ClassPage}))
	c, err := a.Contents()
	require.NoError(t, err)
	require.Equal(t, []string{"task", "unknown", "unknown"}, []string{c.Records[0].Source, c.Records[1].Source, c.Records[2].Source})
	require.Equal(t, "nameless", records(t, a)[1].Source)

	broken := errors.New("the collector is gone")
	p.Export = exporter(func(context.Context, *record.Record) error { return broken })
	require.ErrorIs(t, p.Report(context.Background(), "task", record.Record{CPU: record.NoCPU}), broken)
	require.Len(t, records(t, a), 4, "recorded in any case")
}

// TestReporterWindow has an exporter that never returns: recovery goes on when the
// window ends. What ends it is not the clock.
func TestReporterWindow(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	end := make(chan context.CancelFunc, 1)
	hung, let := make(chan struct{}), make(chan struct{})
	defer close(let)
	p := &record.Reporter{
		Area: a,
		Deadline: func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
			require.Equal(t, record.DefaultWindow, d)
			ctx, cancel := context.WithCancelCause(ctx)
			end <- func() { cancel(context.DeadlineExceeded) }
			return ctx, func() { cancel(nil) }
		},
		Export: exporter(func(context.Context, *record.Record) error { close(hung); <-let; return nil }),
	}
	go func() { <-hung; (<-end)() }()
	err := p.Report(context.Background(), "task", record.Record{CPU: record.NoCPU, Message: "boom"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, "boom", records(t, a)[0].Message)
}

// TestReporterExporterPanics has an exporter that panics: the fault that is reported
// must not take its host along.
func TestReporterExporterPanics(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	p := &record.Reporter{Area: a, Window: time.Hour, Export: exporter(func(context.Context, *record.Record) error { panic("torn") })}
	err := p.Report(context.Background(), "task", record.Record{CPU: record.NoCPU, Message: "boom"})
	require.ErrorIs(t, err, record.ErrExporter)
	require.ErrorContains(t, err, "torn")
	require.Equal(t, "boom", records(t, a)[0].Message, "recorded in any case")
}

// TestBusySource has somebody hold the lock of a source: for a while, and then for
// ever, as a CPU does that was stopped.
func TestBusySource(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	lock := sourceLock(a, task)
	atomic.StoreUint32(lock, 1)
	time.AfterFunc(10*time.Millisecond, func() { atomic.StoreUint32(lock, 0) })
	add(t, a, task, 5)

	atomic.StoreUint32(lock, 1)
	for range 2 {
		_, err := a.Add(task, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU})
		require.ErrorIs(t, err, record.ErrBusy)
	}
	add(t, a, other, 6) // has a lock of its own

	// Memory that is found so, by the next boot, says what was lost, too.
	c, err := record.Parse(bytes.Clone(a.Memory()))
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 2, 0}, []uint64{c.Sources[record.SourceUnknown].Lost, c.Sources[task].Lost, c.Sources[other].Lost})
	atomic.StoreUint32(lock, 0)
	requireRecords(t, a, brief{2, 5, 0}, brief{3, 6, 0}, brief{5, 0, 2})
}

// TestUnattributedFaults has several faults between two looks: all of them are
// counted, for each source.
func TestUnattributedFaults(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	p := &record.Reporter{Area: a, Now: func() time.Time { return time.Unix(0, 42) }, Window: time.Hour}
	for range 3 {
		p.Note("task")
	}
	p.Note("other")
	p.Note("nobody")
	require.NoError(t, p.Report(context.Background(), "task", record.Record{CPU: record.NoCPU, Message: "the last one"}))
	n, err := p.Flush(record.ClassTaskUnknown)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	counts := map[string]uint64{}
	for _, r := range records(t, a)[1:] {
		require.Equal(t, record.ClassTaskUnknown, r.Class)
		counts[r.Source] = r.Count
	}
	require.Equal(t, map[string]uint64{"task": 2, "other": 1, "unknown": 1}, counts)
	n, err = p.Flush(record.ClassTaskUnknown)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		class, of string
		want      bool
	}{
		{"host.fault.page", "host.fault", true}, {"host.fault.page", "", true}, {"host.fault.page", "host.fault.page", true},
		{"host.faults", "host.fault", false}, {"host", "host.fault", false},
	} {
		require.Equal(t, tt.want, record.Within(tt.class, tt.of), "%v", tt)
	}
}
