package arm64

import (
	"fmt"
	"math/bits"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Paging is what the processor's registers say about the translation of one
// half of the address space. The zero value of each field but Root is an
// ordinary case.
type Paging struct {
	// Root is the address of the first table: TTBR0_EL1 or TTBR1_EL1 without
	// ASID and flags.
	Root physmem.Address
	// Granule is the size of pages and tables: Granule4K, Granule16K or
	// Granule64K (TCR_EL1.TG0 or TG1); 0 stands for 4 KiB.
	Granule int
	// VirtualBits is how many bits of a virtual address are translated, 25 to
	// 52: 64 - TCR_EL1.T0SZ or T1SZ. 0 stands for 48.
	VirtualBits int
	// Upper says that the half is the upper one, of TTBR1_EL1, whose addresses
	// begin with ones.
	Upper bool
	// PhysicalBits is the size of physical addresses (TCR_EL1.IPS), above which
	// an address in a table is an error; 0 stands for 48, or 52 with LPA2.
	PhysicalBits int
	// LPA2 says that TCR_EL1.DS is set: tables of 4 and 16 KiB granules hold 52
	// bits of address (FEAT_LPA2).
	LPA2 bool
	// TopByteIgnored says that bits 63 to 56 of a virtual address have no
	// meaning, but for bit 55 that chooses the half (TCR_EL1.TBI0 or TBI1).
	TopByteIgnored bool
	// HierarchyOff says that the rights in table descriptors have no meaning
	// (TCR_EL1.HPD0 or HPD1).
	HierarchyOff bool
}

// normalise fills in defaults and checks what can be checked without memory.
func (p Paging) normalise() (Paging, error) {
	if p.Granule == 0 {
		p.Granule = Granule4K
	}
	if p.VirtualBits == 0 {
		p.VirtualBits = 48
	}
	if p.PhysicalBits == 0 {
		p.PhysicalBits = 48
		if p.LPA2 {
			p.PhysicalBits = 52
		}
	}
	switch {
	case p.Granule != Granule4K && p.Granule != Granule16K && p.Granule != Granule64K:
		return p, fmt.Errorf("paging: %w: granule of %d bytes", ErrUnsupported, p.Granule)
	case p.LPA2 && p.Granule == Granule64K:
		return p, fmt.Errorf("paging: %w: LPA2 with a granule of 64 KiB", ErrUnsupported)
	case p.VirtualBits < 25 || p.VirtualBits > 52:
		return p, fmt.Errorf("paging: %w: %d virtual address bits", ErrUnsupported, p.VirtualBits)
	case p.VirtualBits > 48 && p.Granule != Granule64K && !p.LPA2:
		return p, fmt.Errorf("paging: %w: %d virtual address bits without LPA2", ErrUnsupported, p.VirtualBits)
	case p.PhysicalBits < 32 || p.PhysicalBits > 52:
		return p, fmt.Errorf("paging: %w: %d physical address bits", ErrUnsupported, p.PhysicalBits)
	case p.PhysicalBits > 48 && p.Granule != Granule64K && !p.LPA2:
		return p, fmt.Errorf("paging: %w: %d physical address bits without LPA2", ErrUnsupported, p.PhysicalBits)
	case !p.Root.IsAligned(uint64(p.entriesAt(p.StartLevel())) * 8):
		return p, fmt.Errorf("paging: %w: root %v is not aligned to its %d entries",
			ErrReservedBits, p.Root, p.entriesAt(p.StartLevel()))
	case p.Root>>p.PhysicalBits != 0:
		return p, fmt.Errorf("paging: %w: root %v has more than %d bits", ErrReservedBits, p.Root, p.PhysicalBits)
	}
	return p, nil
}

// pageShift is the number of bits of an offset in a page.
func (p Paging) pageShift() int { return bits.TrailingZeros(uint(p.Granule)) }

// stride is the number of address bits that a full table translates.
func (p Paging) stride() int { return p.pageShift() - 3 }

// levelShift is the number of address bits that one entry of a level covers.
func (p Paging) levelShift(level int) int {
	return p.pageShift() + (LevelPage-level)*p.stride()
}

// PageSizeAt is the number of bytes that one entry of a level covers.
func (p Paging) PageSizeAt(level int) uint64 { return 1 << p.levelShift(level) }

// StartLevel is the level of the first table: the least that translates all of
// VirtualBits (DDI 0487 D8.2.3).
func (p Paging) StartLevel() int {
	levels := (p.VirtualBits - p.pageShift() + p.stride() - 1) / p.stride()
	return LevelPage + 1 - levels
}

// entriesAt is the number of entries in a table: a page full, but for the
// first table.
func (p Paging) entriesAt(level int) int {
	return 1 << min(p.stride(), p.VirtualBits-p.levelShift(level))
}

// IsCanonical reports whether va belongs to this half: its bits above
// VirtualBits are all ones in the upper half and all zeros in the lower.
func (p Paging) IsCanonical(va uint64) bool {
	above := ^uint64(0) << p.VirtualBits
	if p.TopByteIgnored {
		above &= 1<<56 - 1
	}
	if p.Upper {
		return va&above == above
	}
	return va&above == 0
}

// canonical is va with the bits that have no meaning as the others above
// VirtualBits.
func (p *Paging) canonical(va uint64) uint64 {
	if p.Upper {
		return va | ^uint64(0)<<p.VirtualBits
	}
	return va & (1<<p.VirtualBits - 1)
}

// Bounds are the first and the last address of this half.
func (p Paging) Bounds() (first, last uint64) {
	return p.canonical(0), p.canonical(^uint64(0))
}

// HasBlocks reports whether leaves may be at level (DDI 0487 D8.3.1, table
// D8-13): pages at 3, blocks at 2, and at 1 or 0 where the granule and the size
// of addresses allow.
func (p Paging) HasBlocks(level int) bool {
	switch p.Granule {
	case Granule4K:
		return level >= Level1 || level == Level0 && p.LPA2
	case Granule16K:
		return level >= Level2 || level == Level1 && p.LPA2
	}
	return level >= Level2 || level == Level1 && p.PhysicalBits > 48
}

// encode puts an address where an Entry has it: the inverse of Address.
func (p Paging) encode(address physmem.Address) Entry {
	a := Entry(address)
	switch {
	case p.LPA2:
		return a&(1<<50-1) | a>>50&3<<8
	case p.PhysicalBits > 48:
		return a&(1<<48-1) | a>>48&15<<12
	}
	return a & (1<<48 - 1)
}

// reserved are the bits that may not be set in a leaf or in a table descriptor
// at level: address bits beyond PhysicalBits, and what lies between the lower
// attributes and the address.
func (p Paging) reserved(level int, leaf bool) Entry {
	reserved := p.encode((physmem.MaxAddress - 1) &^ (1<<p.PhysicalBits - 1))
	size := uint64(p.Granule)
	if leaf {
		size = p.PageSizeAt(level)
	}
	low := Entry(size-1) &^ 0xfff
	if leaf && level < LevelPage {
		low &^= EntryNT
	}
	switch {
	case p.LPA2:
		return reserved | low
	case p.PhysicalBits > 48:
		low &^= 0xf000
	}
	return reserved | low | 3<<48
}

// shape is what is the same for all entries of one level.
type shape struct {
	shift        int   // address bits that an entry covers
	entries      int   // in a table
	reservedLeaf Entry // bits that must be clear
	reservedNext Entry // in a table descriptor
	leaves       bool  // whether there may be any
}

// shapes are those of all levels from the first on.
func (p Paging) shapes() (list [maximumLevels]shape) {
	for level := p.StartLevel(); level <= LevelPage; level++ {
		list[ordinal(level)] = shape{
			shift:        p.levelShift(level),
			entries:      p.entriesAt(level),
			reservedLeaf: p.reserved(level, true),
			reservedNext: p.reserved(level, false),
			leaves:       p.HasBlocks(level),
		}
	}
	return list
}

// ordinal is a level as an index.
func ordinal(level int) int { return level - LevelMinus1 }

// check says what is wrong with an entry in itself, found at level.
func (s *shape) check(entry Entry, level int) error {
	var wrong Entry
	switch {
	case !entry.Present():
		return ErrNotMapped
	case level == LevelPage && entry&EntryTable == 0:
		return fmt.Errorf("%w: a block cannot be at level %d", ErrReservedBits, level)
	case !entry.Leaf(level):
		wrong = entry & s.reservedNext
	case !s.leaves:
		return fmt.Errorf("%w: a block cannot be at level %d", ErrReservedBits, level)
	default:
		wrong = entry & s.reservedLeaf
	}
	if wrong != 0 {
		return fmt.Errorf("%w: %v", ErrReservedBits, wrong)
	}
	return nil
}
