package arm64

// lowerCarry is for ADC, ADCS, SBC and SBCS.
func lowerCarry(in *inst) bool {
	in.d = target(in.d)
	in.run = choose(in.word>>31 != 0, withCarry64, withCarry32)
	return true
}

func withCarry64(c *CPU, in *inst) bool {
	a, b, carry := c.r[in.n&regMask], c.r[in.m&regMask], c.carry()
	if in.op >= opSub {
		b = ^b
	}
	if in.op&1 != 0 {
		c.r[in.d&regMask] = c.addFlags64(a, b, carry)
	} else {
		c.r[in.d&regMask] = a + b + carry
	}
	return true
}

func withCarry32(c *CPU, in *inst) bool {
	a, b, carry := c.r[in.n&regMask], c.r[in.m&regMask], c.carry()
	if in.op >= opSub {
		b = ^b
	}
	if in.op&1 != 0 {
		c.r[in.d&regMask] = c.addFlags32(a, b, carry)
	} else {
		c.r[in.d&regMask] = uint64(uint32(a + b + carry))
	}
	return true
}

// lowerConditional is for CCMP and CCMN. An immediate is in imm, with m none.
func lowerConditional(in *inst) bool {
	if in.bit(11) != 0 {
		in.imm, in.m = uint64(in.m), regZero
	}
	in.shift, in.extra, in.size = uint8(in.bits(12, 4)), uint8(in.bits(0, 4)), uint8(in.word>>31)
	return true
}

func conditionalCompare(c *CPU, in *inst) bool {
	if !c.holds(in.shift) {
		c.setFlags(in.extra)
		return true
	}
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]+in.imm
	if in.size != 0 {
		c.sum64(in.op, a, b)
	} else {
		c.sum32(in.op, a, b)
	}
	return true
}

// lowerSelect is for CSEL (op 0), CSINC (1), CSINV (2) and CSNEG (3).
func lowerSelect(in *inst) bool {
	wide := in.word>>31 != 0
	in.shift = uint8(in.bits(12, 4))
	in.d = target(in.d)
	in.run = choose(wide, select64, select32)
	switch {
	case in.op == 1 && in.n == 31 && in.m == 31:
		in.run = conditionSet // CSET of the inverse
	case in.op == 0 && wide:
		in.run = plainSelect64
	}
	return true
}

func conditionSet(c *CPU, in *inst) bool {
	v := uint64(1)
	if c.holds(in.shift) {
		v = 0
	}
	c.r[in.d&regMask] = v
	return true
}

func plainSelect64(c *CPU, in *inst) bool {
	from := in.m
	if c.holds(in.shift) {
		from = in.n
	}
	c.r[in.d&regMask] = c.r[from&regMask]
	return true
}

func (c *CPU) selected(in *inst) uint64 {
	if c.holds(in.shift) {
		return c.r[in.n&regMask]
	}
	v := c.r[in.m&regMask]
	switch in.op {
	case 1:
		return v + 1
	case 2:
		return ^v
	case 3:
		return -v
	}
	return v
}

func select64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.selected(in)
	return true
}

func select32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.selected(in)))
	return true
}

// rotateIntoFlags is RMIF.
func rotateIntoFlags(c *CPU, in *inst) bool {
	n := in.bits(15, 6)
	v := c.r[in.n&regMask]
	v = v>>n | v<<1<<(63-n)
	mask := uint8(in.bits(0, 4))
	c.setFlags(c.nzcv()&^mask | uint8(v)&mask)
	return true
}

// setFlagsFrom is SETF8 and SETF16: op is how far the value is from the top of a
// word.
func setFlagsFrom(c *CPU, in *inst) bool {
	v := uint32(c.r[in.n&regMask])
	f := c.nzcv()&flagC | uint8(v<<in.op>>31<<3) | uint8((v<<in.op^v<<(in.op-1))>>31)
	if v<<in.op == 0 {
		f |= flagZ
	}
	c.setFlags(f)
	return true
}
