package kvm

import (
	"context"
	"fmt"
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

func (c *vcpu) setDebug(d guestDebug) error {
	if _, err := gokvm.Ioctl(c.fd, ioctlSetGuestDebug, uintptr(unsafe.Pointer(&d))); err != nil {
		return fmt.Errorf("set debug control of CPU %d: %w", c.index, err)
	}
	return nil
}

// setBreakpoints breaks before the instructions at addresses, or clears all
// breakpoints.
func (c *vcpu) setBreakpoints(addresses []uint64) error {
	if len(addresses) == 0 {
		return c.setDebug(guestDebug{})
	}
	d := guestDebug{Control: debugEnable | debugBreakpoints}
	d.DebugReg[7] = dr7Fixed
	for i, a := range addresses {
		d.DebugReg[i] = a
		d.DebugReg[7] |= 2 << (2 * i) // G0 to G3; type and length 0: execution
	}
	return c.setDebug(d)
}

// pass lets CPUs that stand at a breakpoint execute the instruction there. In
// ring 0 that is a single step, since KVM's emulator does not honour RFLAGS.RF;
// in ring 3, where some hosts cannot step, it is that flag.
func (m *Machine) pass(ctx context.Context, addresses []uint64) (*machine.Exit, error) {
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
