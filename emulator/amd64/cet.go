package amd64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Control-flow enforcement (Intel SDM 1 17), as far as a kernel that leaves it
// needs: indirect branches must lead to ENDBR64, near calls and returns use the
// shadow stack. Interrupts and far branches with shadow stacks on stop the
// machine. While it is on, instructions are executed one by one.

const (
	msrUserCET    = 0x6a0
	msrKernelCET  = 0x6a2
	msrPL0SSP     = 0x6a4 // to PL3_SSP at 0x6a7
	msrPL3SSP     = 0x6a7
	msrISST       = 0x6a8
	cetShadow     = 1 << 0 // SH_STK_EN
	cetWrite      = 1 << 1 // WR_SHSTK_EN
	cetEndbranch  = 1 << 2 // ENDBR_EN
	cetNoTrack    = 1 << 4 // NO_TRACK_EN
	cetKnown      = cetShadow | cetWrite | cetEndbranch | cetNoTrack | 1<<5
	cetCodeReturn = 1 // error codes of #CP
	cetCodeBranch = 3
	cetCodeBusy   = 5
	tokenBusy     = 1
)

// cet is what the CPU has for it.
type cet struct {
	control [2]uint64 // IA32_S_CET, IA32_U_CET
	stacks  [4]uint64 // IA32_PL0_SSP to IA32_PL3_SSP
	table   uint64    // IA32_INTERRUPT_SSP_TABLE_ADDR
	ssp     uint64
	waiting [2]bool // for ENDBR64: supervisor, user
}

// user is the index of the current privilege in cet's fields.
func (c *CPU) user() int {
	if c.cpl == 3 {
		return 1
	}
	return 0
}

// enforced are the bits of control that count now.
func (c *CPU) enforced() uint64 {
	if c.cr4&cr4CET == 0 || c.mode == modeReal {
		return 0
	}
	return c.cet.control[c.user()]
}

func (c *CPU) controlProtection(code uint64) bool {
	return c.raiseCode(amd64.VectorControlProtection, code)
}

// endbranch is #CP where an instruction is not the ENDBR64 that is waited for.
func (c *CPU) endbranch(in *inst) bool {
	waiting := &c.cet.waiting[c.user()]
	if !*waiting {
		return true
	}
	*waiting = false
	if in.entry == &entryEndbranch || c.enforced()&cetEndbranch == 0 {
		return true
	}
	return c.controlProtection(cetCodeBranch)
}

// checkFlow is what CET adds to an instruction that was executed: false is a
// fault, with the stack pointer as it was.
func (c *CPU) checkFlow(in *inst, sp uint64) bool {
	enforced := c.enforced()
	calls, returns := false, false
	switch in.entry {
	case &oneByte[0xff].group[2], &oneByte[0xff].group[4]:
		tracked := enforced&cetNoTrack == 0 || !in.noTrack
		c.cet.waiting[c.user()] = enforced&cetEndbranch != 0 && tracked
		calls = in.entry == &oneByte[0xff].group[2]
	case &oneByte[0xe8]:
		calls = in.imm != in.next
	case &oneByte[0xc2], &oneByte[0xc3]:
		returns = true
	}
	if enforced&cetShadow == 0 || !calls && !returns {
		return true
	}
	to := c.rip
	undo := func(ok bool) bool {
		if !ok {
			c.r[machine.RSP] = sp
		}
		return ok
	}
	if calls {
		return undo(c.pushShadow(in.next))
	}
	kept, ok := c.loadSlow(c.cet.ssp, 8, accessRead|shadow)
	if ok && kept != to {
		ok = c.controlProtection(cetCodeReturn)
	}
	if ok {
		c.cet.ssp += 8
	}
	return undo(ok)
}

func (c *CPU) pushShadow(v uint64) bool {
	if !c.storeShadow(c.cet.ssp-8, v) {
		return false
	}
	c.cet.ssp -= 8
	return true
}

// storeShadow writes a quadword of a shadow stack.
func (c *CPU) storeShadow(va, v uint64) bool {
	pa, ok := c.translate(va, accessWrite|shadow)
	if !ok {
		return false
	}
	c.putPhysical64(pa&^7, v)
	return true
}

// shadowStops stops the machine where a shadow stack would have to be changed in
// a way that is not there. It gives true where it would not.
func (c *CPU) shadowStops(what string) bool {
	if c.cr4&cr4CET == 0 || (c.cet.control[0]|c.cet.control[1])&cetShadow == 0 {
		return true
	}
	return c.stop(machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("%s with shadow stacks on is not there: %s ssp=%#x", what, c.registers(), c.cet.ssp)})
}

// cetMSR is the storage of an MSR of CET, and what may be in it.
func (c *CPU) cetMSR(n uint32) (p *uint64, known uint64) {
	switch n {
	case msrKernelCET:
		return &c.cet.control[0], cetKnown
	case msrUserCET:
		return &c.cet.control[1], cetKnown
	case msrISST:
		return &c.cet.table, ^uint64(0)
	}
	if n >= msrPL0SSP && n <= msrPL3SSP {
		return &c.cet.stacks[n-msrPL0SSP], ^uint64(3)
	}
	return nil, 0
}

// operationReadShadow is RDSSP, and the hints that share its opcode: nothing
// happens where shadow stacks are off.
func operationReadShadow(c *CPU, in *inst) bool {
	if c.enforced()&cetShadow != 0 && !in.mem {
		c.set(in.rm, max(in.size, 4), c.cet.ssp)
	}
	return true
}

// operationIncrementShadow is INCSSP.
func operationIncrementShadow(c *CPU, in *inst) bool {
	if c.enforced()&cetShadow == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	size := uint64(max(in.size, 4))
	n := c.r[in.rm&regMask] & 0xff
	if n > 0 { // both ends are touched
		for _, at := range []uint64{c.cet.ssp, c.cet.ssp + (n-1)*size} {
			if _, ok := c.loadSlow(at, 4, accessRead|shadow); !ok {
				return false
			}
		}
	}
	c.cet.ssp += n * size
	return true
}

// operationSetShadowBusy is SETSSBSY: ring 0 takes the stack of IA32_PL0_SSP.
func operationSetShadowBusy(c *CPU, in *inst) bool {
	if c.enforced()&cetShadow == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if c.cpl != 0 {
		return c.general(0)
	}
	at := c.cet.stacks[0]
	if at&7 != 0 {
		return c.general(0)
	}
	token, ok := c.loadSlow(at, 8, accessRead|shadow)
	if !ok {
		return false
	}
	if token != at {
		return c.controlProtection(cetCodeBusy)
	}
	if !c.storeShadow(at, token|tokenBusy) {
		return false
	}
	c.cet.ssp = at
	return true
}

// operationWriteShadow is WRSS.
func operationWriteShadow(c *CPU, in *inst) bool {
	if c.enforced()&(cetShadow|cetWrite) != cetShadow|cetWrite {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	va := c.address(in)
	if in.size < 8 {
		return operationMissing(c, in)
	}
	if va&7 != 0 {
		return c.general(0)
	}
	return c.storeShadow(va, c.r[in.reg&regMask])
}
