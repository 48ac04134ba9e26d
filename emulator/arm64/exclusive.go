package arm64

import "strings"

// monitor is the local exclusive monitor. Other CPUs that run clear it: that it
// fails without need is allowed (DDI 0487 B2.17).
type monitor struct {
	armed   bool
	address uint64 // physical
	size    uint64
}

func (m *monitor) clear() { m.armed = false }

// clearOthers clears the monitors of the CPUs that do not run now. That is an
// event to them (DDI 0487 D1.6.1).
func (c *CPU) clearOthers() {
	for _, other := range c.siblings {
		if other != c && other.monitor.armed {
			other.monitor.clear()
			other.eventFlag = true
		}
	}
}

// Sizes as the encodings have them.
var sizeCodes = [4]string{"00", "01", "10", "11"}

var sizeNames = [4]string{"B", "H", " (32)", " (64)"}

// exclusiveOpcodes are the exclusives, and the loads and stores that acquire and
// release (DDI 0487 C4.1.94).
func exclusiveOpcodes() (t []opcode) {
	for i, size := range sizeCodes {
		add := func(name, pattern string, op uint8, needs feature, run operation) {
			loads := strings.HasPrefix(name, "LD")
			t = append(t, opcode{name: name + sizeNames[i], pattern: size + pattern, op: op, needs: needs, form: memory, lower: lowerExclusive(i, loads), run: run,
				valid: validExclusive})
		}
		add("STXR", "001000 000sssss 011111nn nnnttttt", 0, 0, storeExclusive)
		add("STLXR", "001000 000sssss 111111nn nnnttttt", 0, 0, storeExclusive)
		add("LDXR", "001000 01011111 011111nn nnnttttt", 0, 0, loadExclusive)
		add("LDAXR", "001000 01011111 111111nn nnnttttt", 0, 0, loadExclusive)
		add("STLR", "001000 10011111 111111nn nnnttttt", kindStore, 0, transferOrdered)
		add("LDAR", "001000 11011111 111111nn nnnttttt", kindLoad, 0, transferOrdered)
		add("LDAPR", "111000 10111111 110000nn nnnttttt", kindLoad, featureLRCPC, transferOrdered)
		add("STLUR", "011001 000iiiii iiii00nn nnnttttt", kindStore, featureLRCPC2, transferOffsetOrdered)
		add("LDAPUR", "011001 010iiiii iiii00nn nnnttttt", kindLoad, featureLRCPC2, transferOffsetOrdered)
		if i < 3 {
			add("LDAPURS (64)", "011001 100iiiii iiii00nn nnnttttt", kindSign64, featureLRCPC2, transferOffsetOrdered)
		}
		if i < 2 {
			add("LDAPURS (32)", "011001 110iiiii iiii00nn nnnttttt", kindSign32, featureLRCPC2, transferOffsetOrdered)
			continue
		}
		add("STXP", "001000 001sssss 0uuuuunn nnnttttt", 1, 0, storeExclusive)
		add("STLXP", "001000 001sssss 1uuuuunn nnnttttt", 1, 0, storeExclusive)
		add("LDXP", "001000 01111111 0uuuuunn nnnttttt", 1, 0, loadExclusive)
		add("LDAXP", "001000 01111111 1uuuuunn nnnttttt", 1, 0, loadExclusive)
	}
	return t
}

// validExclusive keeps the status register apart from the others, and the two of
// a pair.
func validExclusive(w uint32) uint32 {
	n := w >> 5 & 31
	if w>>23&1 != 0 || w>>29&1 != 0 { // not exclusive
		return w
	}
	w = w&^31 | (n+1)&31
	if w>>22&1 == 0 {
		w = w&^(31<<16) | (n+2)&31<<16
	}
	if w>>21&1 != 0 {
		w = w&^(31<<10) | (n+3)&31<<10
	}
	return w
}

func lowerExclusive(scale int, loads bool) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.n, in.m = uint8(scale), stack(in.n), target(in.m)
		if loads {
			in.d, in.a = target(in.d), target(in.a)
		}
		if in.bits(24, 6) == 0b011001 { // LDAPUR and the like
			in.imm = uint64(in.signed(12, 9))
		}
		return true
	}
}

// ordered is the base address of an access that must be aligned to size.
func (c *CPU) ordered(in *inst, size uint64, kind accessKind) (uint64, bool) {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return 0, c.stackFault()
	}
	va := c.r[in.n&regMask]
	if va&(size-1) != 0 {
		return 0, c.abort(va, kind, faultAlignment)
	}
	return va, true
}

// transferOrdered is LDAR, STLR and LDAPR.
func transferOrdered(c *CPU, in *inst) bool {
	kind := accessRead
	if in.op == kindStore {
		kind = accessWrite
	}
	va, ok := c.ordered(in, 1<<in.size, kind)
	return ok && c.transferAt(in, va)
}

// transferOffsetOrdered is LDAPUR, STLUR and their kin.
func transferOffsetOrdered(c *CPU, in *inst) bool {
	if va := c.r[in.n&regMask] + in.imm; va&(1<<in.size-1) != 0 {
		kind := accessRead
		if in.op == kindStore {
			kind = accessWrite
		}
		return c.abort(va, kind, faultAlignment)
	}
	return transferOffset(c, in)
}

// loadExclusive is LDXR, and LDXP where op is 1.
func loadExclusive(c *CPU, in *inst) bool {
	size := uint64(1) << in.size
	va, ok := c.ordered(in, size<<in.op, accessRead)
	if !ok {
		return false
	}
	pa, _, ok := c.translate(va, accessRead)
	if !ok {
		return false
	}
	first, ok := c.load(va, uint8(size))
	if !ok {
		return false
	}
	if in.op != 0 {
		second, ok := c.load(va+size, uint8(size))
		if !ok {
			return false
		}
		c.r[in.a&regMask] = second
	}
	c.r[in.d&regMask] = first
	c.monitor = monitor{true, pa, size << in.op}
	return true
}

// storeExclusive is STXR, and STXP where op is 1.
func storeExclusive(c *CPU, in *inst) bool {
	size := uint64(1) << in.size
	va, ok := c.ordered(in, size<<in.op, accessWrite)
	if !ok {
		return false
	}
	pa, _, ok := c.translate(va, accessWrite)
	if !ok {
		return false
	}
	if !c.monitor.armed || c.monitor.address != pa || c.monitor.size != size<<in.op {
		c.monitor.clear()
		c.r[in.m&regMask] = 1
		return true
	}
	if !c.store(va, uint8(size), c.r[in.d&regMask]) {
		return false
	}
	if in.op != 0 && !c.store(va+size, uint8(size), c.r[in.a&regMask]) {
		return false
	}
	c.monitor.clear()
	c.r[in.m&regMask] = 0
	return true
}
