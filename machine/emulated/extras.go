package emulated

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Instructions is how many instructions all CPUs have executed since power-on:
// the difference of two moments is what a phase took.
func (m *Machine) Instructions() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0
	}
	return m.all.Instructions()
}

// Time is virtual time since power-on, in nanoseconds.
func (m *Machine) Time() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0
	}
	return m.all.Clock()
}

// At has something done when so many instructions have been executed: between
// two instructions, on the goroutine that runs the machine. What is done there
// may use raw, the machine's memory without a lock, and no method of the
// Machine. An exit that it returns stops the machine.
func (m *Machine) At(instructions uint64, do func(raw *emulator.Memory) *machine.Exit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.all.At(instructions, func() *machine.Exit { return do(m.memory) })
	}
}

// Watch adds a watch point on physical memory, and gives what takes it away.
// Its function is called on the goroutine that runs the machine, and must not
// use the Machine.
func (m *Machine) Watch(w *emulator.Watch) (remove func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.memory.Watch(w)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.memory.Unwatch(w)
	}
}

// Trace has f told of every instruction from now on, with its disassembly and
// the registers that it changed; nil ends that. The machine is slow meanwhile,
// and does the same. f is called on the goroutine that runs the machine, and
// must not use the Machine.
func (m *Machine) Trace(f func(emulator.Executed)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.cpus {
		c.SetTrace(f)
	}
}
