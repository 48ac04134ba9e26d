package amd64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Paging is what the processor's registers say about translation. The zero
// value of each field but Root is the ordinary case.
type Paging struct {
	// Root is the address of the PML4 or PML5 table: CR3 without its low 12
	// bits, which are flags or a PCID.
	Root physmem.Address
	// Levels is 4, or 5 where CR4.LA57 is set; 0 stands for 4.
	Levels int
	// PhysicalBits is the processor's MAXPHYADDR (CPUID 80000008H EAX[7:0]),
	// above which address bits are reserved; 0 stands for 52, the most there
	// can be.
	PhysicalBits int
	// NoExecuteOff says that EFER.NXE is clear, so that bit 63 is reserved.
	NoExecuteOff bool
	// GigabytePagesOff says that the processor has no 1 GiB pages (CPUID
	// 80000001H EDX[26]), so that PS is reserved in a PDPTE.
	GigabytePagesOff bool
}

// normalise fills in defaults and checks what can be checked without memory.
func (p Paging) normalise() (Paging, error) {
	if p.Levels == 0 {
		p.Levels = 4
	}
	if p.PhysicalBits == 0 {
		p.PhysicalBits = 52
	}
	switch {
	case p.Levels != 4 && p.Levels != 5:
		return p, fmt.Errorf("paging: %w: %d levels", ErrUnsupported, p.Levels)
	case p.PhysicalBits < 32 || p.PhysicalBits > 52:
		return p, fmt.Errorf("paging: %w: %d physical address bits", ErrUnsupported, p.PhysicalBits)
	case !p.Root.IsAligned(PageSize):
		return p, fmt.Errorf("paging: %w: root %v is not aligned to %#x", ErrReservedBits, p.Root, PageSize)
	case p.Root>>p.PhysicalBits != 0:
		return p, fmt.Errorf("paging: %w: root %v has more than %d bits", ErrReservedBits, p.Root, p.PhysicalBits)
	}
	return p, nil
}

// VirtualBits is how many bits of a virtual address are translated: 48 or 57.
func (p Paging) VirtualBits() int {
	if p.Levels == 5 {
		return 57
	}
	return 48
}

// IsCanonical reports whether all bits of va above the translated ones are
// equal to the highest of those (Intel SDM 1 3.3.7.1).
func (p Paging) IsCanonical(va uint64) bool {
	shift := 64 - p.VirtualBits()
	return uint64(int64(va<<shift)>>shift) == va
}

// reservedAlways are the bits that are reserved in every present entry.
func (p Paging) reservedAlways() Entry {
	reserved := entryAddressMask &^ Entry(uint64(1)<<p.PhysicalBits-1)
	if p.NoExecuteOff {
		reserved |= EntryNoExecute
	}
	return reserved
}

// reserved are the bits that may not be set in entry, found at level.
func (p Paging) reserved(entry Entry, level int) Entry {
	reserved := p.reservedAlways()
	switch {
	case level >= LevelPML4E, level == LevelPDPTE && p.GigabytePagesOff:
		reserved |= EntryLarge
	case level > LevelPTE && entry&EntryLarge != 0:
		reserved |= largeReserved(level)
	}
	return reserved
}
