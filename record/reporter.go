package record

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DefaultWindow is how long reporting may take before recovery goes on.
const DefaultWindow = 5 * time.Millisecond

// ErrExporter says that an exporter panicked. The record was kept before.
var ErrExporter = errors.New("the exporter of records panicked")

// Exporter passes records on: to a log, to a collector. It is called within the
// reporting window, and its context ends with it.
type Exporter interface {
	Export(ctx context.Context, r *Record) error
}

// Reporter records faults of tasks: of a goroutine or a service that panicked
// and is restarted. Its methods may be called from any goroutine.
type Reporter struct {
	// Area takes the records. Required.
	Area *Area
	// Export, if set, is given each record after the area has it.
	Export Exporter
	// Window is how long Report may take; 0 = DefaultWindow.
	Window time.Duration
	// Now is the clock for Record.Time; nil = time.Now.
	Now func() time.Time
	// Deadline makes the context that the window is; nil = context.WithTimeout.
	// A host without timers gives its own, and so does a test.
	Deadline func(context.Context, time.Duration) (context.Context, context.CancelFunc)
}

// source is the space of a name, or of SourceUnknown.
func (p *Reporter) source(name string) int {
	if i, err := p.Area.Source(name); err == nil && i != SourceHost {
		return i
	}
	return SourceUnknown
}

// Note counts a fault of a space, of which no more than that may ever be known.
// It costs one atomic add; it may be called where nothing else may. A report of
// the space takes one off; what is left when Flush is called becomes a record.
func (p *Reporter) Note(space string) {
	sourceAt(p.Area.start, uintptr(p.source(space))).count(sourceOffsetFaults)
}

// Report records r in a space and exports it, and returns when that is done or
// the window is over, whichever is first: recovery goes on in either case. The
// error says what did not come off; it is context.DeadlineExceeded if the window
// ended, and then an exporter that heeds no context goes on by itself. One that
// panics is ErrExporter: who reports a fault must not become one. A record that
// found no room is counted as lost.
func (p *Reporter) Report(ctx context.Context, space string, r Record) error {
	window, deadline := p.Window, p.Deadline
	if window == 0 {
		window = DefaultWindow
	}
	if deadline == nil {
		deadline = context.WithTimeout
	}
	ctx, cancel := deadline(ctx, window)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		defer func() {
			if v := recover(); v != nil {
				done <- fmt.Errorf("%w: %v", ErrExporter, v)
			}
		}()
		done <- p.report(ctx, space, &r)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done: // both were ready
			return err
		default:
			return context.Cause(ctx)
		}
	}
}

// report does the work of Report.
func (p *Reporter) report(ctx context.Context, space string, r *Record) error {
	if r.Time == 0 {
		now := p.Now
		if now == nil {
			now = time.Now
		}
		r.Time = now().UnixNano()
	}
	index := p.source(space)
	if r.Source == "" {
		r.Source = space
	}
	if r.Class == "" {
		r.Class = ClassTaskPanic
	}
	sequence, err := p.Area.try(index, r, 1)
	for errors.Is(err, ErrBusy) && ctx.Err() == nil {
		sequence, err = p.Area.try(index, r, 1)
	}
	if errors.Is(err, ErrBusy) {
		sourceAt(p.Area.start, uintptr(index)).count(sourceOffsetBusy)
	}
	if err == nil {
		sourceAt(p.Area.start, uintptr(index)).uncount(sourceOffsetFaults, 1)
		r.RestartID, r.Sequence = p.Area.RestartID(), sequence
	}
	if p.Export == nil {
		return err
	}
	return errors.Join(err, p.Export.Export(ctx, r))
}

// Flush makes records of the faults that were noted and never reported: one for
// each space, in the space of SourceUnknown, with their number. It gives the
// number of faults.
func (p *Reporter) Flush(class string) (faults int, err error) {
	for i, name := range p.Area.list {
		n := sourceAt(p.Area.start, uintptr(i)).uncount(sourceOffsetFaults, ^uint32(0))
		if n == 0 {
			continue
		}
		r := Record{Class: class, Source: name, CPU: NoCPU, Count: uint64(n), Message: "faults of which no more is known"}
		if p.Now != nil {
			r.Time = p.Now().UnixNano()
		} else {
			r.Time = time.Now().UnixNano()
		}
		if _, e := p.Area.Add(SourceUnknown, &r); e != nil {
			err = errors.Join(err, e)
		}
		faults += int(n)
	}
	return faults, err
}
