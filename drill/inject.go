package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// inject schedules the faults whose point the machine is at.
func (d *drill) inject(name string) error {
	for _, f := range d.Faults {
		if f.When.Name != name {
			continue
		}
		m, ok := d.machine.(*emulated.Machine)
		if !ok {
			return fmt.Errorf("fault %s on machine %s: %w: only the emulated one can", f.Kind, d.Machine, machine.ErrUnsupported)
		}
		where, err := d.place(f.Place)
		if err != nil {
			return fmt.Errorf("fault %s: %w", f.Kind, err)
		}
		at := m.Instructions()
		if name == PointPanic {
			at = d.panicBegins
		}
		fault := emulated.Fault{Kind: emulated.FaultKind(f.Kind), Range: where, Bit: f.Bit, CPU: f.CPU, Vector: f.Vector}
		if err := m.Inject(at+f.After, fault); err != nil {
			return err
		}
	}
	return nil
}

// bootFaulty is bootHost, and what goes wrong from then on.
func (d *drill) bootFaulty(ctx context.Context) error {
	if err := d.rehearse(ctx); err != nil {
		return err
	}
	if err := d.bootHost(ctx); err != nil {
		return err
	}
	return errors.Join(d.inject(PointArmed), d.inject(PointPanic))
}

// injectLate runs the rescue image to the points by which faults are to happen.
func (d *drill) injectLate(ctx context.Context) error {
	last := 0
	for _, f := range d.Faults {
		last = max(last, f.When.order())
	}
	for _, p := range []Point{{Name: PointEntry}, {Name: PointMain}} {
		if p.order() > last {
			break
		}
		address := d.block.Image.Entry
		if p.Name == PointMain {
			table, _ := symbols.Open(bytes.NewReader(d.Rescue)) // nil has no symbols
			var ok bool
			if address, ok = table.SymbolAddress("main.main"); !ok {
				return fmt.Errorf("fault at main: the rescue program has no symbol main.main")
			}
		}
		exit, err := d.machine.RunTo(ctx, address)
		if err == nil && exit.Reason != machine.Breakpoint {
			err = fmt.Errorf("%v: %w: %v", p, ErrNotReached, exit)
		}
		if err == nil {
			err = d.inject(p.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// storage is the disk's, which may fail by script.
func (d *drill) storage() interface {
	io.ReaderAt
	io.WriterAt
} {
	var faults []Fault
	for _, f := range d.Faults {
		if f.Kind == FailWrite || f.Kind == TearWrite {
			faults = append(faults, f)
		}
	}
	if faults == nil {
		return d.disk
	}
	return &faultyDisk{File: d.disk, faults: faults}
}

// place is where a Place is in this machine.
func (d *drill) place(p Place) (physmem.Range, error) {
	if p.Size == 0 {
		return physmem.Range{}, nil
	}
	start, room := physmem.Address(0), ^uint64(0)
	if p.Part == placeReservation {
		start, room = d.block.Reservation.Start, d.block.Reservation.Size()
	} else if p.Part != "" {
		for part := range handoff.Part(handoff.MaxParts) {
			if partName(part) == p.Part {
				start, room = d.block.Range(part).Start, d.block.Range(part).Size()
			}
		}
	}
	r, ok := physmem.NewRange(start+physmem.Address(p.Offset), p.Size)
	if !ok || p.Part != "" && p.Offset+p.Size > room {
		return r, fmt.Errorf("%s has %d bytes, no %d from %#x on", p.Part, room, p.Size, p.Offset)
	}
	return r, nil
}

// rehearse finds out at which instruction the panic begins, where a fault is to
// happen by that: the run that follows is the same up to there.
func (d *drill) rehearse(ctx context.Context) error {
	wanted := false
	for _, f := range d.Faults {
		wanted = wanted || f.When.Name == PointPanic
	}
	if !wanted {
		return nil
	}
	other := &drill{Config: d.Config, console: &console{}, boot: d.boot}
	other.Faults = nil
	err := errors.Join(other.openDisk(ctx), other.bootHost(ctx))
	if err == nil && other.evidence == nil {
		err = fmt.Errorf("fault at the panic on machine %s: %w: only the emulated one can", d.Machine, machine.ErrUnsupported)
	}
	if err == nil {
		limited, cancel := d.timeout(ctx)
		defer cancel()
		err = other.runToFreeze(limited)
	}
	if err == nil {
		d.panicBegins, _ = other.evidence.Began()
	}
	return errors.Join(err, other.close())
}

// faultyDisk is a disk that fails writes.
type faultyDisk struct {
	*os.File
	faults []Fault
	writes uint64
}

var errFault = errors.New("failed by script")

// WriteAt implements io.WriterAt.
func (d *faultyDisk) WriteAt(p []byte, off int64) (int, error) {
	n := d.writes
	d.writes++
	for _, f := range d.faults {
		switch {
		case f.Kind == FailWrite && n >= f.Write:
			return 0, errFault
		case f.Kind == TearWrite && n == f.Write:
			const sector = 512
			if _, err := d.File.WriteAt(p[:len(p)/2/sector*sector], off); err != nil {
				return 0, err
			}
			return 0, errFault
		}
	}
	return d.File.WriteAt(p, off)
}
