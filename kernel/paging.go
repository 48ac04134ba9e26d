//go:build linux && (amd64 || arm64)

package kernel

const largePage = 2 << 20

// virtual is where physical memory is seen.
//
//go:nosplit
func virtual(physical uintptr) uintptr { return k.directMap + physical }

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
	publish()
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
					if !isDevice(e) {
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
		if e := load64(d); isLarge(e) {
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
// for ring 0 or EL1 only, as the trampoline needs it: executable and read-only, or
// writable.
//
//go:nosplit
func mapIdentity(start, end uintptr, executable bool) uintptr {
	rights := uintptr(entryOwnData)
	if executable {
		rights = entryOwnCode
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
	if executable {
		synchronizeCode()
	}
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
