package arm64

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// systemOpcodes are hints, barriers, and what reaches system registers (DDI 0487
// C4.1.92).
func systemOpcodes() []opcode {
	return []opcode{
		{name: "HINT", pattern: "11010101 00000011 0010zzzz zzz11111", run: operationNop},
		{name: "YIELD", pattern: "11010101 00000011 00100000 00111111", run: operationYield, form: last},
		{name: "WFE", pattern: "11010101 00000011 00100000 01011111", run: operationWait, op: 1, form: last | system},
		{name: "WFI", pattern: "11010101 00000011 00100000 01111111", run: operationWait, op: 0, form: last | system},
		{name: "SEV", pattern: "11010101 00000011 00100000 10011111", run: operationEvent, op: 1, form: last | system},
		{name: "SEVL", pattern: "11010101 00000011 00100000 10111111", run: operationEvent, op: 0, form: last | system},
		{name: "CLREX", pattern: "11010101 00000011 0011zzzz 01011111", run: operationClear},
		{name: "DSB", pattern: "11010101 00000011 0011zzzz 10011111", run: operationDSB, form: last},
		{name: "DMB", pattern: "11010101 00000011 0011zzzz 10111111", run: operationNop},
		{name: "ISB", pattern: "11010101 00000011 0011zzzz 11011111", run: operationISB, form: last},
		{name: "SB", pattern: "11010101 00000011 00110000 11111111", needs: featureSB, run: operationNop},
		{name: "CFINV", pattern: "11010101 00000000 01000000 00011111", needs: featureFlagM, run: invertCarry},
		{name: "MSR (immediate)", pattern: "11010101 00000zzz 0100iiii zzz11111", lower: lowerMoveState, form: last | system},
		{name: "SYS", pattern: "11010101 00001zzz nnnnmmmm zzzttttt", lower: lowerSystem, run: operationSystem, form: last | system},
		{name: "SYSL", pattern: "11010101 00101zzz nnnnmmmm zzzttttt", run: operationUndefined, form: last | system},
		{name: "MSR (register)", pattern: "11010101 0001zzzz nnnnmmmm zzzttttt", lower: lowerSystem, run: operationWriteSystem, form: system},
		{name: "MRS", pattern: "11010101 0011zzzz nnnnmmmm zzzttttt", lower: lowerSystem, run: operationReadSystem, form: system},
	}
}

// operationYield lets others run, and time go on.
func operationYield(c *CPU, in *inst) bool {
	c.idle, c.limit = true, 0
	return true
}

// operationWait is WFI (op 0) and WFE (op 1).
func operationWait(c *CPU, in *inst) bool {
	if c.waitTrapped(in.op != 0) {
		return false
	}
	c.waitsForEvent = in.op != 0
	if c.waitsForEvent && c.eventFlag {
		c.eventFlag = false
		return true
	}
	c.limit = 0
	if in.op != 0 && (c.monitor.armed || c.eventStream()) { // woken before long: by a store, or by the counter
		c.idle = true
		return true
	}
	c.updateTimers()
	if !c.pending() {
		c.activity = machine.Waiting
	}
	return true
}

// eventStream reports whether the counter makes events (CNTKCTL_EL1.EVNTEN, or
// CNTHCTL_EL2's).
func (c *CPU) eventStream() bool { return (c.sys.cntkctl|c.sys.cnthctl)>>2&1 != 0 }

// operationEvent is SEV (op 1) and SEVL (op 0).
func operationEvent(c *CPU, in *inst) bool {
	c.eventFlag = true
	if in.op != 0 {
		for _, other := range c.everyone() {
			other.eventFlag = true
		}
	}
	return true
}

func operationClear(c *CPU, in *inst) bool {
	c.monitor.clear()
	return true
}

// operationDSB completes what maintenance is under way.
func operationDSB(c *CPU, in *inst) bool {
	c.complete()
	return true
}

func operationISB(c *CPU, in *inst) bool {
	c.synchronise()
	return true
}

func invertCarry(c *CPU, in *inst) bool {
	c.setFlags(c.nzcv() ^ flagC)
	return true
}

// lowerMoveState is for MSR with an immediate: op is op1:op2, imm CRm.
func lowerMoveState(in *inst) bool {
	in.op, in.imm = uint8(in.bits(16, 3)<<3|in.bits(5, 3)), uint64(in.bits(8, 4))
	in.run = operationMoveState
	return true
}

// Fields of PSTATE as MSR (immediate) names them, op1:op2.
const (
	stateUAO     = 0<<3 | 3
	statePAN     = 0<<3 | 4
	stateSPSel   = 0<<3 | 5
	stateSSBS    = 3<<3 | 1
	stateDIT     = 3<<3 | 2
	stateDAIFSet = 3<<3 | 6
	stateDAIFClr = 3<<3 | 7
)

func operationMoveState(c *CPU, in *inst) bool {
	set := in.imm&1 != 0
	privileged := c.level > 0
	switch in.op {
	case stateDAIFSet, stateDAIFClr:
		if !c.mayMask() {
			return c.trapSystem(in, 1)
		}
		if in.op == stateDAIFSet {
			c.daif |= in.imm << 6
		} else {
			c.daif &^= in.imm << 6
			c.limit = 0
		}
	case stateSPSel:
		if !privileged {
			return c.undefined()
		}
		c.selectStack(set)
	case statePAN:
		if !privileged || c.has&featurePAN == 0 {
			return c.undefined()
		}
		c.pan = set
		c.selectTLB()
	case stateUAO:
		if !privileged || c.has&featureUAO == 0 {
			return c.undefined()
		}
		c.uao = set
	case stateDIT:
		if c.has&featureDIT == 0 {
			return c.undefined()
		}
		c.dit = set
	case stateSSBS:
		if c.has&featureSSBS == 0 {
			return c.undefined()
		}
		c.ssbs = set
	default:
		return c.undefined()
	}
	return true
}

// selectStack is SPSel.
func (c *CPU) selectStack(handler bool) {
	c.saveStack()
	c.handler = handler
	c.loadStack()
}

// mayMask reports whether DAIF can be reached: from EL0 by SCTLR.UMA.
func (c *CPU) mayMask() bool {
	return c.level > 0 || c.sys.sctlr[c.userLevel()]>>9&1 != 0
}

// userLevel is the level whose SCTLR is for EL0.
func (c *CPU) userLevel() int {
	if c.hostUser() {
		return 2
	}
	return 1
}

// lowerSystem makes the encoding of a system register the immediate.
func lowerSystem(in *inst) bool {
	in.imm = uint64(in.bits(5, 16))
	return true
}

// trapSystem raises the trap of an access to a system register (DDI 0487 D24.2,
// ESR_EL1, ISS of class 0x18).
func (c *CPU) trapSystem(in *inst, level uint8) bool {
	w := in.word
	syndrome := w>>19&3<<20 | w>>5&7<<17 | w>>16&7<<14 | w>>12&15<<10 | w&31<<5 | w>>8&15<<1 | w>>21&1
	c.raise(arm64.ClassSystemRegister, syndrome)
	if level == 2 || c.route() == 2 {
		c.fault.target = 2
	}
	return false
}
