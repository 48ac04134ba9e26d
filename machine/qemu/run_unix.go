//go:build unix

package qemu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	// haltedInterval is how often a machine that runs is looked at for whether
	// it can never wake again.
	haltedInterval = 50 * time.Millisecond

	// stopTime is how long QEMU may take to stop, or to end.
	stopTime = 30 * time.Second
)

// Run runs all CPUs.
func (m *guest) Run(ctx context.Context) (machine.Exit, error) {
	p, err := m.live()
	if err != nil {
		return machine.Exit{}, err
	}
	exit, err := m.resume(ctx, p, "vCont;c")
	if err != nil {
		return exit, fmt.Errorf("qemu: %w", err)
	}
	return exit, nil
}

// RunTo is Run with hardware breakpoints of the GDB stub.
func (m *guest) RunTo(ctx context.Context, addresses ...uint64) (exit machine.Exit, err error) {
	p, err := m.live()
	if err != nil {
		return machine.Exit{}, err
	}
	if len(addresses) == 0 || len(addresses) > machine.MaxBreakpoints {
		return machine.Exit{}, fmt.Errorf("qemu: %d breakpoints, not 1 to %d: %w", len(addresses), machine.MaxBreakpoints, machine.ErrUnsupported)
	}
	if exit, passed, err := m.pass(ctx, addresses); err != nil || !passed {
		return exit, err
	}
	defer func() {
		if m.process == nil {
			return
		}
		for _, a := range addresses {
			err = errors.Join(err, p.gdb.ok(fmt.Sprintf("z1,%x,%d", a, m.board.breakpointKind)))
		}
	}()
	for _, a := range addresses {
		if err := p.gdb.ok(fmt.Sprintf("Z1,%x,%d", a, m.board.breakpointKind)); err != nil {
			return machine.Exit{}, fmt.Errorf("qemu: breakpoint at %#x: %w", a, err)
		}
	}
	return m.Run(ctx)
}

// pass steps CPUs that stand at one of the addresses.
func (m *guest) pass(ctx context.Context, addresses []uint64) (exit machine.Exit, passed bool, err error) {
	for cpu := range m.config.CPUs {
		pc, err := m.pc(cpu)
		if err != nil {
			return exit, false, fmt.Errorf("qemu: %w", err)
		}
		if !slices.Contains(addresses, pc) {
			continue
		}
		if exit, err = m.Step(ctx, cpu); err != nil || exit.Reason != machine.Stepped {
			return exit, false, err
		}
	}
	return exit, true, nil
}

// Step lets one CPU execute one instruction.
func (m *guest) Step(ctx context.Context, cpu int) (machine.Exit, error) {
	p, err := m.live()
	if err != nil {
		return machine.Exit{}, err
	}
	if cpu < 0 || cpu >= m.config.CPUs {
		return machine.Exit{}, fmt.Errorf("qemu: no CPU %d of %d", cpu, m.config.CPUs)
	}
	exit, err := m.resume(ctx, p, fmt.Sprintf("vCont;s:%x", cpu+1))
	if err != nil {
		return exit, fmt.Errorf("qemu: %w", err)
	}
	if exit.Reason == machine.Breakpoint {
		exit.Reason = machine.Stepped
	}
	return exit, nil
}

// resume lets the machine go on with a vCont packet until it stops. When it
// returns, all output and events of the guest were handed over.
func (m *guest) resume(ctx context.Context, p *process, packet string) (machine.Exit, error) {
	if err := p.serial.start(); err != nil {
		return machine.Exit{}, err
	}
	exit, err := m.run(ctx, p, packet)
	err = errors.Join(err, p.serial.stop())
	if m.config.PanicEvent != nil {
		p.qmp.settle()
	}
	if p != m.process { // it has ended
		err = errors.Join(err, p.close())
	}
	return exit, err
}

// run is resume without what the guest has to say.
func (m *guest) run(ctx context.Context, p *process, packet string) (machine.Exit, error) {
	if ctx.Err() != nil {
		return machine.ContextExit(ctx), nil
	}
	if m.shut { // it will not run before a reset
		return machine.Exit{Reason: m.last.Reason, Detail: "it was not reset since"}, nil
	}
	if err := m.tellWrites(p); err != nil {
		return machine.Exit{}, err
	}
	if err := p.gdb.send(packet); err != nil {
		return machine.Exit{}, fmt.Errorf("resume: %w", err)
	}
	tick := time.NewTicker(haltedInterval)
	defer tick.Stop()
	for {
		select {
		case packet, ok := <-p.gdb.packets:
			return m.stopped(p, packet, ok)
		case <-ctx.Done():
			exit, err := m.interrupt(p)
			if exit == nil && err == nil {
				return machine.ContextExit(ctx), nil
			}
			return deref(exit), err
		case <-tick.C:
			if m.allHalted(p) {
				exit, err := m.interrupt(p)
				if exit != nil || err != nil {
					return deref(exit), err
				}
				pc, err := m.pc(0)
				return machine.Exit{Reason: machine.Halted, PC: pc}, err
			}
		}
	}
}

func deref(exit *machine.Exit) machine.Exit {
	if exit == nil {
		return machine.Exit{}
	}
	return *exit
}

// interrupt stops the machine. If it stopped by itself just then, that is the
// exit.
func (m *guest) interrupt(p *process) (*machine.Exit, error) {
	if err := p.gdb.interrupt(); err != nil {
		return nil, fmt.Errorf("stop: %w", err)
	}
	select {
	case packet, ok := <-p.gdb.packets:
		if s, err := parseStop(packet); ok && err == nil && s.signal == signalInterrupt && !s.exited {
			return nil, nil
		}
		exit, err := m.stopped(p, packet, ok)
		if err != nil {
			return nil, err
		}
		if p := m.process; p != nil { // the interrupt may be answered, too
			select {
			case <-p.gdb.packets:
			case <-time.After(10 * time.Millisecond):
			}
		}
		return &exit, nil
	case <-time.After(stopTime):
		return nil, errors.New("the machine does not stop")
	}
}

// stopped makes an exit of a stop packet.
func (m *guest) stopped(p *process, packet string, ok bool) (machine.Exit, error) {
	if !ok {
		return m.ended(p)
	}
	s, err := parseStop(packet)
	if err != nil {
		return machine.Exit{}, err
	}
	if s.exited {
		return m.ended(p)
	}
	m.selected = -1
	switch s.signal {
	case signalTrap:
		pc, err := m.pc(s.cpu)
		return machine.Exit{Reason: machine.Breakpoint, CPU: s.cpu, PC: pc}, err
	case signalQuit:
		return m.shutDown(p, s)
	case signalInterrupt:
		return machine.Exit{Reason: machine.Canceled, CPU: s.cpu}, nil
	}
	return machine.Exit{Reason: machine.Failed, CPU: s.cpu, Detail: fmt.Sprintf("QEMU stopped with signal %d", s.signal)}, nil
}

// shutDown waits for the event that says why the machine was shut down.
func (m *guest) shutDown(p *process, s stop) (machine.Exit, error) {
	select {
	case <-p.events.arrived:
	case <-time.After(stopTime):
		return machine.Exit{}, errors.New("the machine was shut down, and QEMU does not say why")
	}
	exit := p.events.takeShutdown()
	exit.CPU = s.cpu
	m.shut, m.last = true, *exit
	var err error
	exit.PC, err = m.pc(s.cpu)
	return *exit, err
}

// ended is the exit of a machine whose QEMU has ended: by isa-debug-exit, whose
// status is odd and has the code above its lowest bit (QEMU
// hw/misc/debugexit.c), or by an accident.
func (m *guest) ended(p *process) (machine.Exit, error) {
	select {
	case <-p.done:
	case <-time.After(stopTime):
		return machine.Exit{}, errors.New("QEMU hung up but does not end")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("QEMU ended: %v: %s", p.command.ProcessState, p.stderr.String())}
	if code := p.exitCode(); code > 0 && code&1 == 1 && m.options.Architecture == machine.AMD64 {
		m.last = machine.Exit{Reason: machine.DebugExit, Code: uint64(code >> 1)}
	}
	m.process = nil // resume closes it
	return m.last, nil
}

// allHalted tells of an amd64 machine whose CPUs are all in HLT with
// interrupts off, by the line "RIP=... RFL=... HLT=1". It looks at CPUs that
// run, so that what it sees counts only once they have stopped.
func (m *guest) allHalted(p *process) bool {
	if m.options.Architecture != machine.AMD64 {
		return false
	}
	for cpu := range m.config.CPUs {
		text, err := p.qmp.monitor("info registers", cpu)
		if err != nil || !strings.Contains(text, "HLT=1") {
			return false
		}
		if v, ok := monitorValue(text, "RFL="); ok && v&interruptFlag != 0 {
			return false
		}
		if v, ok := monitorValue(text, "EFL="); ok && v&interruptFlag != 0 {
			return false
		}
	}
	return true
}
