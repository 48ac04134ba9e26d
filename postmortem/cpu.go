package postmortem

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed64aab995/rescuekernel/minidump"
)

// CPU is one CPU as it was when the machine was dumped.
type CPU struct {
	Number   uint32 // APIC ID or MPIDR affinity in our dumps, FreeBSD's number in FreeBSD's
	Panicked bool
	// Late says that it did not stop in time: the registers are the last that
	// were known.
	Late bool
	Time uint64 // the counter at the capture, in our dumps

	Thread    *Thread // that ran on it, in FreeBSD's dumps
	Registers Registers
	Err       error // why there are none
}

// Title names the CPU and what is known of what it did.
func (c *CPU) Title() string {
	s := fmt.Sprintf("cpu%d", c.Number)
	if c.Thread != nil {
		s += " " + c.Thread.Title()
	}
	if c.Panicked {
		s += " (panicked)"
	}
	if c.Late {
		s += " (did not stop in time)"
	}
	return s
}

// ErrNoCPUs says that a dump has no registers of CPUs where they were looked
// for.
var ErrNoCPUs = errors.New("no registers of CPUs")

// CPUs takes the CPUs from dump notes, the one that panicked first and the
// others by number.
func CPUs(notes *minidump.Notes) ([]CPU, error) {
	if notes == nil || len(notes.CPUs) == 0 {
		return nil, fmt.Errorf("dump notes: %w", ErrNoCPUs)
	}
	var list []CPU
	for _, note := range notes.CPUs {
		c := CPU{
			Number: note.Number, Time: note.Time,
			Panicked: note.Flags&minidump.CPUPanicked != 0, Late: note.Flags&minidump.CPUNotStopped != 0,
		}
		c.Registers, c.Err = decodeState(note.Architecture, note.State)
		list = append(list, c)
	}
	sortCPUs(list)
	return list, nil
}

// CPUs takes the CPUs from the threads of a FreeBSD kernel that were running:
// the crashed one first, the others by number. A CPU whose thread the dump has
// lost is not among them.
func (l *ThreadList) CPUs() ([]CPU, error) {
	var list []CPU
	for i := range l.Threads {
		t := &l.Threads[i]
		if t.CPU == NoCPU && !t.Crashed {
			continue
		}
		list = append(list, CPU{Number: uint32(max(t.CPU, 0)), Panicked: t.Crashed, Thread: t, Registers: t.Registers, Err: t.Err})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("threads: %w", ErrNoCPUs)
	}
	sortCPUs(list)
	return list, nil
}

func sortCPUs(list []CPU) {
	slices.SortStableFunc(list, func(a, b CPU) int {
		switch {
		case a.Panicked != b.Panicked && a.Panicked:
			return -1
		case a.Panicked != b.Panicked:
			return 1
		}
		return int(int64(a.Number) - int64(b.Number))
	})
}
