package arm64

// Loads and stores of instructions. Each looks into the translations first; the
// rest is in memory_slow.go. False is a fault, or a stop.

// load reads size bytes, 1, 2, 4 or 8.
func (c *CPU) load(va uint64, size uint8) (uint64, bool) {
	switch size {
	case 8:
		return c.load64(va)
	case 4:
		return c.load32(va)
	case 2:
		return c.load16(va)
	}
	return c.load8(va)
}

func (c *CPU) load64(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		return page64(e.page, va&pageMask), true
	}
	return c.loadSlow(va, 8)
}

func (c *CPU) load32(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-3 {
		return uint64(page32(e.page, va&pageMask)), true
	}
	return c.loadSlow(va, 4)
}

func (c *CPU) load16(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-1 {
		return uint64(page16(e.page, va&pageMask)), true
	}
	return c.loadSlow(va, 2)
}

func (c *CPU) load8(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid {
		return uint64(e.page[va&pageMask]), true
	}
	return c.loadSlow(va, 1)
}

// load128 reads 16 bytes.
func (c *CPU) load128(va uint64) (word128, bool) {
	e := &c.tlb.read[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-15 {
		return word128{page64(e.page, va&pageMask), page64(e.page, va&pageMask+8)}, true
	}
	return c.loadSlow128(va)
}

// store writes the low size bytes of v.
func (c *CPU) store(va uint64, size uint8, v uint64) bool {
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask+uint64(size) <= pageMask+1 {
		switch o := va & pageMask; size {
		case 8:
			putPage64(e.page, o, v)
		case 4:
			putPage32(e.page, o, uint32(v))
		case 2:
			putPage16(e.page, o, uint16(v))
		default:
			e.page[o] = uint8(v)
		}
		return true
	}
	return c.storeSlow(va, size, v)
}

func (c *CPU) store64(va, v uint64) bool {
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-7 {
		putPage64(e.page, va&pageMask, v)
		return true
	}
	return c.storeSlow(va, 8, v)
}

// store128 writes 16 bytes, or faults before any is written.
func (c *CPU) store128(va uint64, v word128) bool {
	e := &c.tlb.write[va>>pageShift%tlbEntries]
	if e.tag == va>>pageShift|tlbValid && va&pageMask <= pageMask-15 {
		putPage64(e.page, va&pageMask, v[0])
		putPage64(e.page, va&pageMask+8, v[1])
		return true
	}
	return c.storeSlow128(va, v)
}

// probe makes sure that size bytes, up to a page, can be written.
func (c *CPU) probe(va, size uint64) bool {
	if _, _, ok := c.translate(va, accessWrite); !ok {
		return false
	}
	if end := va + size - 1; (end^va)>>pageShift != 0 {
		_, _, ok := c.translate(end&^pageMask, accessWrite)
		return ok
	}
	return true
}
