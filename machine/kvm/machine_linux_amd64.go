package kvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/internal/ram"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// lowMemoryEnd is where RAM without a layout of its own stops below 4 GiB.
const lowMemoryEnd = 3 << 30

// haltedInterval is how often a machine with an interrupt controller is looked
// at for whether it can never wake again.
const haltedInterval = 50 * time.Millisecond

// guest is a machine on KVM.
type guest struct {
	config  machine.Config
	options Options
	bus     *machine.Bus    // from a reset to the next, as are
	blocks  []*device.Block // the disks
	ram     *ram.RAM
	ranges  physmem.Ranges
	kvm     *os.File
	entry   *machine.AMD64State // nil: as after power-on

	mu     sync.Mutex // holds vm and closed still for NMI
	vm     *vm
	closed bool

	wake chan int // CPUs that NMI found halted while others ran
}

var _ machine.Machine = (*guest)(nil)

// New is the function New with these options.
func (o Options) New(config machine.Config) (machine.Machine, error) {
	if err := complete(&config); err != nil {
		return nil, fmt.Errorf("kvm: %w", err)
	}
	if err := board(config, o).Check(config.RAM); err != nil {
		return nil, fmt.Errorf("kvm: %w", err)
	}
	m := &guest{config: config, options: o, ranges: config.RAM, wake: make(chan int, config.CPUs)}
	if err := m.open(); err != nil {
		return nil, fmt.Errorf("kvm: %w", errors.Join(err, m.Close()))
	}
	return m, nil
}

// complete fills in what a Config leaves open, and refuses what cannot be.
func complete(config *machine.Config) error {
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
	return machine.CheckRAM(config.RAM)
}

func (m *guest) open() error {
	var err error
	if m.kvm, err = openKVM(); err != nil {
		return err
	}
	if m.ram, err = ram.New(m.ranges); err != nil {
		return err
	}
	if m.config.Boot.Image != nil {
		load := machine.LoadLinux64
		if m.config.Boot.Protocol == machine.PVH {
			load = machine.LoadPVH
		}
		if m.entry, err = load(m.ram, m.ranges, m.config.Boot); err != nil {
			return err
		}
	}
	return m.powerOn()
}

// powerOn makes the VM and puts CPU 0 at the entry.
func (m *guest) powerOn() error {
	disks, err := m.attachDisks()
	if err != nil {
		return err
	}
	m.bus = machine.NewBus(slices.Concat(m.config.Devices, machine.PCDevices(m.config), disks)...)
	v, err := newVM(m.kvm, m.ram, m.config, m.bus)
	if err != nil {
		return err
	}
	m.vm = v
	if m.entry != nil {
		return m.SetState(0, m.entry)
	}
	return nil
}

// Architecture is AMD64.
func (m *guest) Architecture() machine.Architecture { return machine.AMD64 }

// RAM is where there is memory.
func (m *guest) RAM() physmem.Ranges { return m.ranges }

// Memory is the machine's RAM. It is also a physmem.Viewer.
func (m *guest) Memory() physmem.Memory { return m.ram }

// CPUs is the number of CPUs.
func (m *guest) CPUs() int { return m.config.CPUs }

// cpu is a CPU by number, while the machine is open.
func (m *guest) cpu(i int) (*vcpu, error) {
	if m.closed {
		return nil, machine.ErrClosed
	}
	if i < 0 || i >= len(m.vm.cpus) {
		return nil, fmt.Errorf("kvm: no CPU %d of %d", i, m.config.CPUs)
	}
	return m.vm.cpus[i], nil
}

// Run runs all CPUs that are on.
func (m *guest) Run(ctx context.Context) (machine.Exit, error) {
	if m.closed {
		return machine.Exit{}, machine.ErrClosed
	}
	if err := m.stopDebugging(); err != nil {
		return m.finish(nil, err)
	}
	return m.finish(m.runToExit(ctx))
}

func (m *guest) runToExit(ctx context.Context) (*machine.Exit, error) {
	if exit := m.bus.Poll(); exit != nil {
		return m.vm.cpus[0].locate(exit)
	}
	for {
		exit, err := m.runOnce(ctx)
		if exit != nil || err != nil {
			return exit, err
		}
	}
}

func (m *guest) finish(exit *machine.Exit, err error) (machine.Exit, error) {
	if err != nil {
		return machine.Exit{}, fmt.Errorf("kvm: %w", err)
	}
	return *exit, nil
}

// RunTo is Run with hardware breakpoints. On some hosts they work in ring 0
// only.
func (m *guest) RunTo(ctx context.Context, addresses ...uint64) (machine.Exit, error) {
	if m.closed {
		return machine.Exit{}, machine.ErrClosed
	}
	if len(addresses) == 0 || len(addresses) > machine.MaxBreakpoints {
		return machine.Exit{}, fmt.Errorf("kvm: %d breakpoints, not 1 to %d: %w", len(addresses), machine.MaxBreakpoints, machine.ErrUnsupported)
	}
	if exit, err := m.pass(ctx, addresses); exit != nil || err != nil {
		return m.finish(exit, err)
	}
	for _, c := range m.vm.cpus {
		if err := c.setBreakpoints(addresses); err != nil {
			return m.finish(nil, err)
		}
	}
	return m.finish(m.runToExit(ctx))
}

// Step lets one CPU execute one instruction. On some hosts it works in ring 0
// only.
func (m *guest) Step(ctx context.Context, cpu int) (machine.Exit, error) {
	c, err := m.cpu(cpu)
	if err != nil {
		return machine.Exit{}, err
	}
	if c.activity != machine.Running {
		return machine.Exit{Reason: machine.Halted, CPU: cpu}, nil
	}
	return m.finish(m.step(ctx, c))
}

// NMI sends an NMI to a CPU.
func (m *guest) NMI(cpu int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.cpu(cpu)
	if err != nil {
		return err
	}
	c.sendNMI()
	select {
	case m.wake <- cpu:
	default: // it is being woken already
	}
	return nil
}

// Reset makes new CPUs and devices over the same RAM.
func (m *guest) Reset() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return machine.ErrClosed
	}
	if err := m.vm.close(); err != nil {
		return fmt.Errorf("kvm: reset: %w", err)
	}
	m.drainWake()
	if err := m.powerOn(); err != nil {
		return fmt.Errorf("kvm: reset: %w", err)
	}
	return nil
}

func (m *guest) drainWake() {
	for {
		select {
		case <-m.wake:
		default:
			return
		}
	}
}

// Snapshot copies the machine.
func (m *guest) Snapshot() (*machine.Snapshot, error) {
	if m.closed {
		return nil, machine.ErrClosed
	}
	return machine.TakeSnapshot(m, m.ram.Populated())
}

// Close frees the machine.
func (m *guest) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var errs []error
	if m.vm != nil {
		errs = append(errs, m.vm.close())
	}
	if m.ram != nil {
		errs = append(errs, m.ram.Close())
	}
	if m.kvm != nil {
		errs = append(errs, m.kvm.Close())
	}
	return errors.Join(errs...)
}
