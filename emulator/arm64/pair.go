package arm64

// pairModes are how the addresses of pairs are made, by bits 24 and 23.
var pairModes = [4]struct {
	name, bits string
	post, back bool
}{{" (non-temporal)", "00", false, false}, {" (post-index)", "01", true, true}, {" (offset)", "10", false, false}, {" (pre-index)", "11", false, true}}

// pairOpcodes are the loads and stores of two registers (DDI 0487 C4.1.94).
func pairOpcodes() (t []opcode) {
	for i, k := range []transfer{
		{"STP (32)", "00 0 0", kindStore, 2}, {"LDP (32)", "00 0 1", kindLoad, 2}, {"LDPSW", "01 0 1", kindSign64, 2},
		{"STP (64)", "10 0 0", kindStore, 3}, {"LDP (64)", "10 0 1", kindLoad, 3},
		{"STP S", "00 1 0", kindVectorS, 2}, {"LDP S", "00 1 1", kindVectorL, 2}, {"STP D", "01 1 0", kindVectorS, 3}, {"LDP D", "01 1 1", kindVectorL, 3},
		{"STP Q", "10 1 0", kindVectorS, 4}, {"LDP Q", "10 1 1", kindVectorL, 4},
	} {
		for _, mode := range pairModes {
			if i == 2 && mode.bits == "00" {
				continue
			}
			t = append(t, opcode{
				name: k.name + mode.name, pattern: k.bits[:2] + "101" + k.bits[3:4] + "0" + mode.bits + k.bits[5:] + "iiiiiii uuuuunnn nnttttt",
				op: k.kind, form: k.form(), valid: validPair,
				lower: func(in *inst) bool { return lowerPair(in, &k, mode.post, mode.back) },
			})
		}
	}
	return t
}

// validPair keeps the registers of a pair apart, and from the base.
func validPair(w uint32) uint32 {
	n := w >> 5 & 31
	return w&^(31<<10|31) | (n+1)&31<<10 | (n+2)&31
}

func lowerPair(in *inst, k *transfer, post, back bool) bool {
	in.imm = uint64(in.signed(15, 7) << k.scale)
	prepare(in, k)
	if k.kind == kindLoad || k.kind == kindSign64 {
		in.a = target(in.a)
	}
	if post {
		in.extra = 1
	}
	if back {
		in.extra |= 2
	}
	in.run = pairGeneral
	if k.scale == 3 && (k.kind == kindLoad || k.kind == kindStore) {
		in.run = choose(k.kind == kindLoad, loadPair64, storePair64)
	}
	if k.scale == 4 {
		in.run = choose(k.kind == kindVectorL, loadPair128, storePair128)
	}
	return true
}

// pairAddress is the address of a pair and what is written back.
func (c *CPU) pairAddress(in *inst) (va, after uint64) {
	base := c.r[in.n&regMask]
	after = base + in.imm
	if in.extra&1 != 0 {
		return base, after
	}
	return after, after
}

func loadPair64(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va, after := c.pairAddress(in)
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-15 {
		first, second := page64(e.page, va&pageMask), page64(e.page, va&pageMask+8)
		c.r[in.d&regMask], c.r[in.a&regMask] = first, second
	} else {
		first, ok := c.load64(va)
		if !ok {
			return false
		}
		second, ok := c.load64(va + 8)
		if !ok {
			return false
		}
		c.r[in.d&regMask], c.r[in.a&regMask] = first, second
	}
	if in.extra&2 != 0 {
		c.r[in.n&regMask] = after
	}
	return true
}

func storePair64(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va, after := c.pairAddress(in)
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-15 {
		putPage64(e.page, va&pageMask, c.r[in.d&regMask])
		putPage64(e.page, va&pageMask+8, c.r[in.a&regMask])
	} else if !c.storeTwo(va, 8, c.r[in.d&regMask], c.r[in.a&regMask]) {
		return false
	}
	if in.extra&2 != 0 {
		c.r[in.n&regMask] = after
	}
	return true
}

// canWrite makes sure that size bytes can be written, aligned to element where
// that matters.
func (c *CPU) canWrite(va uint64, element uint8, size uint64) bool {
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask+size <= pageMask+1 {
		return true
	}
	_, _, ok := c.locate(va, element, accessWrite)
	return ok && c.probe(va, size)
}

// storeTwo stores two values, or faults before any is stored.
func (c *CPU) storeTwo(va uint64, size uint8, first, second uint64) bool {
	if !c.canWrite(va, size, 2*uint64(size)) {
		return false
	}
	return c.store(va, size, first) && c.store(va+uint64(size), size, second)
}

func pairGeneral(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va, after := c.pairAddress(in)
	ok := false
	switch in.op {
	case kindStore:
		ok = c.storeTwo(va, 4, c.r[in.d&regMask], c.r[in.a&regMask])
	case kindVectorS:
		ok = c.storeVectors(in, va)
	case kindVectorL:
		ok = c.loadVectors(in, va)
	default:
		ok = c.loadTwo(in, va)
	}
	if ok && in.extra&2 != 0 {
		c.r[in.n&regMask] = after
	}
	return ok
}

// loadTwo is LDP of 32 bits and LDPSW.
func (c *CPU) loadTwo(in *inst, va uint64) bool {
	first, ok := c.load32(va)
	if !ok {
		return false
	}
	second, ok := c.load32(va + 4)
	if !ok {
		return false
	}
	if in.op == kindSign64 {
		first, second = uint64(int32(first)), uint64(int32(second))
	}
	c.r[in.d&regMask], c.r[in.a&regMask] = first, second
	return true
}

func (c *CPU) loadVectors(in *inst, va uint64) bool {
	first, ok := c.loadVector(in.size, va)
	if !ok {
		return false
	}
	second, ok := c.loadVector(in.size, va+1<<in.size)
	if !ok {
		return false
	}
	c.v[in.d&31], c.v[in.a&31] = first, second
	return true
}

func (c *CPU) storeVectors(in *inst, va uint64) bool {
	if in.size < 4 {
		return c.storeTwo(va, 1<<(in.size&3), c.v[in.d&31][0], c.v[in.a&31][0])
	}
	if !c.canWrite(va, 16, 32) {
		return false
	}
	return c.store128(va, c.v[in.d&31]) && c.store128(va+16, c.v[in.a&31])
}
