package arm64

// The same, of registers.

func compareRegisterEQ64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a == b {
		return c.taken(in)
	}
	return true
}

func compareRegisterNE64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a != b {
		return c.taken(in)
	}
	return true
}

func compareRegisterCS64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a >= b {
		return c.taken(in)
	}
	return true
}

func compareRegisterCC64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a < b {
		return c.taken(in)
	}
	return true
}

func compareRegisterHI64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a > b {
		return c.taken(in)
	}
	return true
}

func compareRegisterLS64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a <= b {
		return c.taken(in)
	}
	return true
}

func compareRegisterGE64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) >= int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterLT64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) < int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterGT64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) > int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterLE64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.r[in.m&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) <= int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterEQ32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a == b {
		return c.taken(in)
	}
	return true
}

func compareRegisterNE32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a != b {
		return c.taken(in)
	}
	return true
}

func compareRegisterCS32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a >= b {
		return c.taken(in)
	}
	return true
}

func compareRegisterCC32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a < b {
		return c.taken(in)
	}
	return true
}

func compareRegisterHI32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a > b {
		return c.taken(in)
	}
	return true
}

func compareRegisterLS32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a <= b {
		return c.taken(in)
	}
	return true
}

func compareRegisterGE32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) >= int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterLT32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) < int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterGT32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) > int64(b) {
		return c.taken(in)
	}
	return true
}

func compareRegisterLE32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) <= int64(b) {
		return c.taken(in)
	}
	return true
}
