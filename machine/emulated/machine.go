package emulated

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/amd64"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// lowMemoryEnd is where RAM without a layout of its own stops below 4 GiB.
const lowMemoryEnd = 3 << 30

// Machine is an emulated machine.
type Machine struct {
	config  machine.Config
	options Options
	entry   *machine.AMD64State // nil: as after power-on

	mu     sync.Mutex // all that follows; CPUs run under it, a slice at a time
	memory *emulator.Memory
	cpus   []*amd64.CPU
	all    *emulator.Machine
	bus    *machine.Bus
	blocks []*device.Block
	closed bool
}

var _ machine.Machine = (*Machine)(nil)

// New makes a machine, a *Machine. It is stopped, with the boot image, if there
// is one, loaded.
func (o Options) New(config machine.Config) (machine.Machine, error) {
	if err := complete(&config, o); err != nil {
		return nil, fmt.Errorf("emulated: %w", err)
	}
	m := &Machine{config: config, options: o, memory: emulator.NewMemory(config.RAM)}
	if config.Boot.Image != nil {
		load := machine.LoadLinux64
		if config.Boot.Protocol == machine.PVH {
			load = machine.LoadPVH
		}
		var err error
		if m.entry, err = load(m.memory, config.RAM, config.Boot); err != nil {
			return nil, fmt.Errorf("emulated: %w", err)
		}
	}
	if err := m.powerOn(); err != nil {
		return nil, fmt.Errorf("emulated: %w", err)
	}
	return m, nil
}

// complete fills in what a Config leaves open, and refuses what cannot be.
func complete(config *machine.Config, options Options) error {
	if config.CPUs == 0 {
		config.CPUs = 1
	}
	if config.CPUs < 0 || config.CPUs > 255 {
		return fmt.Errorf("%d CPUs: %w", config.CPUs, machine.ErrUnsupported)
	}
	if config.RAM == nil {
		size := config.MemorySize
		if size == 0 {
			size = machine.DefaultMemorySize
		}
		low := min(size, lowMemoryEnd)
		config.RAM = physmem.NewRanges(
			physmem.Range{End: physmem.Address(low)},
			physmem.Range{Start: 4 << 30, End: 4<<30 + physmem.Address(size-low)})
	}
	if err := machine.CheckRAM(config.RAM); err != nil {
		return err
	}
	return board(config, options).Check(config.RAM)
}

// board is where the machine has its disks: as machine/kvm has them.
func board(config *machine.Config, options Options) device.Board {
	b := device.PC()
	b.Options, b.Disks = options.Disks, config.Disks
	return b
}

// powerOn makes CPUs and devices, and puts CPU 0 at the entry.
func (m *Machine) powerOn() error {
	m.memory.Unobserve()
	b := board(&m.config, m.options)
	b.Memory = m.memory
	blocks, disks, err := b.Attach()
	if err != nil {
		return err
	}
	m.blocks = blocks
	bus := machine.NewBus(slices.Concat(m.config.Devices, disks, machine.PCDevices(m.config))...)
	m.bus = bus
	m.cpus = nil
	var all []emulator.CPU
	for i := range m.config.CPUs {
		c := amd64.New(i, m.memory, bus, m.config.InterruptController)
		m.cpus = append(m.cpus, c)
		all = append(all, c)
	}
	for _, c := range m.cpus {
		c.SetSiblings(m.cpus)
	}
	m.all = emulator.NewMachine(all...)
	if m.entry != nil {
		return m.cpus[0].SetState(m.entry)
	}
	return nil
}

// Blocks are the models of the disks; see device.Blocks.
func (m *Machine) Blocks() []*device.Block { return m.blocks }

// Architecture is AMD64.
func (m *Machine) Architecture() machine.Architecture { return machine.AMD64 }

// RAM is where there is memory.
func (m *Machine) RAM() physmem.Ranges { return m.config.RAM }

// CPUs is the number of CPUs.
func (m *Machine) CPUs() int { return m.config.CPUs }

// Memory is the machine's RAM. Accesses while the CPUs run wait for the end of
// a slice, less than a millisecond. Devices of the machine must not use it.
func (m *Machine) Memory() physmem.Memory { return lockedMemory{m} }

type lockedMemory struct{ m *Machine }

func (l lockedMemory) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.m.memory.ReadPhysical(p, a)
}

func (l lockedMemory) WritePhysical(p []byte, a physmem.Address) (int, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.m.memory.WritePhysical(p, a)
}

// cpu is a CPU by number, while the machine is open.
func (m *Machine) cpu(i int) (*amd64.CPU, error) {
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

// State is a copy of a CPU's registers: all that machine.AMD64State has.
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
	m.closed, m.cpus, m.all = true, nil, nil
	m.memory = emulator.NewMemory(nil)
	return nil
}
