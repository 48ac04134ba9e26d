package rescuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Dump is what the rescue program left.
type Dump struct {
	*minidump.Reader

	// Area is the panic area, as the rescue program left it.
	Area *handoff.PanicArea
	// Console is what the rescue program printed.
	Console string
	// Disk is the whole disk: what `dumper` reads.
	Disk []byte
	// Memory is all RAM when the rescue program was done: what the next boot finds
	// after a warm reset.
	Memory physmem.Memory
	// Verified is how many pages of the host were compared, all equal.
	Verified int
	// Instructions is how many the machine executed from the freeze point on.
	Instructions uint64

	file *container.File
}

// Close frees what the dump holds.
func (d *Dump) Close() error { return d.file.Close() }

// Rescue runs the trampoline and the rescue program on an emulated machine, from the
// freeze point on, until it ends the machine's work. It reads the dump from the disk
// and compares it, and the host's memory, with what was there at the freeze point:
// ErrFalse says that they differ. It can be called again: each time the machine goes
// on from the same freeze point.
func (h *Host) Rescue(ctx context.Context) (*Dump, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.panicked == nil {
		return nil, fmt.Errorf("rescuetest: %w", ErrNotPanicked)
	}
	block, err := h.block()
	if err != nil {
		return nil, err
	}
	if h.jump == 0 {
		area, err := handoff.ParsePanicArea(h.bytes(block.Range(handoff.PartPanicArea)))
		if err != nil {
			return nil, fmt.Errorf("rescuetest: %w: %w", ErrRefused, err)
		}
		return nil, fmt.Errorf("rescuetest: %v, broken seals %#x: %w", area.State, area.BrokenSeals, ErrRefused)
	}
	d := &Dump{}
	m, err := h.run(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("rescuetest: %w\n%s", err, d.Console)
	}
	defer func() { _ = m.Close() }()
	if err := h.collect(d, m, block); err != nil {
		return nil, fmt.Errorf("rescuetest: %w\n%s", err, d.Console)
	}
	return d, nil
}

// run lets the machine go on from the freeze point to its end.
func (h *Host) run(ctx context.Context, d *Dump) (machine.Machine, error) {
	var console bytes.Buffer
	var serial io.Writer = &console
	if h.config.Console != nil {
		serial = io.MultiWriter(&console, h.config.Console)
	}
	makeMachine := emulated.New
	if h.config.Architecture == handoff.ARM64 {
		makeMachine = emulated.NewARM64
	}
	config := machine.Config{
		MemorySize: h.config.MemorySize, Serial: serial,
		Disks: []machine.Disk{{Name: "dump", Size: h.disk.Size(), Storage: h.disk}},
	}
	m, err := makeMachine(config)
	if err != nil {
		return nil, err
	}
	err = machine.Restore(m, h.snapshot())
	if err == nil {
		var exit machine.Exit
		exit, err = m.Run(ctx)
		if err == nil && exit.Reason != machine.Reset && exit.Reason != machine.PoweredOff && exit.Reason != machine.Halted && exit.Reason != machine.DebugExit {
			err = fmt.Errorf("the rescue program did not end: %v", exit)
		}
	}
	d.Console = console.String()
	if counter, ok := m.(interface{ Instructions() uint64 }); ok {
		d.Instructions = counter.Instructions()
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// snapshot is the machine at the freeze point.
func (h *Host) snapshot() *machine.Snapshot {
	ram := physmem.NewRanges(h.layout.ram)
	memory := physmem.NewSparse(ram)
	_ = machine.CopyMemory(memory, physmem.NewBytes(h.layout.ram.Start, h.ram), ram) // both are memory of this process
	s := &machine.Snapshot{Architecture: machine.AMD64, RAM: ram, Memory: memory, Populated: ram, CPUs: []machine.State{h.stateAMD64()}}
	if h.config.Architecture == handoff.ARM64 {
		s.Architecture, s.CPUs = machine.ARM64, []machine.State{h.stateARM64()}
	}
	return s
}

// collect reads what the rescue program left, and holds it against the truth.
func (h *Host) collect(d *Dump, m machine.Machine, block *handoff.Block) error {
	ram := physmem.NewRanges(h.layout.ram)
	after := physmem.NewSparse(ram)
	if err := machine.CopyMemory(after, m.Memory(), ram); err != nil {
		return err
	}
	d.Memory = after
	area := make([]byte, block.Range(handoff.PartPanicArea).Size())
	if _, err := after.ReadPhysical(area, block.Range(handoff.PartPanicArea).Start); err != nil {
		return err
	}
	var err error
	if d.Area, err = handoff.ParsePanicArea(area); err != nil {
		return err
	}
	if d.Area.State != handoff.StateDone {
		return fmt.Errorf("the rescue program did not finish: %v", d.Area.State)
	}
	changed, err := machine.Changes(physmem.NewBytes(h.layout.ram.Start, h.ram), after, ram.Minus(physmem.NewRanges(block.Reservation)), 1)
	if err != nil {
		return err
	}
	if !changed.IsEmpty() {
		return fmt.Errorf("the host's memory changed after the freeze point, at %v: %w", changed[0], ErrFalse)
	}
	d.Disk = bytes.Clone(h.disk.content)
	if d.file, err = container.Open(bytes.NewReader(d.Disk), int64(len(d.Disk))); err != nil {
		return fmt.Errorf("the disk: %w", err)
	}
	if d.Reader, err = minidump.Open(d.file, d.file.Size()); err != nil {
		return fmt.Errorf("the dump: %w", err)
	}
	return h.compare(d, block)
}

// compare holds each page of the dump against the host's memory. Those of the
// reservation are the rescue program's own; holes are told as such.
func (h *Host) compare(d *Dump, block *handoff.Block) error {
	size := physmem.Address(d.PageSize())
	got := make([]byte, size)
	for at := range d.Pages() {
		page := physmem.Range{Start: at, End: at + size}
		if block.Reservation.Overlaps(page) {
			continue
		}
		if !physmem.NewRanges(h.layout.ram).ContainsRange(page) {
			return fmt.Errorf("the dump has a page at %v, where there is no memory: %w", at, ErrFalse)
		}
		if _, err := d.ReadPhysical(got, at); err != nil {
			if errors.Is(err, minidump.ErrRecordedHole) {
				continue
			}
			return fmt.Errorf("the dump: %w", err)
		}
		if !bytes.Equal(got, h.bytes(page)) {
			return fmt.Errorf("the dump's page at %v is not the host's: %w", at, ErrFalse)
		}
		d.Verified++
	}
	return nil
}
