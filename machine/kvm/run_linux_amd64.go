package kvm

import (
	"context"
	"fmt"
	"time"

	gokvm "github.com/bobuhiro11/gokvm/kvm"

	"github.com/seed64aab995/rescuekernel/machine"
)

// interruptFlag is RFLAGS.IF.
const interruptFlag = 1 << 9

// result is how a CPU came out of run.
type result struct {
	cpu  *vcpu
	exit *machine.Exit // nil: it was stopped
	err  error
}

// runOnce runs the CPUs that are on. With an interrupt controller it comes
// back from time to time without an exit.
func (m *guest) runOnce(ctx context.Context) (*machine.Exit, error) {
	var on []*vcpu
	for _, c := range m.vm.cpus {
		// With the interrupt controller KVM itself keeps halted and unstarted
		// CPUs waiting.
		if c.activity == machine.Running || m.config.InterruptController || c.activity == machine.Waiting && c.nmi.Load() {
			c.activity = machine.Running
			on = append(on, c)
		}
	}
	if !m.config.InterruptController {
		return m.runThese(ctx, on, nil)
	}
	tick := time.NewTimer(haltedInterval)
	defer tick.Stop()
	exit, err := m.runThese(ctx, on, tick.C)
	if exit == nil && err == nil {
		exit, err = m.allHalted()
	}
	return exit, err
}

// runThese runs CPUs until one stops the machine, all have halted, ctx ends,
// or a tick comes: then the exit is nil.
func (m *guest) runThese(ctx context.Context, on []*vcpu, tick <-chan time.Time) (*machine.Exit, error) {
	if len(on) == 0 {
		return &machine.Exit{Reason: machine.Halted, Detail: "no CPU is on"}, nil
	}
	if ctx.Err() != nil {
		exit := machine.ContextExit(ctx)
		return &exit, nil
	}
	r := &running{results: make(chan result, len(m.vm.cpus))}
	for _, c := range m.vm.cpus {
		c.stopping.Store(false)
		c.setImmediateExit(0)
	}
	for _, c := range on {
		r.start(c)
	}
	for r.count > 0 {
		select {
		case got := <-r.results:
			r.take(got)
		case <-ctx.Done():
			r.end(machine.ContextExit(ctx))
			ctx = context.Background()
		case <-tick:
			r.stopAll()
		case cpu := <-m.wake:
			if c := m.vm.cpus[cpu]; c.activity == machine.Waiting && !r.stopped {
				r.start(c)
			}
		}
	}
	if r.exit == nil && r.err == nil && !r.stopped {
		r.exit = r.halted
	}
	return r.exit, r.err
}

// running is one go of some CPUs.
type running struct {
	results chan result
	cpus    []*vcpu
	count   int  // CPUs whose result is to come
	stopped bool // all CPUs were told to stop
	exit    *machine.Exit
	halted  *machine.Exit // the last HLT
	err     error
}

func (r *running) start(c *vcpu) {
	c.activity = machine.Running
	r.cpus = append(r.cpus, c)
	r.count++
	c.jobs <- func() {
		exit, err := c.run()
		r.results <- result{c, exit, err}
	}
}

func (r *running) take(got result) {
	r.count--
	switch {
	case got.err != nil:
		if r.err == nil {
			r.err = got.err
		}
		r.stopAll()
	case got.exit == nil:
	case got.exit.Reason == machine.Halted:
		got.cpu.activity = machine.Waiting
		r.halted = got.exit
		if got.cpu.nmi.Load() && !r.stopped { // it came while the CPU halted
			r.start(got.cpu)
		}
	default:
		r.end(*got.exit)
	}
}

// end stops all CPUs with an exit, if there is none yet.
func (r *running) end(exit machine.Exit) {
	if r.exit == nil {
		r.exit = &exit
	}
	r.stopAll()
}

func (r *running) stopAll() {
	r.stopped = true
	for _, c := range r.cpus {
		c.stop()
	}
}

// allHalted gives the exit of a machine with an interrupt controller that can
// never wake: every CPU that was started is in HLT with interrupts off.
func (m *guest) allHalted() (*machine.Exit, error) {
	exit := &machine.Exit{Reason: machine.Halted}
	for _, c := range m.vm.cpus {
		activity, err := c.kernelActivity()
		if err != nil {
			return nil, err
		}
		if activity == machine.Off {
			continue
		}
		regs, err := gokvm.GetRegs(c.fd)
		if err != nil {
			return nil, fmt.Errorf("registers of CPU %d: %w", c.index, err)
		}
		if activity != machine.Waiting || regs.RFLAGS&interruptFlag != 0 || c.nmi.Load() {
			return nil, nil
		}
		if c.index == 0 {
			exit.PC = regs.RIP
		}
	}
	return exit, nil
}

// kernelActivity is what KVM says that a CPU does.
func (c *vcpu) kernelActivity() (machine.Activity, error) {
	var state gokvm.MPState
	if err := gokvm.GetMPState(c.fd, &state); err != nil {
		return 0, fmt.Errorf("activity of CPU %d: %w", c.index, err)
	}
	switch state.State {
	case gokvm.MPStateRunnable, gokvm.MPStateSipiReceived:
		return machine.Running, nil
	case gokvm.MPStateHalted:
		return machine.Waiting, nil
	}
	return machine.Off, nil
}
