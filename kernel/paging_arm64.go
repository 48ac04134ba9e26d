//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// Page-table entries of 4 KiB granules (DDI 0487 D8.3): a page has bit 1 set, a
// block of 2 MiB has not.
const (
	entryPresent  = uintptr(arm64.EntryValid)
	entryAddress  = 0x0000_ffff_ffff_f000
	entryTable    = uintptr(arm64.EntryPage)
	entryCommon   = uintptr(arm64.EntryPage | arm64.EntryAF | arm64.EntryNG | arm64.MAIRNormal<<2 | arm64.EntryInnerShareable)
	entryData     = entryCommon | uintptr(arm64.EntryUser|arm64.EntryPXN|arm64.EntryUXN)
	entryReadOnly = entryData | uintptr(arm64.EntryRO)
	entryDevice   = uintptr(arm64.EntryPage|arm64.EntryAF|arm64.EntryNG|arm64.EntryUser|arm64.EntryPXN|arm64.EntryUXN) | arm64.MAIRDevice<<2

	// For EL1 only.
	entryOwnCode = entryCommon | uintptr(arm64.EntryRO|arm64.EntryUXN)
	entryOwnData = entryCommon | uintptr(arm64.EntryPXN|arm64.EntryUXN)
)

// windowSlack is what a host's window has beyond the size of the memory: the
// runtime takes some 1.2 GiB of addresses. A dump has a page for each 2 MiB of it,
// so it is less than handoff.WindowSlack here: 4 MiB for a host of 64 MiB.
const windowSlack = 15 << 27

//go:nosplit
func isLarge(e uintptr) bool { return e&uintptr(arm64.EntryTable) == 0 }

//go:nosplit
func isWritable(e uintptr) bool { return e&uintptr(arm64.EntryRO) == 0 }

//go:nosplit
func isDevice(e uintptr) bool { return e>>2&7 == arm64.MAIRDevice }

// table follows, or makes, one entry of a table above the last level. It
// returns the address of the next table, 0 if there is none: a missing one
// that is not to be made or cannot, or a block.
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
		publish() // the table is cleared before it is seen
		store64(entry, f|entryTable)
		return virtual(f)
	}
	if isLarge(e) {
		return 0
	}
	return virtual(e & entryAddress)
}

// directory is the address of the entry that maps the 2 MiB around address:
// a block or a pointer to the last table. 0 if there is none.
//
//go:nosplit
func directory(address uintptr, create bool) uintptr {
	t := virtual(k.root)
	if t = table(t+address>>39&511*8, create); t == 0 {
		return 0
	}
	if t = table(t+address>>30&511*8, create); t == 0 {
		return 0
	}
	return t + address>>21&511*8
}

// flush makes every CPU forget what it knows of the page tables.
//
//go:nosplit
func flush() {
	k.stats.flushes++
	gate(gateFlush, 0, 0, 0, 0)
}

// synchronizeCode makes new code seen by instruction fetches of every CPU. The
// data side was cleaned when it was written.
//
//go:nosplit
func synchronizeCode() { gate(gateFlush, 1, 0, 0, 0) }

//go:nosplit
func setWritable(entry uintptr, writable bool) {
	if entry == 0 {
		return
	}
	e := load64(entry)
	if e&entryPresent == 0 {
		return
	}
	if writable {
		e &^= uintptr(arm64.EntryRO)
	} else {
		e |= uintptr(arm64.EntryRO)
	}
	store64(entry, e)
}

// split would replace a block by a table. That needs the block to be unmapped
// for a moment (DDI 0487 D8.16.1), and the kernel reaches the tables by the
// very same mappings. A host's direct map has pages for that reason.
//
//go:nosplit
func split(uintptr, uintptr) bool { return false }

// setStacks replaces the stack of panics, and where they work. Nothing else has a
// stack of its own.
//
//go:nosplit
func setStacks(stack, _, _, _ uintptr) {
	work := addressOf(&k.panic.own)
	if k.panic.memory != 0 {
		work = k.panic.memory
	}
	fill(work, sizeOf[panicWork](), 0)
	k.panic.at = work
	k.panicStack = stack
}
