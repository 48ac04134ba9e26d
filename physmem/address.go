package physmem

import "fmt"

// Address is a physical address. The architectures here have at most 52 bits
// of it (Intel SDM 3A 4.1.4, DDI 0487 D8.1), so an exclusive end always fits.
type Address uint64

// MaxAddress is the first address beyond the largest physical address space
// of either architecture: 52 bits.
const MaxAddress Address = 1 << 52

// String prints the address in hexadecimal with 0x.
func (a Address) String() string { return fmt.Sprintf("%#x", uint64(a)) }

// AlignDown rounds a down to a multiple of alignment, a power of two.
func (a Address) AlignDown(alignment uint64) Address {
	return a &^ Address(alignment-1)
}

// AlignUp rounds a up to a multiple of alignment, a power of two. It wraps to
// zero where the multiple does not fit in 64 bits.
func (a Address) AlignUp(alignment uint64) Address {
	return (a + Address(alignment-1)) &^ Address(alignment-1)
}

// IsAligned reports whether a is a multiple of alignment, a power of two.
func (a Address) IsAligned(alignment uint64) bool {
	return uint64(a)&(alignment-1) == 0
}
