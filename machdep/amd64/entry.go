package amd64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// PageSize is the size of the smallest page and of every table.
const PageSize = 4096

// Levels of tables and of the entries in them, counted from the smallest page
// as the walk's last step.
const (
	LevelPTE   = 1 // page-table entry: maps 4 KiB
	LevelPDE   = 2 // page-directory entry: a page table, or maps 2 MiB
	LevelPDPTE = 3 // page-directory-pointer-table entry: a page directory, or maps 1 GiB
	LevelPML4E = 4
	LevelPML5E = 5
)

const (
	maximumLevels   = 5
	entriesPerTable = 512
)

var levelNames = [...]string{LevelPTE: "PTE", LevelPDE: "PDE", LevelPDPTE: "PDPTE", LevelPML4E: "PML4E", LevelPML5E: "PML5E"}

// LevelName is what the entries of a level are called: "PTE" to "PML5E".
func LevelName(level int) string {
	if level < LevelPTE || level > LevelPML5E {
		return fmt.Sprintf("level %d entry", level)
	}
	return levelNames[level]
}

// levelShift is the number of address bits that one entry of a level covers.
func levelShift(level int) uint { return uint(3 + 9*level) }

// PageSizeAt is the number of bytes that one entry of a level covers.
func PageSizeAt(level int) uint64 { return 1 << levelShift(level) }

// Entry is one entry of a paging structure (Intel SDM 3A 4.5.4, tables 4-14 to
// 4-20).
type Entry uint64

// Bits of an Entry.
const (
	EntryPresent      Entry = 1 << 0
	EntryWritable     Entry = 1 << 1 // R/W
	EntryUser         Entry = 1 << 2 // U/S
	EntryWriteThrough Entry = 1 << 3 // PWT
	EntryCacheDisable Entry = 1 << 4 // PCD
	EntryAccessed     Entry = 1 << 5
	EntryDirty        Entry = 1 << 6 // leaves only
	EntryLarge        Entry = 1 << 7 // PS: a PDPTE or PDE that maps memory
	EntryPAT          Entry = 1 << 7 // of a PTE
	EntryGlobal       Entry = 1 << 8 // leaves only
	EntryLargePAT     Entry = 1 << 12
	EntryNoExecute    Entry = 1 << 63 // XD; reserved unless EFER.NXE is set

	entryAddressMask Entry = 0x000f_ffff_ffff_f000
)

// Present reports whether the entry is used by the processor at all.
func (e Entry) Present() bool { return e&EntryPresent != 0 }

// Leaf reports whether the entry, found at level, maps memory; otherwise it
// points to a table.
func (e Entry) Leaf(level int) bool {
	return level == LevelPTE || level <= LevelPDPTE && e&EntryLarge != 0
}

// Address is the physical address in an entry found at level: that of the
// memory it maps or of the table it points to.
func (e Entry) Address(level int) physmem.Address {
	mask := entryAddressMask
	if e.Leaf(level) {
		// Bit 12 of a large leaf is its PAT bit; the bits above it, up to the
		// page's size, are reserved.
		mask &^= Entry(PageSizeAt(level) - 1)
	}
	return physmem.Address(e & mask)
}

// Writable, User and NoExecute report the entry's own rights; what a mapping
// may do takes those of all entries on the way to it.
func (e Entry) Writable() bool { return e&EntryWritable != 0 }

// User reports whether CPL 3 may use what the entry points to.
func (e Entry) User() bool { return e&EntryUser != 0 }

// NoExecute reports whether instruction fetches are refused.
func (e Entry) NoExecute() bool { return e&EntryNoExecute != 0 }

// Accessed reports whether the processor has used the entry.
func (e Entry) Accessed() bool { return e&EntryAccessed != 0 }

// Dirty reports whether the processor has written through a leaf.
func (e Entry) Dirty() bool { return e&EntryDirty != 0 }

// Global reports whether a leaf's translation outlives a load of CR3.
func (e Entry) Global() bool { return e&EntryGlobal != 0 }

// String prints the entry in hexadecimal with 0x.
func (e Entry) String() string { return fmt.Sprintf("%#x", uint64(e)) }

// largeReserved are the bits between a large leaf's PAT bit and its address
// (Intel SDM 3A tables 4-16 and 4-18).
func largeReserved(level int) Entry {
	return Entry(PageSizeAt(level)-1) &^ 0x1fff
}
