package emulated

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	// maxBreaches is how many writes an Evidence keeps. All are counted.
	maxBreaches = 256

	// nearStack is how far from the stack pointer a CPU's own stack is taken to
	// reach: more than any exception frame, and what is saved around it.
	nearStack = 1024
)

// Breach is a write to memory that is evidence.
type Breach struct {
	emulator.Access

	// Instructions is how many all CPUs had executed.
	Instructions uint64

	// SP is the stack pointer of the CPU that wrote; 0 for DMA.
	SP uint64

	// Unaware is set where the CPU had not yet learned of the panic: it is
	// another one, and had not itself written to what begins the guard.
	Unaware bool
}

// OnStack reports whether the write was to the stack that the CPU was on: the
// ways into a panic save the context that they interrupt there, as any exception
// does, before they change to a stack of their own.
func (b Breach) OnStack() bool {
	return b.Cause == emulator.Instruction && b.Virtual+nearStack >= b.SP && b.Virtual < b.SP+nearStack
}

func (b Breach) String() string {
	switch b.Cause {
	case emulator.DMA:
		return fmt.Sprintf("DMA writes %d bytes to %v", b.Size, b.Address)
	case emulator.Tables:
		return fmt.Sprintf("CPU %d itself, at %#x, writes %#x to the table entry at %v", b.CPU, b.PC, b.Value, b.Address)
	}
	return fmt.Sprintf("CPU %d, at %#x, writes %#x, %d bytes, to %#x at %v (stack pointer %#x)", b.CPU, b.PC, b.Value, b.Size, b.Virtual, b.Address, b.SP)
}

// Evidence watches memory that must not be written any more. See Guard.
type Evidence struct {
	m        *Machine
	watches  []*emulator.Watch
	aware    map[int]bool // CPUs that wrote to what begins the guard
	began    bool
	at       uint64
	breaches []Breach
	count    uint64
}

// Guard watches the whole RAM but what may be written, from the first write to
// begin on: with a reservation for begin that is the panic's first instruction,
// since an armed host does not write to it before. Nil is from now on. Nothing
// is held back. It costs no time where nobody writes to what is watched.
func (m *Machine) Guard(begin, mayWrite physmem.Ranges) *Evidence {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &Evidence{m: m, aware: map[int]bool{}}
	guard := &emulator.Watch{Ranges: m.config.RAM.Minus(mayWrite), Kinds: emulator.Write, Seen: e.seen}
	if len(begin) == 0 {
		e.start()
		e.add(guard)
		return e
	}
	e.add(&emulator.Watch{Ranges: begin, Kinds: emulator.Write, Seen: func(a emulator.Access) bool {
		e.aware[a.CPU] = true
		if !e.began {
			e.start()
			e.add(guard)
		}
		return true
	}})
	return e
}

func (e *Evidence) start() { e.began, e.at = true, e.m.all.Instructions() }

func (e *Evidence) add(w *emulator.Watch) {
	e.watches = append(e.watches, w)
	e.m.memory.Watch(w)
}

func (e *Evidence) seen(a emulator.Access) bool {
	e.count++
	if len(e.breaches) < maxBreaches {
		b := Breach{Access: a, Instructions: e.m.all.Instructions()}
		if a.CPU >= 0 && a.CPU < len(e.m.cpus) {
			b.SP = e.m.cpus[a.CPU].State().SP()
			b.Unaware = len(e.aware) > 0 && !e.aware[a.CPU]
		}
		e.breaches = append(e.breaches, b)
	}
	return true
}

// Began says whether, and when, the first write to what begins the guard came.
func (e *Evidence) Began() (instructions uint64, began bool) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	return e.at, e.began
}

// Breaches are the first writes that were seen, in order, and the number of all.
func (e *Evidence) Breaches() (first []Breach, all uint64) {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	return append([]Breach(nil), e.breaches...), e.count
}

// Remove ends the watch.
func (e *Evidence) Remove() {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	for _, w := range e.watches {
		e.m.memory.Unwatch(w)
	}
	e.watches = nil
}
