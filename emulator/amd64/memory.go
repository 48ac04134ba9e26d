package amd64

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
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-7 {
		return page64(e.page, va&pageMask), true
	}
	return c.loadSlow(va, 8, accessRead)
}

func (c *CPU) load32(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-3 {
		return uint64(page32(e.page, va&pageMask)), true
	}
	return c.loadSlow(va, 4, accessRead)
}

func (c *CPU) load16(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-1 {
		return uint64(page16(e.page, va&pageMask)), true
	}
	return c.loadSlow(va, 2, accessRead)
}

func (c *CPU) load8(va uint64) (uint64, bool) {
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid {
		return uint64(e.page[va&pageMask]), true
	}
	return c.loadSlow(va, 1, accessRead)
}

// loadToStore reads what will be written next: a fault is that of a write.
func (c *CPU) loadToStore(va uint64, size uint8) (uint64, bool) {
	e := &c.tlb.write[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask+uint64(size) <= pageMask+1 {
		switch o := va & pageMask; size {
		case 8:
			return page64(e.page, o), true
		case 4:
			return uint64(page32(e.page, o)), true
		case 2:
			return uint64(page16(e.page, o)), true
		default:
			return uint64(e.page[o]), true
		}
	}
	return c.loadSlow(va, size, accessWrite)
}

// store writes the low size bytes of v.
func (c *CPU) store(va uint64, size uint8, v uint64) bool {
	e := &c.tlb.write[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask+uint64(size) <= pageMask+1 {
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

// store64 is store of 8 bytes.
func (c *CPU) store64(va, v uint64) bool {
	e := &c.tlb.write[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-7 {
		putPage64(e.page, va&pageMask, v)
		return true
	}
	return c.storeSlow(va, 8, v)
}

// loadVector reads 16 bytes.
func (c *CPU) loadVector(va uint64) (vector, bool) {
	e := &c.tlb.read[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-15 {
		return vector{page64(e.page, va&pageMask), page64(e.page, va&pageMask+8)}, true
	}
	low, ok := c.load64(va)
	if !ok {
		return vector{}, false
	}
	high, ok := c.load64(va + 8)
	return vector{low, high}, ok
}

// storeVector writes 16 bytes, or faults before any is written.
func (c *CPU) storeVector(va uint64, v vector) bool {
	e := &c.tlb.write[va>>pageShift%fastEntries]
	if e.tag == va>>pageShift|fastValid && va&pageMask <= pageMask-15 {
		putPage64(e.page, va&pageMask, v[0])
		putPage64(e.page, va&pageMask+8, v[1])
		return true
	}
	if !c.probe(va, 16) {
		return false
	}
	return c.store64(va, v[0]) && c.store64(va+8, v[1])
}

// probe makes sure that size bytes, less than a page, can be written.
func (c *CPU) probe(va uint64, size uint64) bool {
	if _, ok := c.translate(va, accessWrite); !ok {
		return false
	}
	if last := va + size - 1; (last^va)>>pageShift != 0 {
		_, ok := c.translate(last&^pageMask, accessWrite)
		return ok
	}
	return true
}
