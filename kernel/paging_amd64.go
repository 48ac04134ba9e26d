//go:build linux

package kernel

// Page-table entries (SDM 3A 4.5).
const (
	entryPresent  = 1 << 0
	entryWrite    = 1 << 1
	entryUser     = 1 << 2
	entryThrough  = 1 << 3 // PWT
	entryNoCache  = 1 << 4 // PCD; with PWT entry 3 of the PAT: uncacheable
	entryAccessed = 1 << 5
	entryDirty    = 1 << 6
	entryLarge    = 1 << 7
	entryNX       = 1 << 63
	entryAddress  = 0x000f_ffff_ffff_f000
	entryTable    = entryPresent | entryWrite | entryUser | entryAccessed
	entryData     = entryPresent | entryWrite | entryUser | entryAccessed | entryDirty | entryNX
	entryDevice   = entryData | entryThrough | entryNoCache
	entryReadOnly = entryPresent | entryUser | entryAccessed | entryNX
)

const largePage = 2 << 20

// virtual is where physical memory is seen.
//
//go:nosplit
func virtual(physical uintptr) uintptr { return k.directMap + physical }

// table follows, or makes, one entry of a table above the last level. It
// returns the address of the next table, 0 if there is none: a missing one
// that is not to be made or cannot, or a large page.
//
//go:nosplit
func table(entry uintptr, create bool) uintptr {
	e := load64(entry)
	if e&entryPresent == 0 {
		if !create {
			return 0
		}
		f := allocateZeroed()
		if f == 0 {
			return 0
		}
		k.stats.tables++
		store64(entry, f|entryTable)
		return virtual(f)
	}
	if e&entryLarge != 0 {
		return 0
	}
	return virtual(e & entryAddress)
}

// directory is the address of the entry that maps the 2 MiB around address:
// a large page or a pointer to the last table. 0 if there is none.
//
//go:nosplit
func directory(address uintptr, create bool) uintptr {
	t := virtual(k.root)
	if k.levels == 5 {
		if t = table(t+address>>48&511*8, create); t == 0 {
			return 0
		}
	}
	if t = table(t+address>>39&511*8, create); t == 0 {
		return 0
	}
	if t = table(t+address>>30&511*8, create); t == 0 {
		return 0
	}
	return t + address>>21&511*8
}

// leaf is the address of the 4 KiB entry that maps address, 0 if there is none.
//
//go:nosplit
func leaf(address uintptr, create bool) uintptr {
	d := directory(address, create)
	if d == 0 {
		return 0
	}
	t := table(d, create)
	if t == 0 {
		return 0
	}
	return t + address>>12&511*8
}

// allocateZeroed takes a frame and clears it.
//
//go:nosplit
func allocateZeroed() uintptr {
	f := k.frames.allocate()
	if f != 0 {
		fill(virtual(f), pageSize, 0)
	}
	return f
}

// flush makes the CPU forget what it knows of the page tables.
//
//go:nosplit
func flush() {
	k.stats.flushes++
	gate(gateRoot, uint64(k.root))
}

// mapFrame maps one page of the window. It reports false where no table could be
// made.
//
//go:nosplit
func mapFrame(address, entry uintptr) bool {
	p := leaf(address, true)
	if p == 0 {
		return false
	}
	store64(p, entry)
	return true
}

// unmapRange takes all pages in [start, end) away and gives their frames back.
// The caller flushes if it reports true.
//
//go:nosplit
func unmapRange(start, end uintptr) (flushNeeded bool) {
	for a := start; a < end; {
		next := (a + largePage) &^ (largePage - 1)
		if next > end {
			next = end
		}
		if p := leaf(a, false); p != 0 {
			for ; a < next; a += pageSize {
				if e := load64(p); e&entryPresent != 0 {
					store64(p, 0)
					if e&entryNoCache == 0 {
						k.frames.release(e & entryAddress)
					}
					flushNeeded = true
				}
				p += 8
			}
		}
		a = next
	}
	return flushNeeded
}

// protectRange sets the write permission of the present pages in [start, end)
// of the window. The caller flushes.
//
//go:nosplit
func protectRange(start, end, protection uintptr) {
	for a := start; a < end; {
		next := (a + largePage) &^ (largePage - 1)
		if next > end {
			next = end
		}
		if p := leaf(a, false); p != 0 {
			for ; a < next; a += pageSize {
				setWritable(p, protection&protectWrite != 0)
				p += 8
			}
		}
		a = next
	}
}

//go:nosplit
func setWritable(entry uintptr, writable bool) {
	e := load64(entry)
	if e&entryPresent == 0 {
		return
	}
	if writable {
		e |= entryWrite | entryDirty
	} else {
		e &^= entryWrite
	}
	store64(entry, e)
}

// protectDirect sets the write permission of [start, end), physical, in the
// direct map, cutting large pages where it must. It reports false when no
// frame is left for a table.
//
//go:nosplit
func protectDirect(start, end uintptr, writable bool) bool {
	for a := start; a < end; {
		d := directory(virtual(a), false)
		next := (a + largePage) &^ (largePage - 1)
		if d == 0 || load64(d)&entryPresent == 0 {
			a = next
			continue
		}
		if e := load64(d); e&entryLarge != 0 {
			if a&(largePage-1) == 0 && next <= end {
				setWritable(d, writable)
				a = next
				continue
			}
			if !split(d, e) {
				return false
			}
		}
		for ; a < next && a < end; a += pageSize {
			setWritable(leaf(virtual(a), false), writable)
		}
	}
	return true
}

// split replaces a 2 MiB page by a table of 512 pages with the same rights.
//
//go:nosplit
func split(entry, e uintptr) bool {
	f := k.frames.allocate()
	if f == 0 {
		return false
	}
	k.stats.tables++
	e &^= entryLarge
	for i := uintptr(0); i < 512; i++ {
		store64(virtual(f)+8*i, e)
		e += pageSize
	}
	store64(entry, f|entryTable)
	return true
}

// physicalOf is the physical address that a mapped address of the window has.
//
//go:nosplit
func physicalOf(address uintptr) (uintptr, bool) {
	p := leaf(address, false)
	if p == 0 || load64(p)&entryPresent == 0 {
		return 0, false
	}
	return load64(p)&entryAddress + address&(pageSize-1), true
}

// mapIdentity maps [start, end) of physical memory at the same virtual address
// for ring 0 only, as the trampoline needs it: executable and read-only, or
// writable.
//
//go:nosplit
func mapIdentity(start, end uintptr, executable bool) uintptr {
	rights := uintptr(entryPresent | entryAccessed | entryDirty | entryWrite | entryNX)
	if executable {
		rights = entryPresent | entryAccessed
	}
	if end <= start || end > k.directMap {
		return errnoInvalid
	}
	for a := start &^ (pageSize - 1); a < end; a += pageSize {
		if !mapFrame(a, a|rights) {
			return errnoNoMemory
		}
	}
	flush()
	return 0
}

// unmapIdentity undoes mapIdentity.
//
//go:nosplit
func unmapIdentity(start, end uintptr) uintptr {
	if end <= start || end > k.directMap {
		return errnoInvalid
	}
	for a := start &^ (pageSize - 1); a < end; a += pageSize {
		if p := leaf(a, false); p != 0 {
			store64(p, 0)
		}
	}
	flush()
	return 0
}

// setStacks replaces the stacks of panics: the panic routine's and those of NMI,
// #DF and #MC. The TSS is read-only, so its pages are opened for the moment.
//
//go:nosplit
func setStacks(stack, nmi, double, machine uintptr) {
	work, trap := addressOf(&k.panic.own), addressOf(&control)+controlRSP0
	if k.panic.memory != 0 {
		work, trap = k.panic.memory, k.panic.memory+panicTrapStack
	}
	fill(work, sizeOf[panicWork](), 0)
	k.panic.at = work
	store64(addressOf(&leave)+0x40, stack)
	tss := addressOf(&control) + controlTSS
	for a := tss &^ (pageSize - 1); a < tss+0x68; a += pageSize {
		setWritable(leaf(a, false), true)
	}
	flush()
	setStack(tss+4, trap)
	setStack(tss+0x24, nmi)
	setStack(tss+0x2c, double)
	setStack(tss+0x34, machine)
	for a := tss &^ (pageSize - 1); a < tss+0x68; a += pageSize {
		setWritable(leaf(a, false), false)
	}
	flush()
}

// setStack stores a stack's top into the TSS, where it is not aligned to 8.
//
//go:nosplit
func setStack(p, top uintptr) {
	if top != 0 {
		store32(p, uint32(top))
		store32(p+4, uint32(top>>32))
	}
}
