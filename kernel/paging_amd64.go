//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// windowSlack is what a host's window has beyond the size of the memory.
const windowSlack = uintptr(handoff.WindowSlack)

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

	// For ring 0 only.
	entryOwnCode = entryPresent | entryAccessed
	entryOwnData = entryPresent | entryAccessed | entryDirty | entryWrite | entryNX
)

//go:nosplit
func isLarge(e uintptr) bool { return e&entryLarge != 0 }

//go:nosplit
func isWritable(e uintptr) bool { return e&entryWrite != 0 }

//go:nosplit
func isDevice(e uintptr) bool { return e&entryNoCache != 0 }

// publish makes new entries seen by the CPU's table walks: here they are.
//
//go:nosplit
func publish() {}

// synchronizeCode makes new code seen by instruction fetches: here it is.
//
//go:nosplit
func synchronizeCode() {}

// cleanCache is for machines whose caches are not all that there is: this is none.
func cleanCache(_, _ uintptr) {}

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

// flush makes the CPU forget what it knows of the page tables.
//
//go:nosplit
func flush() {
	k.stats.flushes++
	gate(gateRoot, uint64(k.root))
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

// setStacks replaces the stacks of panics: the panic routine's and those of NMI,
// #DF and #MC. The TSS is read-only, so its pages are opened for the moment.
//
//go:nosplit
func setStacks(stack, nmi, double, machine uintptr) {
	work, trap := addressOf(&k.panic.own), addressOf(&control)+controlRSP0
	for i := uintptr(0); i < k.secondaries.count; i++ {
		setSecondaryStacks(*element(&k.secondaries.blocks[0], i), i+2)
	}
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
