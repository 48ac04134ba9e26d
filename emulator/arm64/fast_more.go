package arm64

// Loads and stores that are less often than those of fast_load.go.

func loadStack32(c *CPU, in *inst) bool {
	if c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	return loadOffset32(c, in)
}

func loadStack8(c *CPU, in *inst) bool {
	if c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	return loadOffset8(c, in)
}

func storeStack32(c *CPU, in *inst) bool {
	if c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	return storeOffset32(c, in)
}

func storeStack8(c *CPU, in *inst) bool {
	if c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	return storeOffset8(c, in)
}

func loadVector32(c *CPU, in *inst) bool { // LDR S
	v, ok := c.load32(c.r[in.n&regMask] + in.imm)
	if ok {
		c.v[in.d&31] = word128{v}
	}
	return ok
}

func loadVector64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.r[in.n&regMask] + in.imm)
	if ok {
		c.v[in.d&31] = word128{v}
	}
	return ok
}

func storeVector64(c *CPU, in *inst) bool {
	return c.store64(c.r[in.n&regMask]+in.imm, c.v[in.d&31][0])
}

// stackOperation is what a load or store at the stack pointer and an offset runs.
func stackOperation(k *transfer) operation {
	switch k.kind {
	case kindLoad:
		return [4]operation{loadStack8, transferOffset, loadStack32, loadStack64}[k.scale]
	case kindStore:
		return [4]operation{storeStack8, transferOffset, storeStack32, storeStack64}[k.scale]
	}
	return transferOffset
}

// vectorOperation is what a load or store of a vector register at a base and an
// offset runs.
func vectorOperation(k *transfer) operation {
	switch {
	case k.kind == kindVectorL && k.scale == 2:
		return loadVector32
	case k.kind == kindVectorL && k.scale == 3:
		return loadVector64
	case k.kind == kindVectorL && k.scale == 4:
		return loadOffset128
	case k.kind == kindVectorS && k.scale == 3:
		return storeVector64
	case k.kind == kindVectorS && k.scale == 4:
		return storeOffset128
	}
	return transferOffset
}

// loadPair128 and storePair128 are LDP and STP of Q registers.
func loadPair128(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va, after := c.pairAddress(in)
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag != va>>pageShift|tlbValid || va&pageMask > pageMask-31 {
		return pairGeneral(c, in)
	}
	o := va & pageMask
	c.v[in.d&31] = word128{page64(e.page, o), page64(e.page, o+8)}
	c.v[in.a&31] = word128{page64(e.page, o+16), page64(e.page, o+24)}
	if in.extra&2 != 0 {
		c.r[in.n&regMask] = after
	}
	return true
}

func storePair128(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va, after := c.pairAddress(in)
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag != va>>pageShift|tlbValid || va&pageMask > pageMask-31 {
		return pairGeneral(c, in)
	}
	o, first, second := va&pageMask, c.v[in.d&31], c.v[in.a&31]
	putPage64(e.page, o, first[0])
	putPage64(e.page, o+8, first[1])
	putPage64(e.page, o+16, second[0])
	putPage64(e.page, o+24, second[1])
	if in.extra&2 != 0 {
		c.r[in.n&regMask] = after
	}
	return true
}
