//go:build linux && (amd64 || arm64)

package kernel

import "syscall"

// Flags of mmap and advice of madvise (include/uapi/asm-generic/mman*.h).
const (
	mapFixed       = 0x10
	mapAnonymous   = 0x20
	adviseDontNeed = 4
	adviseFree     = 8
)

//go:nosplit
func roundUp(n uintptr) uintptr { return (n + pageSize - 1) &^ (pageSize - 1) }

//go:nosplit
func serveMemory(number, a0, a1, a2, a3 uintptr) (result uintptr, handled bool) {
	switch number {
	case syscall.SYS_MMAP:
		return mapMemory(a0, a1, a2, a3), true
	case syscall.SYS_MUNMAP:
		if !inWindow(a0, a1) {
			return errnoInvalid, true
		}
		end := a0 + roundUp(a1)
		if !k.areas.remove(a0, end) {
			return errnoNoMemory, true
		}
		if unmapRange(a0, end) {
			flush()
		}
		return 0, true
	case syscall.SYS_MADVISE:
		if a2 != adviseDontNeed && a2 != adviseFree {
			return 0, true
		}
		if !inWindow(a0, a1) {
			return errnoInvalid, true
		}
		if unmapRange(a0, a0+roundUp(a1)) {
			flush()
		}
		return 0, true
	case syscall.SYS_MPROTECT:
		if !inWindow(a0, a1) || !k.areas.covers(a0, a0+roundUp(a1)) {
			return errnoInvalid, true
		}
		k.areas.insert(a0, a0+roundUp(a1), a2&3)
		protectRange(a0, a0+roundUp(a1), a2&3)
		flush()
		return 0, true
	}
	return 0, false
}

// inWindow reports whether mmap could have answered [address, address+size).
//
//go:nosplit
func inWindow(address, size uintptr) bool {
	return address&(pageSize-1) == 0 && size != 0 && address >= k.mmapBase && address < k.windowEnd && size <= k.windowEnd-address
}

// mapMemory is mmap: private anonymous memory from the window, lowest free
// place first, never at random. A hint outside of the window is answered with
// ENOMEM and not with another place, because the runtime takes that as a sign to
// try its next hint and would only have to unmap the other place.
//
//go:nosplit
func mapMemory(hint, size, protection, flags uintptr) uintptr {
	if flags&mapAnonymous == 0 {
		return errnoBadFile
	}
	if size == 0 || size > k.windowEnd-k.window {
		return errnoInvalid
	}
	size = roundUp(size)
	address := hint
	switch {
	case flags&mapFixed != 0:
		if !inWindow(hint, size) {
			return errnoInvalid
		}
		if unmapRange(hint, hint+size) {
			flush()
		}
	case hint == 0:
		address = k.areas.gap(k.mmapBase, k.windowEnd, size)
	case !inWindow(hint, size):
		return errnoNoMemory
	case !k.areas.isFree(hint, hint+size):
		address = k.areas.gap(k.mmapBase, k.windowEnd, size)
	}
	if address == 0 || !k.areas.insert(address, address+size, protection&3) {
		return errnoNoMemory
	}
	return address
}

// Page fault error code (SDM 3A 4.7); arm64 translates its syndrome to it.
const (
	faultPresent = 1 << 0
	faultWrite   = 1 << 1
	faultUser    = 1 << 2
	faultFetch   = 1 << 4
)

// pageFault makes the page at address if it may be touched so. Out of frames
// is the end: t or the trap is who touched it.
//
//go:nosplit
func pageFault(address, code uintptr) (ok, exhausted bool) {
	i, inside := k.areas.find(address)
	if !inside {
		return false, false
	}
	a := k.areas.at(i)
	if a.protection&(protectRead|protectWrite) == 0 || code&faultFetch != 0 || code&faultWrite != 0 && a.protection&protectWrite == 0 {
		return false, false
	}
	if code&faultPresent != 0 {
		return spurious(address, code), false
	}
	p := leaf(address, true)
	if p == 0 {
		return false, true
	}
	if load64(p)&entryPresent != 0 {
		return spurious(address, code), false
	}
	return true, !mapPages(p, address, a)
}

// spurious says whether an access that failed would succeed now: another
// fault, or the hypervisor, was faster. The same address cannot go on for ever.
//
//go:nosplit
func spurious(address, code uintptr) bool {
	p := leaf(address, false)
	if p == 0 || code&faultWrite != 0 && !isWritable(load64(p)) {
		return false
	}
	k.stats.spurious++
	if address != k.lastFault {
		k.lastFault = address
		k.lastFaults = 0
	}
	k.lastFaults++
	return k.lastFaults < maxSpurious
}

const maxSpurious = 2000

// mapPages maps the page at address, whose entry is p, and those of the same
// small block that belong to the area too: one fault costs more than
// some pages.
//
//go:nosplit
func mapPages(p, address uintptr, a *area) bool {
	block := faultBlock()
	rights := uintptr(entryData)
	if a.protection&protectWrite == 0 {
		rights = entryReadOnly
	}
	wanted := address &^ (pageSize - 1)
	first := wanted &^ (block*pageSize - 1)
	p -= (wanted - first) / pageSize * 8
	k.stats.faults++
	done := false
	for n := uintptr(0); n < block; n++ {
		page := first + n*pageSize
		if page >= a.start && page < a.end && load64(p)&entryPresent == 0 {
			f := allocateZeroed()
			if f == 0 {
				break
			}
			store64(p, f|rights)
			done = done || page == wanted
		}
		p += 8
	}
	publish()
	if !done { // the last frames went to its neighbours
		return load64(leaf(wanted, false))&entryPresent != 0
	}
	return true
}

// faultBlock is how many pages one fault makes: fewer where memory is short, or
// gets so. A fault takes some ten times as long as a page more.
//
//go:nosplit
func faultBlock() uintptr {
	const small = 16 << 20 / pageSize
	left, total := k.frames.left, k.framesAtStart
	switch {
	case left > total/2 && total > small:
		return 8
	case left > total/2:
		return 4
	case left > total/4:
		return 2
	}
	return 1
}

// ensure makes all pages of [start, end) present, as a fault in each would.
//
//go:nosplit
func ensure(start, end uintptr) bool {
	for a := start &^ (pageSize - 1); a < end; a += pageSize {
		p := leaf(a, false)
		if p != 0 && load64(p)&entryPresent != 0 {
			continue
		}
		if ok, exhausted := pageFault(a, faultWrite); !ok || exhausted {
			return false
		}
	}
	return true
}

// outOfFrames is the message of the panic that follows.
const outOfFrames = "no frame of memory is left"
