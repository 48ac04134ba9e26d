package kvm

import (
	"fmt"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"
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

	dr7Fixed = 1 << 10
)

// resumeFlag is RFLAGS.RF: the next instruction does not hit a breakpoint
// (Intel SDM 3B 18.3.1.1).
const resumeFlag = 1 << 16

func (c *vcpu) setDebug(d guestDebug) error {
	if _, err := gokvm.Ioctl(c.fd, ioctlSetGuestDebug, uintptr(unsafe.Pointer(&d))); err != nil {
		return fmt.Errorf("set debug control of CPU %d: %w", c.index, err)
	}
	return nil
}

// setBreakpoints breaks before the instructions at addresses, or clears all
// breakpoints. One that the CPU stands at is passed once.
func (c *vcpu) setBreakpoints(addresses []uint64) error {
	if len(addresses) == 0 {
		return c.setDebug(guestDebug{})
	}
	d := guestDebug{Control: debugEnable | debugBreakpoints}
	d.DebugReg[7] = dr7Fixed
	regs, err := gokvm.GetRegs(c.fd)
	if err != nil {
		return fmt.Errorf("registers of CPU %d: %w", c.index, err)
	}
	for i, a := range addresses {
		d.DebugReg[i] = a
		d.DebugReg[7] |= 2 << (2 * i) // G0 to G3; type and length 0: execution
		if a == regs.RIP {
			regs.RFLAGS |= resumeFlag
		}
	}
	if err := gokvm.SetRegs(c.fd, regs); err != nil {
		return fmt.Errorf("registers of CPU %d: %w", c.index, err)
	}
	return c.setDebug(d)
}
