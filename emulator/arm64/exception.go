package arm64

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// Bits of PSTATE as SPSR_ELx holds them (DDI 0487 C5.2.18).
const (
	daifMask = 15 << 6
	maskD    = 1 << 9
	maskA    = 1 << 8
	maskI    = 1 << 7
	maskF    = 1 << 6

	spsrDIT  = 1 << 24
	spsrSSBS = 1 << 12
)

// pstate is PSTATE as SPSR_ELx holds it.
func (c *CPU) pstate() uint64 {
	p := uint64(c.nzcv())<<28 | c.daif | uint64(c.level)<<2
	for _, b := range []struct {
		set bool
		bit uint64
	}{
		{c.handler, 1}, {c.pan, uint64(arm64.PSTATEPAN)}, {c.uao, uint64(arm64.PSTATEUAO)}, {c.illegal, uint64(arm64.PSTATEIllegal)},
		{c.dit, spsrDIT}, {c.ssbs, spsrSSBS},
	} {
		if b.set {
			p |= b.bit
		}
	}
	return p
}

// setPSTATE takes over all of PSTATE, the level included.
func (c *CPU) setPSTATE(p uint64) {
	c.saveStack()
	c.setFlags(uint8(p >> 28))
	c.daif = p & daifMask
	c.level, c.handler = uint8(p>>2&3), p&1 != 0
	c.pan = c.has&featurePAN != 0 && p&uint64(arm64.PSTATEPAN) != 0
	c.uao = c.has&featureUAO != 0 && p&uint64(arm64.PSTATEUAO) != 0
	c.dit = c.has&featureDIT != 0 && p&spsrDIT != 0
	c.ssbs = c.has&featureSSBS != 0 && p&spsrSSBS != 0
	c.illegal = p&uint64(arm64.PSTATEIllegal) != 0
	c.loadStack()
	c.levelChanged()
}

// saveStack puts the stack pointer in use into its bank.
func (c *CPU) saveStack() { c.stacks[c.bank()] = c.r[regSP] }

// loadStack takes the stack pointer from its bank.
func (c *CPU) loadStack() { c.r[regSP] = c.stacks[c.bank()] }

// bank is which stack pointer is in use: SP_EL0, SP_EL1 or SP_EL2.
func (c *CPU) bank() uint8 {
	if !c.handler {
		return 0
	}
	return c.level
}

// deliver takes the exception in c.fault. c.pc is the address of the instruction
// that it is of.
func (c *CPU) deliver() {
	f := c.fault
	to := f.target
	if to == 0 {
		to = c.route()
	}
	back := c.pc
	if f.after {
		back += 4
	}
	c.enter(to, arm64.VectorSynchronous, back, c.syndrome(f, to), f)
}

// route is the level that synchronous exceptions go to by themselves.
func (c *CPU) route() uint8 {
	switch {
	case c.level == 2:
		return 2
	case c.level == 0 && c.config.EL2 && arm64.HCR(c.sys.hcr)&arm64.HCRTrapGeneral != 0:
		return 2
	}
	return 1
}

// syndrome makes ESR_ELx: class, IL and ISS. Aborts and the like have a class
// for whether they came from a lower level.
func (c *CPU) syndrome(f fault, to uint8) uint64 {
	class := f.class
	switch class {
	case arm64.ClassInstructionLower, arm64.ClassDataLower, arm64.ClassBreakpointLower, arm64.ClassWatchpointLower:
		if c.level == to {
			class++
		}
	}
	return uint64(class)<<26 | 1<<25 | uint64(f.syndrome)
}

// enter takes an exception to a level (DDI 0487 D1.3.1).
func (c *CPU) enter(to uint8, what arm64.Vector, back, syndrome uint64, f fault) {
	s := &c.sys
	vector := what
	switch {
	case to > c.level:
		vector |= arm64.VectorLowerAArch64
	case c.handler:
		vector |= arm64.VectorCurrentSPx
	}
	s.spsr[to], s.elr[to] = c.pstate(), back
	if what == arm64.VectorSynchronous || what == arm64.VectorSError {
		s.esr[to] = syndrome
	}
	if f.hasFAR {
		s.far[to] = f.address
	}
	c.saveStack()
	c.level, c.handler, c.daif, c.illegal, c.uao = to, true, daifMask, false, false
	if c.has&featurePAN != 0 && s.sctlr[to]&uint64(arm64.SCTLRKeepPAN) == 0 && (to == 1 || c.hostRegime()) {
		c.pan = true
	}
	c.dit = c.dit && c.has&featureDIT != 0
	c.loadStack()
	c.synchronise()
	c.levelChanged()
	c.pc = s.vbar[to]&^0x7ff + uint64(vector.Offset())
	c.monitor.clear()
}

// hostRegime reports whether EL2 is a host's: E2H and TGE.
func (c *CPU) hostRegime() bool { return c.hostUser() }

// exceptionReturn is ERET (DDI 0487 D1.4.3).
func (c *CPU) exceptionReturn() {
	s := &c.sys
	spsr, to := s.spsr[c.level], s.elr[c.level]
	c.monitor.clear()
	c.eventFlag = true
	c.synchronise()
	if !c.legalReturn(spsr) {
		c.setFlags(uint8(spsr >> 28))
		c.daif = spsr & daifMask
		c.illegal = true
		c.pc = to
		return
	}
	c.setPSTATE(spsr)
	c.pc = c.untag(to)
}

// legalReturn reports whether there is what SPSR asks for: not AArch32, a level
// that is there and not higher, and where TGE is set not EL1 (DDI 0487 D1.4.4).
func (c *CPU) legalReturn(spsr uint64) bool {
	to := uint8(spsr >> 2 & 3)
	switch {
	case spsr&uint64(arm64.PSTATEAArch32) != 0, spsr&2 != 0, to > c.level, to == 0 && spsr&1 != 0:
		return false
	case to == 1 && c.config.EL2 && arm64.HCR(c.sys.hcr)&arm64.HCRTrapGeneral != 0:
		return false
	case to == 1 && c.level == 2 && arm64.HCR(c.sys.hcr)&arm64.HCREL1AArch64 == 0 && !c.hostBit():
		return false
	}
	return true
}

func (c *CPU) hostBit() bool { return arm64.HCR(c.sys.hcr)&arm64.HCRHost != 0 }

// untag makes an address that a branch goes to one without a tag (DDI 0487
// D8.8.3).
func (c *CPU) untag(pc uint64) uint64 {
	if c.regime.halves[pc>>55&1].topByte {
		return uint64(int64(pc<<8) >> 8)
	}
	return pc
}
