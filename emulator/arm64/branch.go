package arm64

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// branchOpcodes are branches and exceptions (DDI 0487 C4.1.92). Those with a
// condition do not end a block: where it does not hold, the block goes on.
func branchOpcodes() []opcode {
	return []opcode{
		{name: "B", pattern: "000101ii iiiiiiii iiiiiiii iiiiiiii", lower: lowerBranch, run: branchAlways, form: last | branch},
		{name: "BL", pattern: "100101ii iiiiiiii iiiiiiii iiiiiiii", lower: lowerBranch, run: branchLink, form: last | branch},
		{name: "B.cond", pattern: "01010100 iiiiiiii iiiiiiii iii0cccc", lower: lowerBranchCondition, form: branch},
		{name: "CBZ", pattern: "x0110100 iiiiiiii iiiiiiii iiittttt", lower: lowerBranchZero, op: 0, form: branch},
		{name: "CBNZ", pattern: "x0110101 iiiiiiii iiiiiiii iiittttt", lower: lowerBranchZero, op: 1, form: branch},
		{name: "TBZ", pattern: "b0110110 bbbbbiii iiiiiiii iiittttt", lower: lowerBranchBit, op: 0, form: branch},
		{name: "TBNZ", pattern: "b0110111 bbbbbiii iiiiiiii iiittttt", lower: lowerBranchBit, op: 1, form: branch},
		{name: "BR", pattern: "11010110 00011111 000000nn nnn00000", run: branchRegister, form: last | branch},
		{name: "BLR", pattern: "11010110 00111111 000000nn nnn00000", run: branchLinkRegister, form: last | branch},
		{name: "RET", pattern: "11010110 01011111 000000nn nnn00000", run: branchRegister, form: last | branch},
		{name: "ERET", pattern: "11010110 10011111 00000011 11100000", run: operationReturn, form: last | branch | system},
		{name: "DRPS", pattern: "11010110 10111111 00000011 11100000", run: operationUndefined, form: last | system},
		{name: "SVC", pattern: "11010100 000iiiii iiiiiiii iii00001", run: operationCall, form: last | system},
		{name: "HVC", pattern: "11010100 000iiiii iiiiiiii iii00010", run: operationHypervisor, form: last | system},
		{name: "SMC", pattern: "11010100 000iiiii iiiiiiii iii00011", run: operationMonitor, form: last | system},
		{name: "BRK", pattern: "11010100 001iiiii iiiiiiii iii00000", run: operationBreak, form: last | system},
		{name: "HLT", pattern: "11010100 010iiiii iiiiiiii iii00000", run: operationUndefined, form: last | system},
		{name: "DCPS", pattern: "11010100 101iiiii iiiiiiii iii000zz", run: operationUndefined, form: last | system},
		{name: "UDF", pattern: "00000000 00000000 iiiiiiii iiiiiiii", run: operationUndefined, form: last | system},
	}
}

func lowerBranch(in *inst) bool {
	in.imm = in.ip + uint64(in.signed(0, 26)<<2)
	return true
}

func branchAlways(c *CPU, in *inst) bool {
	c.pc = in.imm
	return false
}

func branchLink(c *CPU, in *inst) bool {
	c.r[30] = in.ip + 4
	c.pc = in.imm
	return false
}

var conditionBranches = [16]operation{
	branchEQ, branchNE, branchCS, branchCC, branchIf, branchIf, branchIf, branchIf,
	branchHI, branchLS, branchGE, branchLT, branchGT, branchLE, branchIf, branchIf,
}

func lowerBranchCondition(in *inst) bool {
	in.imm = in.ip + uint64(in.signed(5, 19)<<2)
	in.shift = uint8(in.bits(0, 4))
	in.run = conditionBranches[in.shift]
	return true
}

func branchIf(c *CPU, in *inst) bool {
	if !c.holds(in.shift) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchEQ(c *CPU, in *inst) bool {
	if c.fkind == flagsSub {
		if c.fa != c.fb {
			return true
		}
	} else if c.nzcv()&flagZ == 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func branchNE(c *CPU, in *inst) bool {
	if c.fkind == flagsSub {
		if c.fa == c.fb {
			return true
		}
	} else if c.nzcv()&flagZ != 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func branchCS(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && c.fa < c.fb || c.fkind != flagsSub && !c.holds(2) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchCC(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && c.fa >= c.fb || c.fkind != flagsSub && !c.holds(3) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchHI(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && c.fa <= c.fb || c.fkind != flagsSub && !c.holds(8) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchLS(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && c.fa > c.fb || c.fkind != flagsSub && !c.holds(9) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchGE(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && int64(c.fa) < int64(c.fb) || c.fkind != flagsSub && !c.holds(10) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchLT(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && int64(c.fa) >= int64(c.fb) || c.fkind != flagsSub && !c.holds(11) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchGT(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && int64(c.fa) <= int64(c.fb) || c.fkind != flagsSub && !c.holds(12) {
		return true
	}
	c.pc = in.imm
	return false
}

func branchLE(c *CPU, in *inst) bool {
	if c.fkind == flagsSub && int64(c.fa) > int64(c.fb) || c.fkind != flagsSub && !c.holds(13) {
		return true
	}
	c.pc = in.imm
	return false
}

func lowerBranchZero(in *inst) bool {
	in.imm = in.ip + uint64(in.signed(5, 19)<<2)
	wide := in.word>>31 != 0
	if in.op == 0 {
		in.run = choose(wide, branchZero64, branchZero32)
	} else {
		in.run = choose(wide, branchNonzero64, branchNonzero32)
	}
	return true
}

func branchZero64(c *CPU, in *inst) bool {
	if c.r[in.d&regMask] != 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func branchZero32(c *CPU, in *inst) bool {
	if uint32(c.r[in.d&regMask]) != 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func branchNonzero64(c *CPU, in *inst) bool {
	if c.r[in.d&regMask] == 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func branchNonzero32(c *CPU, in *inst) bool {
	if uint32(c.r[in.d&regMask]) == 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func lowerBranchBit(in *inst) bool {
	in.imm = in.ip + uint64(in.signed(5, 14)<<2)
	in.shift = uint8(in.bits(19, 5) | in.bit(31)<<5)
	in.run = branchBitClear
	if in.op != 0 {
		in.run = branchBitSet
	}
	return true
}

func branchBitClear(c *CPU, in *inst) bool {
	if c.r[in.d&regMask]>>(in.shift&63)&1 != 0 {
		return true
	}
	c.pc = in.imm
	return false
}

func branchBitSet(c *CPU, in *inst) bool {
	if c.r[in.d&regMask]>>(in.shift&63)&1 == 0 {
		return true
	}
	c.pc = in.imm
	return false
}

// branchRegister is BR and RET.
func branchRegister(c *CPU, in *inst) bool { return c.branch(c.untag(c.r[in.n&regMask])) }

func branchLinkRegister(c *CPU, in *inst) bool {
	to := c.untag(c.r[in.n&regMask])
	c.r[30] = in.ip + 4
	return c.branch(to)
}

func operationReturn(c *CPU, in *inst) bool {
	if c.level == 0 {
		return c.undefined()
	}
	c.exceptionReturn()
	return false
}

// immediate16 is the number in an exception's instruction.
func (in *inst) immediate16() uint32 { return in.bits(5, 16) }

// operationCall is SVC.
func operationCall(c *CPU, in *inst) bool {
	c.raise(arm64.ClassSVC, in.immediate16())
	c.fault.after = true
	return false
}

// operationHypervisor is HVC: for EL2, or for the firmware where there is none.
func operationHypervisor(c *CPU, in *inst) bool {
	if c.level == 0 {
		return c.undefined()
	}
	if !c.config.EL2 {
		return c.callFirmware(ConduitHVC)
	}
	if c.sys.hcr>>29&1 != 0 { // HCD
		return c.undefined()
	}
	c.raise(arm64.ClassHVC, in.immediate16())
	c.fault.after, c.fault.target = true, 2
	return false
}

// operationMonitor is SMC: for the firmware, if EL2 does not want it.
func operationMonitor(c *CPU, in *inst) bool {
	if c.level == 0 {
		return c.undefined()
	}
	if c.level == 1 && c.config.EL2 && c.sys.hcr>>19&1 != 0 { // TSC
		c.raise(arm64.ClassSMC, in.immediate16())
		c.fault.target = 2
		return false
	}
	return c.callFirmware(ConduitSMC)
}

// callFirmware asks the firmware. What it does not handle is UNDEFINED.
func (c *CPU) callFirmware(conduit Conduit) bool {
	if c.config.Firmware == nil {
		return c.undefined()
	}
	next := c.pc
	handled, exit := c.config.Firmware(c, conduit)
	switch {
	case exit != nil:
		return c.stopAfter(exit)
	case !handled:
		return c.undefined()
	}
	c.limit = 0
	if c.pc != next { // it has set the CPU's state
		return false
	}
	return true
}

func operationBreak(c *CPU, in *inst) bool {
	c.raise(arm64.ClassBRK, in.immediate16())
	if c.sys.mdcr>>8&1 != 0 && c.level < 2 && c.config.EL2 { // TDE
		c.fault.target = 2
	}
	return false
}
