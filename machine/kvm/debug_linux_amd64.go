package kvm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"

	"github.com/seed64aab995/rescuekernel/machine"
)

// guestDebug is struct kvm_guest_debug (Linux arch/x86/include/uapi/asm/kvm.h).
type guestDebug struct {
	Control  uint32
	_        uint32
	DebugReg [8]uint64
}

const (
	debugEnable      = 1 << 0
	debugSingleStep  = 1 << 1
	debugBreakpoints = 1 << 17 // KVM_GUESTDBG_USE_HW_BP

	dr7Fixed   = 1 << 10
	resumeFlag = 1 << 16 // RFLAGS.RF (Intel SDM 3B 18.3.1.1)
)

// setDebug tells KVM what to stop at, if it was not told so already.
func (c *vcpu) setDebug(d guestDebug) error {
	if d == c.debug {
		return nil
	}
	if _, err := gokvm.Ioctl(c.fd, ioctlSetGuestDebug, uintptr(unsafe.Pointer(&d))); err != nil {
		return fmt.Errorf("set debug control of CPU %d: %w", c.index, err)
	}
	c.debug = d
	return nil
}

// setBreakpoints breaks before the instructions at addresses.
func (c *vcpu) setBreakpoints(addresses []uint64) error {
	d := guestDebug{Control: debugEnable | debugBreakpoints}
	d.DebugReg[7] = dr7Fixed
	for i, a := range addresses {
		d.DebugReg[i] = a
		d.DebugReg[7] |= 2 << (2 * i) // G0 to G3; type and length 0: execution
	}
	return c.setDebug(d)
}

// stopDebugging takes steps and breakpoints off all CPUs.
func (m *guest) stopDebugging() error {
	var errs []error
	for _, c := range m.vm.cpus {
		errs = append(errs, c.setDebug(guestDebug{}))
	}
	return errors.Join(errs...)
}

// step runs one CPU for one instruction, on the caller's thread: a CPU's own
// thread would cost more than the instruction. Debug control stays set, for
// the next step.
func (m *guest) step(ctx context.Context, c *vcpu) (*machine.Exit, error) {
	if ctx.Err() != nil {
		exit := machine.ContextExit(ctx)
		return &exit, nil
	}
	if err := c.setDebug(guestDebug{Control: debugEnable | debugSingleStep}); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c.stopping.Store(false)
	c.setImmediateExit(0)
	defer context.AfterFunc(ctx, c.stop)()
	exit, err := c.run()
	switch {
	case err != nil:
		return nil, err
	case exit == nil:
		exit := machine.ContextExit(ctx)
		return &exit, nil
	case exit.Reason == machine.Breakpoint:
		exit.Reason = machine.Stepped
	case exit.Reason == machine.Halted:
		c.activity = machine.Waiting
	}
	return exit, nil
}

// pass lets CPUs that stand at a breakpoint execute the instruction there. In
// ring 0 that is a single step, since KVM's emulator does not honour RFLAGS.RF;
// in ring 3, where some hosts cannot step, it is that flag.
func (m *guest) pass(ctx context.Context, addresses []uint64) (*machine.Exit, error) {
	for _, c := range m.vm.cpus {
		regs, err := gokvm.GetRegs(c.fd)
		if err != nil {
			return nil, fmt.Errorf("registers of CPU %d: %w", c.index, err)
		}
		if !slices.Contains(addresses, regs.RIP) {
			continue
		}
		system, err := gokvm.GetSregs(c.fd)
		if err != nil {
			return nil, fmt.Errorf("system registers of CPU %d: %w", c.index, err)
		}
		if system.SS.DPL == 3 { // the current privilege level
			regs.RFLAGS |= resumeFlag
			if err := gokvm.SetRegs(c.fd, regs); err != nil {
				return nil, fmt.Errorf("registers of CPU %d: %w", c.index, err)
			}
			continue
		}
		exit, err := m.Step(ctx, c.index)
		if err != nil || exit.Reason != machine.Stepped && c.activity == machine.Running {
			return &exit, err
		}
	}
	return nil, nil
}
