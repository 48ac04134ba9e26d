package arm64

// Comparisons with the branches behind them. See fuse.

func compareImmediateEQ64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a == b {
		return c.taken(in)
	}
	return true
}

func compareImmediateNE64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a != b {
		return c.taken(in)
	}
	return true
}

func compareImmediateCS64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a >= b {
		return c.taken(in)
	}
	return true
}

func compareImmediateCC64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a < b {
		return c.taken(in)
	}
	return true
}

func compareImmediateHI64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a > b {
		return c.taken(in)
	}
	return true
}

func compareImmediateLS64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a <= b {
		return c.taken(in)
	}
	return true
}

func compareImmediateGE64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) >= int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateLT64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) < int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateGT64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) > int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateLE64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], in.imm&0xffffffff
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) <= int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateEQ32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a == b {
		return c.taken(in)
	}
	return true
}

func compareImmediateNE32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a != b {
		return c.taken(in)
	}
	return true
}

func compareImmediateCS32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a >= b {
		return c.taken(in)
	}
	return true
}

func compareImmediateCC32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a < b {
		return c.taken(in)
	}
	return true
}

func compareImmediateHI32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a > b {
		return c.taken(in)
	}
	return true
}

func compareImmediateLS32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if a <= b {
		return c.taken(in)
	}
	return true
}

func compareImmediateGE32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) >= int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateLT32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) < int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateGT32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) > int64(b) {
		return c.taken(in)
	}
	return true
}

func compareImmediateLE32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask]<<32, in.imm<<32
	c.fkind, c.fa, c.fb = flagsSub, a, b
	if int64(a) <= int64(b) {
		return c.taken(in)
	}
	return true
}
