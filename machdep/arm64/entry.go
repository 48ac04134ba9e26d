package arm64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Granules: the size of the smallest page and of every table but the first.
const (
	Granule4K  = 4 << 10
	Granule16K = 16 << 10
	Granule64K = 64 << 10
)

// Levels of tables and of the entries in them. Which of them map blocks goes
// with the granule.
const (
	LevelMinus1 = -1 // only 4 KiB granules and 52 bits of virtual address
	Level0      = 0
	Level1      = 1
	Level2      = 2
	LevelPage   = 3 // the last: maps pages
)

const maximumLevels = 5

// LevelName is what the entries of a level are called: "level 2 descriptor".
func LevelName(level int) string { return fmt.Sprintf("level %d descriptor", level) }

// Entry is one translation table descriptor (DDI 0487 D8.3). What some of its
// bits mean depends on the granule and on TCR_EL1.DS, so those methods belong
// to Paging.
type Entry uint64

// Bits of an Entry. Those of leaves are the lower and upper attributes of
// block and page descriptors (DDI 0487 D8.3.1.2), those of tables the
// hierarchical ones (D8.3.1.1).
const (
	EntryValid   Entry = 1 << 0
	EntryTable   Entry = 1 << 1 // a table; at level 3 a page, without which the entry is reserved
	EntryPage    Entry = EntryValid | EntryTable
	EntryNS      Entry = 1 << 5
	EntryUser    Entry = 1 << 6 // AP[1]: EL0 may access
	EntryRO      Entry = 1 << 7 // AP[2]: nobody may write
	EntryAF      Entry = 1 << 10
	EntryNG      Entry = 1 << 11 // nG: the translation belongs to an ASID
	EntryNT      Entry = 1 << 16 // nT: a block that is about to change its size (FEAT_BBM)
	EntryGuarded Entry = 1 << 50 // GP: branch targets are checked (FEAT_BTI)
	EntryDBM     Entry = 1 << 51 // hardware may clear EntryRO on a write (FEAT_HAFDBS)
	EntryHint    Entry = 1 << 52 // contiguous
	EntryPXN     Entry = 1 << 53 // EL1 may not execute
	EntryUXN     Entry = 1 << 54 // EL0 may not execute

	EntryInnerShareable Entry = 3 << 8 // SH, where TCR_EL1.DS is clear
	EntryOuterShareable Entry = 2 << 8

	EntryTablePXN    Entry = 1 << 59 // PXN for all below
	EntryTableUXN    Entry = 1 << 60
	EntryTableNoUser Entry = 1 << 61 // APTable[0]
	EntryTableRO     Entry = 1 << 62 // APTable[1]
	EntryTableNS     Entry = 1 << 63
)

// AttributeIndex puts an index into MAIR_EL1 where an Entry has it.
func AttributeIndex(index int) Entry { return Entry(index&7) << 2 }

// Present reports whether the entry is used by the processor at all.
func (e Entry) Present() bool { return e&EntryValid != 0 }

// Leaf reports whether the entry, found at level, maps memory; otherwise it
// points to a table.
func (e Entry) Leaf(level int) bool { return level == LevelPage || e&EntryTable == 0 }

// Writable, User and NoExecute report a leaf's own rights; what a mapping may
// do is also limited by the tables on the way to it.
func (e Entry) Writable() bool { return e&EntryRO == 0 }

// User reports whether EL0 may read what a leaf maps.
func (e Entry) User() bool { return e&EntryUser != 0 }

// NoExecute reports whether a leaf's instructions may be fetched by nobody.
func (e Entry) NoExecute() bool { return e&(EntryPXN|EntryUXN) == EntryPXN|EntryUXN }

// Accessed reports whether a leaf has its access flag set. Without it the
// first access faults, or hardware sets it; the translation is there.
func (e Entry) Accessed() bool { return e&EntryAF != 0 }

// Dirty reports whether a leaf that hardware manages was written to.
func (e Entry) Dirty() bool { return e&EntryDBM != 0 && e&EntryRO == 0 }

// Global reports whether a leaf's translation belongs to every ASID.
func (e Entry) Global() bool { return e&EntryNG == 0 }

// MemoryAttribute is a leaf's index into MAIR_EL1.
func (e Entry) MemoryAttribute() int { return int(e >> 2 & 7) }

// String prints the entry in hexadecimal with 0x.
func (e Entry) String() string { return fmt.Sprintf("%#x", uint64(e)) }

// Address is the physical address in an entry found at level: that of the
// memory it maps or of the table it points to.
func (e Entry) Address(paging Paging, level int) physmem.Address {
	size := uint64(paging.Granule)
	if e.Leaf(level) {
		size = paging.PageSizeAt(level)
	}
	return e.address(&paging, size)
}

// address is that of size bytes.
func (e Entry) address(paging *Paging, size uint64) physmem.Address {
	switch {
	case paging.LPA2: // bits 49 and below in place, 51 and 50 in 9 and 8
		return physmem.Address(e&(1<<50-1)&^Entry(size-1) | e>>8&3<<50)
	case paging.PhysicalBits > 48: // 64 KiB granule: bits 51 to 48 in 15 to 12
		return physmem.Address(e&(1<<48-1)&^Entry(size-1) | e>>12&15<<48)
	}
	return physmem.Address(e & (1<<48 - 1) &^ Entry(size-1))
}
