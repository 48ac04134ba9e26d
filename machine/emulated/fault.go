package emulated

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// FaultKind is what goes wrong.
type FaultKind string

// What can go wrong by script. Faults of disks are Options.Disks.
const (
	Flip      FaultKind = "flip"      // a bit of memory changes: Bit of the byte at Range.Start
	Drop      FaultKind = "drop"      // the next store to Range has no effect
	Scribble  FaultKind = "scribble"  // a device fills Range with device.ScribblePattern
	Stale     FaultKind = "stale"     // what CPUs write to Range stays in their caches
	NMI       FaultKind = "nmi"       // a non-maskable interrupt, to CPU
	Interrupt FaultKind = "interrupt" // an interrupt of Vector, on the interrupt pin of CPU; arm64: the GIC's of that number
)

// Fault is something that goes wrong in a machine between two instructions.
type Fault struct {
	Kind   FaultKind
	Range  physmem.Range
	Bit    uint
	CPU    int
	Vector uint8
}

// Inject has a fault happen when so many instructions have been executed, counted
// as Instructions does, or at once where that is over. The same faults in the
// same run do the same every time. What cannot happen is refused.
func (m *Machine) Inject(instructions uint64, f Fault) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	do, err := m.fault(f)
	if err != nil {
		return fmt.Errorf("emulated: %s: %w", f.Kind, err)
	}
	m.all.At(instructions, func() *machine.Exit {
		if err := do(); err != nil {
			return &machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("fault by script, %s: %v", f.Kind, err)}
		}
		return nil
	})
	return nil
}

// fault is what a Fault does.
func (m *Machine) fault(f Fault) (do func() error, err error) {
	switch f.Kind {
	case NMI, Interrupt:
		return m.interruptFault(f)
	case Flip:
		f.Range.End = f.Range.Start + 1
		if f.Bit > 7 {
			return nil, fmt.Errorf("bit %d of a byte: %w", f.Bit, machine.ErrUnsupported)
		}
	}
	if f.Range.IsEmpty() || !m.config.RAM.ContainsRange(f.Range) {
		return nil, fmt.Errorf("there is no memory at %v", f.Range)
	}
	switch f.Kind {
	case Flip:
		return func() error {
			var b [1]byte
			if _, err := m.memory.ReadPhysical(b[:], f.Range.Start); err != nil {
				return err
			}
			b[0] ^= 1 << f.Bit
			_, err := m.memory.WritePhysical(b[:], f.Range.Start)
			return err
		}, nil
	case Scribble:
		return func() error {
			data := make([]byte, f.Range.Size())
			for i := range data {
				data[i] = device.ScribblePattern
			}
			_, err := m.memory.WritePhysical(data, f.Range.Start)
			return err
		}, nil
	case Stale:
		return func() error { return m.memory.KeepStale(f.Range) }, nil
	case Drop:
		return func() error {
			m.dropNext(f.Range)
			return nil
		}, nil
	}
	return nil, fmt.Errorf("no such fault: %w", machine.ErrUnsupported)
}

func (m *Machine) interruptFault(f Fault) (do func() error, err error) {
	c, err := m.cpu(f.CPU)
	if err != nil {
		return nil, err
	}
	if f.Kind == NMI {
		return func() error {
			c.NMI()
			return nil
		}, nil
	}
	if m.interrupt != nil {
		return func() error {
			m.interrupt(f.CPU, f.Vector)
			return nil
		}, nil
	}
	pin, ok := c.(interface{ Interrupt(uint8) })
	if !ok {
		return nil, fmt.Errorf("CPU %d has no interrupt pin: %w", f.CPU, machine.ErrUnsupported)
	}
	return func() error {
		pin.Interrupt(f.Vector)
		return nil
	}, nil
}

// dropNext drops the next store of an instruction to a range.
func (m *Machine) dropNext(r physmem.Range) {
	w := &emulator.Watch{Ranges: physmem.NewRanges(r), Kinds: emulator.Write}
	w.Seen = func(a emulator.Access) bool {
		if a.Cause != emulator.Instruction {
			return true
		}
		m.memory.Unwatch(w)
		return false
	}
	m.memory.Watch(w)
}
