package arm64

// offsetOperation is what a load or store at a base and an offset runs.
func offsetOperation(in *inst, k *transfer) operation {
	if k.kind == kindHint {
		return operationNop
	}
	if in.n == regSP {
		return stackOperation(k)
	}
	switch k.kind {
	case kindLoad:
		return [4]operation{loadOffset8, loadOffset16, loadOffset32, loadOffset64}[k.scale]
	case kindStore:
		return [4]operation{storeOffset8, storeOffset16, storeOffset32, storeOffset64}[k.scale]
	case kindSign64:
		if k.scale == 2 {
			return loadOffsetSigned32
		}
	default:
		return vectorOperation(k)
	}
	return transferOffset
}

// registerOperation is what a load or store at a base and a register runs.
func registerOperation(in *inst, k *transfer) operation {
	if k.kind == kindHint {
		return operationNop
	}
	if in.n == regSP || in.extra != 3 && in.extra != 7 {
		return transferRegister
	}
	switch k.kind {
	case kindLoad:
		return [4]operation{loadIndexed8, loadIndexed16, loadIndexed32, loadIndexed64}[k.scale]
	case kindStore:
		return [4]operation{storeIndexed8, transferRegister, storeIndexed32, storeIndexed64}[k.scale]
	}
	return transferRegister
}

func operationNop(c *CPU, in *inst) bool { return true }

func loadOffset64(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		c.r[in.d&regMask] = page64(e.page, va&pageMask)
		return true
	}
	return c.loadRegister(in, va, 8)
}

// loadRegister is what is left of a load when the translations do not have it.
func (c *CPU) loadRegister(in *inst, va uint64, size uint8) bool {
	v, ok := c.loadSlow(va, size)
	if ok {
		c.r[in.d&regMask] = v
	}
	return ok
}

func loadOffset32(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-3 {
		c.r[in.d&regMask] = uint64(page32(e.page, va&pageMask))
		return true
	}
	return c.loadRegister(in, va, 4)
}

// loadOffsetSigned32 is LDRSW.
func loadOffsetSigned32(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-3 {
		c.r[in.d&regMask] = uint64(int32(page32(e.page, va&pageMask)))
		return true
	}
	v, ok := c.loadSlow(va, 4)
	if ok {
		c.r[in.d&regMask] = uint64(int32(v))
	}
	return ok
}

func loadOffset128(c *CPU, in *inst) bool {
	v, ok := c.load128(c.r[in.n&regMask] + in.imm)
	if ok {
		c.v[in.d&31] = v
	}
	return ok
}

func storeOffset128(c *CPU, in *inst) bool {
	return c.store128(c.r[in.n&regMask]+in.imm, c.v[in.d&31])
}

func loadOffset16(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-1 {
		c.r[in.d&regMask] = uint64(page16(e.page, va&pageMask))
		return true
	}
	return c.loadRegister(in, va, 2)
}

func loadOffset8(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid {
		c.r[in.d&regMask] = uint64(e.page[va&pageMask])
		return true
	}
	return c.loadRegister(in, va, 1)
}

func storeOffset64(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		putPage64(e.page, va&pageMask, c.r[in.d&regMask])
		return true
	}
	return c.storeSlow(va, 8, c.r[in.d&regMask])
}

func storeOffset32(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-3 {
		putPage32(e.page, va&pageMask, uint32(c.r[in.d&regMask]))
		return true
	}
	return c.storeSlow(va, 4, c.r[in.d&regMask])
}

func storeOffset16(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-1 {
		putPage16(e.page, va&pageMask, uint16(c.r[in.d&regMask]))
		return true
	}
	return c.storeSlow(va, 2, c.r[in.d&regMask])
}

func storeOffset8(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + in.imm
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid {
		e.page[va&pageMask] = uint8(c.r[in.d&regMask])
		return true
	}
	return c.storeSlow(va, 1, c.r[in.d&regMask])
}

func loadStack64(c *CPU, in *inst) bool {
	sp := c.r[regSP]
	if sp&c.stackMask != 0 {
		return c.stackFault()
	}
	va := sp + in.imm
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		c.r[in.d&regMask] = page64(e.page, va&pageMask)
		return true
	}
	return c.loadRegister(in, va, 8)
}

func storeStack64(c *CPU, in *inst) bool {
	sp := c.r[regSP]
	if sp&c.stackMask != 0 {
		return c.stackFault()
	}
	va := sp + in.imm
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		putPage64(e.page, va&pageMask, c.r[in.d&regMask])
		return true
	}
	return c.storeSlow(va, 8, c.r[in.d&regMask])
}

func loadIndexed64(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]<<(in.shift&7)
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		c.r[in.d&regMask] = page64(e.page, va&pageMask)
		return true
	}
	return c.loadRegister(in, va, 8)
}

func loadIndexed32(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]<<(in.shift&7)
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-3 {
		c.r[in.d&regMask] = uint64(page32(e.page, va&pageMask))
		return true
	}
	return c.loadRegister(in, va, 4)
}

func loadIndexed16(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]<<(in.shift&7)
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-1 {
		c.r[in.d&regMask] = uint64(page16(e.page, va&pageMask))
		return true
	}
	return c.loadRegister(in, va, 2)
}

func loadIndexed8(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid {
		c.r[in.d&regMask] = uint64(e.page[va&pageMask])
		return true
	}
	return c.loadRegister(in, va, 1)
}

func storeIndexed64(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]<<(in.shift&7)
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		putPage64(e.page, va&pageMask, c.r[in.d&regMask])
		return true
	}
	return c.storeSlow(va, 8, c.r[in.d&regMask])
}

func storeIndexed32(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]<<(in.shift&7)
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-3 {
		putPage32(e.page, va&pageMask, uint32(c.r[in.d&regMask]))
		return true
	}
	return c.storeSlow(va, 4, c.r[in.d&regMask])
}

func storeIndexed8(c *CPU, in *inst) bool {
	va := c.r[in.n&regMask] + c.r[in.m&regMask]
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid {
		e.page[va&pageMask] = uint8(c.r[in.d&regMask])
		return true
	}
	return c.storeSlow(va, 1, c.r[in.d&regMask])
}
