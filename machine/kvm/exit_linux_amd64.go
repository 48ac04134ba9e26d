package kvm

import (
	"fmt"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Exits that gokvm has no name for (Linux include/uapi/linux/kvm.h).
const (
	exitSystemEvent gokvm.ExitType = 24
)

// handle answers an exit of KVM_RUN: nil where the CPU can go on.
func (c *vcpu) handle() *machine.Exit {
	data := c.data()
	switch reason := gokvm.ExitType(data.ExitReason); reason {
	case gokvm.EXITIO:
		return c.portAccess()
	case gokvm.EXITMMIO:
		return c.memoryAccess()
	case gokvm.EXITHLT:
		return &machine.Exit{Reason: machine.Halted}
	case gokvm.EXITSHUTDOWN:
		return &machine.Exit{Reason: machine.TripleFault}
	case gokvm.EXITDEBUG:
		return &machine.Exit{Reason: machine.Breakpoint}
	case gokvm.EXITINTR, gokvm.EXITIRQWINDOWOPEN:
		return nil
	case gokvm.EXITINTERNALERROR:
		return &machine.Exit{Reason: machine.Failed, Detail: c.internalError()}
	case gokvm.EXITFAILENTRY:
		return &machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("the CPU refused the state: hardware reason %#x", data.Data[0])}
	case exitSystemEvent:
		return &machine.Exit{Reason: machine.Reset}
	default:
		return &machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("KVM exit %v", reason)}
	}
}

// portAccess is IN, OUT and their string forms: count accesses of size bytes,
// whose data lie in the run area.
func (c *vcpu) portAccess() *machine.Exit {
	direction, size, port, count, offset := c.data().IO()
	for i := range count {
		p := c.area[offset+i*size:][:size]
		var exit *machine.Exit
		if direction == gokvm.EXITIOIN {
			exit = c.bus.Read(true, port, p)
		} else {
			exit = c.bus.Write(true, port, p)
		}
		if exit != nil {
			return exit
		}
	}
	return nil
}

// memoryAccess is an access to a physical address that is no RAM. kvm_run has
// the address, eight bytes of data, their number and the direction.
func (c *vcpu) memoryAccess() *machine.Exit {
	data := c.data()
	size, write := uint32(data.Data[2]), data.Data[2]>>32&0xff != 0
	p := unsafe.Slice((*byte)(unsafe.Pointer(&data.Data[1])), 8)[:min(size, 8)]
	if write {
		return c.bus.Write(false, data.Data[0], p)
	}
	return c.bus.Read(false, data.Data[0], p)
}

// internalError explains KVM_EXIT_INTERNAL_ERROR: mostly an instruction that
// KVM's emulator does not know; where it says so, its bytes are there.
func (c *vcpu) internalError() string {
	const emulation = 1 // KVM_INTERNAL_ERROR_EMULATION
	data := c.data()
	s := fmt.Sprintf("KVM internal error %d", uint32(data.Data[0]))
	if uint32(data.Data[0]) != emulation {
		return s
	}
	s += ", an instruction that KVM does not emulate"
	// struct emulation_failure: suberror u32, ndata u32, flags u64,
	// insn_size u8, insn_bytes [15]u8.
	body := unsafe.Slice((*byte)(unsafe.Pointer(&data.Data[0])), 40)
	if ndata := uint32(data.Data[0] >> 32); ndata >= 3 && data.Data[1]&1 != 0 {
		s += fmt.Sprintf(": % x", body[17:17+min(body[16], 15)])
	}
	return s
}
