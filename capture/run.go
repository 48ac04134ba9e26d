package capture

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
)

var (
	// ErrNoTarget says that no target took the dump.
	ErrNoTarget = errors.New("no target took the dump")
	// ErrNoDriver says that the program has no driver for a target.
	ErrNoDriver = errors.New("no driver for this target")
)

// Options say how Run reaches the targets, and whom it tells.
type Options struct {
	// Disk opens the device of a TargetBlock, all of it. Serial opens the line
	// of a TargetSerial. A nil function has no such devices.
	Disk   func(handoff.Target) (target.Device, error)
	Serial func(handoff.Target) (io.Writer, error)

	// Attempt is called before a target is tried and, with what came of it,
	// after it was given up; FirstWrite when the first block that holds pages of
	// the host has been handed to the target; Progress after each frame from then
	// on. Each may be nil.
	Attempt    func(Attempt)
	FirstWrite func()
	Progress   func(Progress)
}

// Progress is how far a dump is.
type Progress struct {
	Content    int64 // bytes of the dump that are done
	Size       int64 // and in all
	Compressed int64 // bytes that the target has taken
}

// Attempt is what came of one target.
type Attempt struct {
	Index  int // in the hand-off block's list
	Target handoff.Target
	Progress
	Pages uint64 // of the host that are in it
	// Cut is nil for a dump that is whole, and of one that failed.
	Cut *minidump.Cut
	Err error
}

// Result is what Run did.
type Result struct {
	// Attempts are the targets that were tried, in order.
	Attempts []Attempt
	// Best is the index in Attempts of the best dump, -1 if there is none.
	Best int
	// RecordOnly says that the list ended in a target that is only a record.
	RecordOnly bool
}

// Whole reports whether there is a dump with nothing missing.
func (r *Result) Whole() bool { return r.Best >= 0 && r.Attempts[r.Best].Cut == nil }

// Err is nil if there is a dump, cut or not, or the list asked for none.
func (r *Result) Err() error {
	if r.Best >= 0 || r.RecordOnly {
		return nil
	}
	errs := []error{ErrNoTarget}
	for _, a := range r.Attempts {
		errs = append(errs, fmt.Errorf("target %d: %w", a.Index, a.Err))
	}
	return errors.Join(errs...)
}

// Run streams the dump to the first target of the hand-off block's list that
// takes it. A target that fails, or whose label is not there, is followed by the
// next; so is one that was too small, unless its TargetTruncate allows that or
// it is the last.
func (h *Host) Run(d *minidump.Dumper, o Options) Result {
	r := run{host: h, dumper: d, o: o}
	r.prepareEarly()
	result := Result{Best: -1}
	for i, t := range h.Block.Targets {
		if t.Kind == handoff.TargetRecord {
			result.RecordOnly = true
			break
		}
		a := r.attempt(i, t)
		result.Attempts = append(result.Attempts, a)
		r.tell(a)
		if a.Err != nil {
			continue
		}
		if best := result.Best; best < 0 || a.Cut == nil || a.Pages > result.Attempts[best].Pages {
			result.Best = len(result.Attempts) - 1
		}
		if a.Cut == nil || t.Flags&handoff.TargetTruncate != 0 {
			break
		}
	}
	return result
}

// run is one call of Run.
type run struct {
	host    *Host
	dumper  *minidump.Dumper
	o       Options
	early   []target.Section
	holes   int // in the notes of early
	written bool
}

func (r *run) tell(a Attempt) {
	if r.o.Attempt != nil {
		r.o.Attempt(a)
	}
}

// attempt tries one target.
func (r *run) attempt(index int, t handoff.Target) Attempt {
	a := Attempt{Index: index, Target: t}
	a.Size = r.dumper.Size()
	r.tell(a)
	s, err := r.openSink(t)
	if err == nil {
		err = s.begin(r.early)
	}
	if err != nil {
		a.Err = err
		return a
	}
	out := &output{run: r, sink: s, attempt: &a}
	a.Err = out.stream()
	return a
}

// earlySize bounds the notes in the early record.
const earlySize = 192 << 10

// prepareEarly makes what goes ahead of the dump.
func (r *run) prepareEarly() {
	r.early = append(r.host.recordSection(), r.notes(nil)...)
	if address, stack := r.host.Stack(); len(stack) > 0 {
		r.early = append(r.early, target.Section{Kind: target.KindStack, Address: address, Data: stack})
	}
}

// notes are the dump's notes as far as they are known now.
func (r *run) notes(cut *minidump.Cut) []target.Section {
	n := r.host.notes()
	n.Marks = r.dumper.Marks()
	n.Holes, n.HolesOmitted = r.dumper.Holes()
	n.Cut = cut
	r.holes = len(n.Holes)
	data, err := minidump.EncodeNotes(&n, min(minidump.NotesSize(&n), earlySize))
	if err != nil {
		return nil // they do not fit without any holes: the dump has them
	}
	return []target.Section{{Kind: target.KindNotes, Data: data}}
}

// update is the notes again, if more is known than in the early record.
func (r *run) update() []target.Section {
	if holes, _ := r.dumper.Holes(); len(holes) == r.holes {
		return nil
	}
	return r.notes(nil)
}
