package amd64

import "github.com/seed64aab995/rescuekernel/machine"

func fastMoveRR64(c *CPU, in *inst) bool {
	c.r[in.rm&regMask] = c.r[in.reg&regMask]
	return true
}

func fastMoveRR32(c *CPU, in *inst) bool {
	c.r[in.rm&regMask] = uint64(uint32(c.r[in.reg&regMask]))
	return true
}

func fastMoveLoadRR64(c *CPU, in *inst) bool {
	c.r[in.reg&regMask] = c.r[in.rm&regMask]
	return true
}

func fastMoveLoadRR32(c *CPU, in *inst) bool {
	c.r[in.reg&regMask] = uint64(uint32(c.r[in.rm&regMask]))
	return true
}

func fastMoveImmediate(c *CPU, in *inst) bool { // of 64 bits, or 32 cut when decoded
	c.r[in.rm&regMask] = in.imm
	return true
}

func fastLoad64(c *CPU, in *inst) bool {
	va := c.address(in)
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-7 {
		c.r[in.reg&regMask] = page64(e.page, va&pageMask)
		return true
	}
	v, ok := c.loadSlow(va, 8, accessRead)
	if ok {
		c.r[in.reg&regMask] = v
	}
	return ok
}

func fastLoad32(c *CPU, in *inst) bool { // also MOV r32, m32 and MOVSXD's zero-extending kin
	va := c.address(in)
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-3 {
		c.r[in.reg&regMask] = uint64(page32(e.page, va&pageMask))
		return true
	}
	v, ok := c.loadSlow(va, 4, accessRead)
	if ok {
		c.r[in.reg&regMask] = v
	}
	return ok
}

func fastLoadZero8(c *CPU, in *inst) bool { // MOVZX r32 or r64, m8
	v, ok := c.load8(c.address(in))
	if ok {
		c.r[in.reg&regMask] = v
	}
	return ok
}

func fastLoadZero16(c *CPU, in *inst) bool {
	v, ok := c.load16(c.address(in))
	if ok {
		c.r[in.reg&regMask] = v
	}
	return ok
}

func fastStore64(c *CPU, in *inst) bool {
	va := c.address(in)
	e := &c.tlb.write[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-7 {
		putPage64(e.page, va&pageMask, c.r[in.reg&regMask])
		return true
	}
	return c.storeSlow(va, 8, c.r[in.reg&regMask])
}

func fastStore32(c *CPU, in *inst) bool {
	va := c.address(in)
	e := &c.tlb.write[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-3 {
		putPage32(e.page, va&pageMask, uint32(c.r[in.reg&regMask]))
		return true
	}
	return c.storeSlow(va, 4, c.r[in.reg&regMask])
}

func fastAddress64(c *CPU, in *inst) bool {
	c.r[in.reg&regMask] = c.r[in.base&regMask] + c.r[in.index&regMask]<<(in.scale&3) + in.disp
	return true
}

func fastAddress32(c *CPU, in *inst) bool {
	c.r[in.reg&regMask] = uint64(uint32(c.r[in.base&regMask] + c.r[in.index&regMask]<<(in.scale&3) + in.disp))
	return true
}

func fastIncrement64(c *CPU, in *inst) bool {
	a, carry := c.r[in.rm&regMask], c.faux>>63
	res := a + 1
	c.r[in.rm&regMask] = res
	c.flagsAdd(8, a, 1, res)
	c.flagsKeepCarry(carry)
	return true
}

func fastDecrement64(c *CPU, in *inst) bool {
	a, carry := c.r[in.rm&regMask], c.faux>>63
	res := a - 1
	c.r[in.rm&regMask] = res
	c.flagsSub(8, a, 1, res)
	c.flagsKeepCarry(carry)
	return true
}

// Shifts of a register by an immediate that is not zero.
func fastShiftLeft64(c *CPU, in *inst) bool {
	n := in.imm & 63
	a := c.r[in.rm&regMask]
	res := a << n
	c.r[in.rm&regMask] = res
	carry := a >> (64 - n) & 1
	c.fres, c.faux = res, carry<<63|res>>63<<62
	return true
}

func fastShiftRight64(c *CPU, in *inst) bool {
	n := in.imm & 63
	a := c.r[in.rm&regMask]
	res := a >> n
	c.r[in.rm&regMask] = res
	carry := a >> (n - 1) & 1
	c.fres, c.faux = res, carry<<63|(carry^a>>63)<<62
	return true
}

func fastShiftLeft32(c *CPU, in *inst) bool {
	n := in.imm & 31
	a := c.r[in.rm&regMask]
	res := uint32(a << n)
	c.r[in.rm&regMask] = uint64(res)
	carry := uint64(uint32(a)) >> (32 - n) & 1
	c.fres, c.faux = uint64(int64(int32(res))), carry<<63|uint64(res>>31)<<62
	return true
}

func fastShiftRight32(c *CPU, in *inst) bool {
	n := in.imm & 31
	a := uint32(c.r[in.rm&regMask])
	res := a >> n
	c.r[in.rm&regMask] = uint64(res)
	carry := uint64(a>>(n-1)) & 1
	c.fres, c.faux = uint64(int64(int32(res))), carry<<63|(carry^uint64(a>>31))<<62
	return true
}

func fastPush64(c *CPU, in *inst) bool {
	sp := c.r[machine.RSP] - 8
	if !c.store64(sp, c.r[in.rm&regMask]) {
		return c.stackFault()
	}
	c.r[machine.RSP] = sp
	return true
}

func fastPop64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.r[machine.RSP])
	if !ok {
		return c.stackFault()
	}
	c.r[machine.RSP] += 8
	c.r[in.rm&regMask] = v
	return true
}

func fastCall64(c *CPU, in *inst) bool {
	sp := c.r[machine.RSP] - 8
	if !c.store64(sp, in.next) {
		return c.stackFault()
	}
	c.r[machine.RSP] = sp
	c.rip = in.imm
	return false
}

func fastReturn64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.r[machine.RSP])
	if !ok {
		return c.stackFault()
	}
	if !c.canonical(v) {
		return c.general(0)
	}
	c.r[machine.RSP] += 8
	c.rip = v
	return false
}

// The conditional jumps after most comparisons.
func fastJE(c *CPU, in *inst) bool {
	if c.fres == 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJNE(c *CPU, in *inst) bool {
	if c.fres != 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJB(c *CPU, in *inst) bool {
	if int64(c.faux) < 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJAE(c *CPU, in *inst) bool {
	if int64(c.faux) >= 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJBE(c *CPU, in *inst) bool {
	if int64(c.faux) < 0 || c.fres == 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJA(c *CPU, in *inst) bool {
	if int64(c.faux) >= 0 && c.fres != 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJL(c *CPU, in *inst) bool {
	if (c.fres>>63^c.faux&auxSign)^(c.faux>>63^c.faux>>62&1) != 0 {
		c.rip = in.imm
		return false
	}
	return true
}

func fastJGE(c *CPU, in *inst) bool {
	if (c.fres>>63^c.faux&auxSign)^(c.faux>>63^c.faux>>62&1) == 0 {
		c.rip = in.imm
		return false
	}
	return true
}
