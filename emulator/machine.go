package emulator

import (
	"sort"

	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	// Slice is how many instructions a CPU executes before it is another's turn.
	Slice = 20_000

	// SoloSlice is how many it executes where it is the only one that runs.
	SoloSlice = 200_000
)

// CPU is a CPU of whatever architecture.
type CPU interface {
	// Run executes instructions until the CPU's count is until, or something
	// stops the machine: then the exit is not nil. It may stop some
	// instructions late, unless exact is set, and early for reasons of its own.
	Run(until uint64, exact bool) *machine.Exit

	// Step executes one instruction, or takes one exception or interrupt.
	Step() *machine.Exit

	// Instructions is how many have been executed, exceptions included.
	Instructions() uint64

	// SetTime says what time it is, before Run or Step; Time is what it is then.
	SetTime(uint64)
	Time() uint64

	// Deadline is when the CPU's own timer fires, if it is set.
	Deadline() (uint64, bool)

	// Wakeable reports whether a CPU that waits can go on.
	Wakeable() bool

	Activity() machine.Activity
	PC() uint64
	State() machine.State
	SetState(machine.State) error
	SetBreakpoints([]uint64)
	SetTrace(func(Executed))
	NMI()
	Reset()
}

// event is something that happens by script.
type event struct {
	at uint64
	do func() *machine.Exit
}

// Machine lets CPUs take turns. See the package comment for time.
type Machine struct {
	cpus     []CPU
	clock    uint64
	turn     int    // whose turn it is
	progress uint64 // the most that a CPU's time went on in this round
	events   []event
}

// NewMachine makes a machine of CPUs.
func NewMachine(cpus ...CPU) *Machine { return &Machine{cpus: cpus} }

// Clock is virtual time at the start of the round.
func (m *Machine) Clock() uint64 { return m.clock }

// Instructions is how many all CPUs have executed.
func (m *Machine) Instructions() uint64 {
	n := uint64(0)
	for _, c := range m.cpus {
		n += c.Instructions()
	}
	return n
}

// At has something done when so many instructions have been executed, counted
// as Instructions does, or at once where that is over. An exit that it returns
// stops the machine. Things for the same moment are done in the order of At.
func (m *Machine) At(instructions uint64, do func() *machine.Exit) {
	i := sort.Search(len(m.events), func(i int) bool { return m.events[i].at > instructions })
	m.events = append(m.events, event{})
	copy(m.events[i+1:], m.events[i:])
	m.events[i] = event{instructions, do}
}

// Round gives every CPU that is on, from the one whose turn it is, one slice.
// An exit stops it, and the next Round goes on behind.
func (m *Machine) Round() *machine.Exit {
	if exit := m.wait(); exit != nil {
		return exit
	}
	slice := m.slice()
	for ; m.turn < len(m.cpus); m.turn++ {
		if exit := m.due(); exit != nil {
			return exit
		}
		c := m.cpus[m.turn]
		if c.Activity() == machine.Off {
			continue
		}
		c.SetTime(m.clock)
		until, exact := m.until(c, slice)
		exit := c.Run(until, exact)
		m.progress = max(m.progress, c.Time()-m.clock)
		if exit != nil {
			m.turn++
			m.finish()
			return exit
		}
	}
	m.finish()
	return nil
}

// slice is how many instructions each CPU gets.
func (m *Machine) slice() uint64 {
	running := 0
	for _, c := range m.cpus {
		if c.Activity() == machine.Running {
			running++
		}
	}
	if running > 1 {
		return Slice
	}
	return SoloSlice
}

// until is up to which count a CPU may run: not beyond its timer's deadline, and
// exactly to where something is to happen by script.
func (m *Machine) until(c CPU, slice uint64) (until uint64, exact bool) {
	if at, on := c.Deadline(); on && at > m.clock {
		slice = min(slice, at-m.clock)
	}
	if len(m.events) > 0 {
		if left := m.events[0].at - m.Instructions(); left <= slice {
			return c.Instructions() + left, true
		}
	}
	return c.Instructions() + slice, false
}

// finish ends the round when every CPU had its turn.
func (m *Machine) finish() {
	if m.turn >= len(m.cpus) {
		m.clock += m.progress
		m.turn, m.progress = 0, 0
	}
}

// due does what is due.
func (m *Machine) due() *machine.Exit {
	for len(m.events) > 0 && m.events[0].at <= m.Instructions() {
		do := m.events[0].do
		m.events = m.events[1:]
		if exit := do(); exit != nil {
			return exit
		}
	}
	return nil
}

// wait lets time go on to the next deadline where every CPU waits. Halted is
// where nothing can wake any.
func (m *Machine) wait() *machine.Exit {
	next := ^uint64(0)
	for _, c := range m.cpus {
		if c.Activity() == machine.Running {
			return nil
		}
		if c.Activity() == machine.Off || !c.Wakeable() {
			continue
		}
		at, on := c.Deadline()
		if !on || at <= m.clock {
			return nil
		}
		next = min(next, at)
	}
	if next == ^uint64(0) {
		if len(m.events) > 0 { // nobody executes instructions: what is to come comes now
			m.events[0].at = 0
			if exit := m.due(); exit != nil {
				return exit
			}
			return nil
		}
		return &machine.Exit{Reason: machine.Halted, PC: m.cpus[0].PC()}
	}
	m.clock, m.turn, m.progress = next, 0, 0
	return nil
}

// Step lets one CPU execute one instruction; time goes on by it.
func (m *Machine) Step(cpu int) *machine.Exit {
	if exit := m.due(); exit != nil {
		return exit
	}
	c := m.cpus[cpu]
	c.SetTime(m.clock)
	exit := c.Step()
	m.clock = max(m.clock, c.Time())
	return exit
}
