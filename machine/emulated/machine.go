package emulated

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// board is what differs between architectures.
type board interface {
	// complete fills in what a Config leaves open, and refuses what cannot be.
	complete(*machine.Config) error

	// load puts the boot image into memory.
	load(*emulator.Memory, machine.Config) error

	// powerOn makes CPUs and devices, and puts CPU 0 at the boot image's entry if
	// one was loaded.
	powerOn(*emulator.Memory, machine.Config) (parts, error)
}

// parts are what a board has.
type parts struct {
	cpus   []emulator.CPU
	all    *emulator.Machine
	bus    *machine.Bus
	blocks []*device.Block

	coherent physmem.Memory        // RAM as CPUs see it
	dirty    func() physmem.Ranges // where caches have something newer; nil for nowhere

	// interrupt makes an interrupt of a CPU pending at the machine's controller,
	// where CPUs have no pin of their own for it.
	interrupt func(cpu int, vector uint8)
}

// Machine is an emulated machine.
type Machine struct {
	config  machine.Config
	options Options
	board   board

	mu     sync.Mutex // all that follows; CPUs run under it, a slice at a time
	memory *emulator.Memory
	parts
	closed bool
}

var _ machine.Machine = (*Machine)(nil)

// New makes a machine, a *Machine. It is stopped, with the boot image, if there
// is one, loaded.
func (o Options) New(config machine.Config) (machine.Machine, error) {
	m, err := o.open(config)
	if err != nil {
		return nil, fmt.Errorf("emulated: %w", err)
	}
	return m, nil
}

func (o Options) open(config machine.Config) (*Machine, error) {
	b, err := o.complete()
	if err != nil {
		return nil, err
	}
	config.CPUs = max(config.CPUs, 1)
	if config.MemorySize == 0 {
		config.MemorySize = machine.DefaultMemorySize
	}
	if err := b.complete(&config); err != nil {
		return nil, err
	}
	m := &Machine{config: config, options: o, board: b, memory: emulator.NewMemory(config.RAM)}
	if config.Boot.Image != nil {
		if err := b.load(m.memory, config); err != nil {
			return nil, err
		}
	}
	return m, m.powerOn()
}

// powerOn makes CPUs and devices.
func (m *Machine) powerOn() error {
	m.memory.Unobserve()
	made, err := m.board.powerOn(m.memory, m.config)
	if err == nil {
		m.parts = made
	}
	return err
}

// Blocks are the models of the disks; see device.Blocks.
func (m *Machine) Blocks() []*device.Block { return m.blocks }

// Architecture is that of the Options.
func (m *Machine) Architecture() machine.Architecture {
	if m.options.Architecture == "" {
		return machine.AMD64
	}
	return m.options.Architecture
}

// RAM is where there is memory.
func (m *Machine) RAM() physmem.Ranges { return m.config.RAM }

// CPUs is the number of CPUs.
func (m *Machine) CPUs() int { return m.config.CPUs }

// Memory is the machine's RAM. Accesses while the CPUs run wait for the end of
// a slice, less than a millisecond. Devices of the machine must not use it.
func (m *Machine) Memory() physmem.Memory { return lockedMemory{m} }

// view is RAM as CPUs see it, and as it is when the machine is closed.
func (m *Machine) view() physmem.Memory {
	if m.coherent == nil {
		return m.memory
	}
	return m.coherent
}

type lockedMemory struct{ m *Machine }

func (l lockedMemory) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.m.view().ReadPhysical(p, a)
}

func (l lockedMemory) WritePhysical(p []byte, a physmem.Address) (int, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.m.view().WritePhysical(p, a)
}

// cpu is a CPU by number, while the machine is open.
func (m *Machine) cpu(i int) (emulator.CPU, error) {
	if m.closed {
		return nil, machine.ErrClosed
	}
	if i < 0 || i >= len(m.cpus) {
		return nil, fmt.Errorf("emulated: no CPU %d of %d", i, len(m.cpus))
	}
	return m.cpus[i], nil
}

// Run runs all CPUs that are on.
func (m *Machine) Run(ctx context.Context) (machine.Exit, error) { return m.run(ctx, nil) }

// RunTo is Run with breakpoints.
func (m *Machine) RunTo(ctx context.Context, addresses ...uint64) (machine.Exit, error) {
	if len(addresses) == 0 || len(addresses) > machine.MaxBreakpoints {
		return machine.Exit{}, fmt.Errorf("emulated: %d breakpoints, not 1 to %d: %w", len(addresses), machine.MaxBreakpoints, machine.ErrUnsupported)
	}
	return m.run(ctx, addresses)
}

func (m *Machine) run(ctx context.Context, breakpoints []uint64) (machine.Exit, error) {
	if exit, err := m.begin(breakpoints); exit != nil || err != nil {
		return deref(exit), err
	}
	for ctx.Err() == nil {
		if exit, err := m.round(); exit != nil || err != nil {
			return deref(exit), err
		}
	}
	return machine.ContextExit(ctx), nil
}

func deref(exit *machine.Exit) machine.Exit {
	if exit == nil {
		return machine.Exit{}
	}
	return *exit
}

// begin sets the breakpoints, and lets devices that stopped the machine go on
// with what they have to do.
func (m *Machine) begin(breakpoints []uint64) (*machine.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, machine.ErrClosed
	}
	for _, c := range m.cpus {
		c.SetBreakpoints(breakpoints)
	}
	return m.bus.Poll(), nil
}

func (m *Machine) round() (*machine.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, machine.ErrClosed
	}
	return m.all.Round(), nil
}

// Step lets one CPU execute one instruction.
func (m *Machine) Step(ctx context.Context, cpu int) (machine.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.cpu(cpu)
	if err != nil {
		return machine.Exit{}, err
	}
	if ctx.Err() != nil {
		return machine.ContextExit(ctx), nil
	}
	if c.Activity() == machine.Off || c.Activity() == machine.Waiting && !c.Wakeable() {
		return machine.Exit{Reason: machine.Halted, CPU: cpu, PC: c.PC()}, nil
	}
	c.SetBreakpoints(nil)
	if exit := m.all.Step(cpu); exit != nil {
		return *exit, nil
	}
	return machine.Exit{Reason: machine.Stepped, CPU: cpu, PC: c.PC()}, nil
}

// State is a copy of a CPU's registers: all that machine.AMD64State has, or all
// of the CPU's in a machine.ARM64State.
func (m *Machine) State(cpu int) (machine.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.cpu(cpu)
	if err != nil {
		return nil, err
	}
	return c.State(), nil
}

// SetState gives a CPU its registers.
func (m *Machine) SetState(cpu int, state machine.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.cpu(cpu)
	if err != nil {
		return err
	}
	if err := c.SetState(state); err != nil {
		return fmt.Errorf("emulated: CPU %d: %w", cpu, err)
	}
	return nil
}

// NMI sends an NMI to a CPU.
func (m *Machine) NMI(cpu int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.cpu(cpu)
	if err != nil {
		return err
	}
	c.NMI()
	return nil
}

// Reset makes CPUs and devices anew. RAM keeps its contents, and virtual time
// and what At was given begin again.
func (m *Machine) Reset() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return machine.ErrClosed
	}
	return m.powerOn()
}

// Snapshot copies RAM and CPUs.
func (m *Machine) Snapshot() (*machine.Snapshot, error) {
	m.mu.Lock()
	closed, populated := m.closed, physmem.Ranges(nil)
	if !closed {
		populated = m.memory.Populated()
		if m.dirty != nil {
			populated = populated.Union(m.dirty().AlignOutward(machine.PageSize))
		}
	}
	m.mu.Unlock()
	if closed {
		return nil, machine.ErrClosed
	}
	return machine.TakeSnapshot(m, populated)
}

// Close frees the machine's memory.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.parts = true, parts{}
	m.memory = emulator.NewMemory(nil)
	return nil
}
