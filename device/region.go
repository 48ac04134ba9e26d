package device

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrRegion says that memory cannot be used for DMA: too small or not aligned.
var ErrRegion = errors.New("no memory for DMA")

// Region is memory that devices can read and write: contiguous, pinned, its
// first byte at a physical address.
type Region struct {
	Memory  []byte
	Address physmem.Address
}

// Range is where the region is.
func (r Region) Range() physmem.Range {
	return physmem.Range{Start: r.Address, End: r.Address + physmem.Address(len(r.Memory))}
}

// Carve takes size bytes from the front of r, which keeps what is behind them.
// Physical and virtual address of what was taken are multiples of alignment,
// a power of two. The bytes that it skips for that are lost to r.
func (r *Region) Carve(size, alignment uint64) (Region, error) {
	if alignment == 0 || alignment&(alignment-1) != 0 {
		return Region{}, fmt.Errorf("take %d bytes aligned to %d: %w: not a power of two", size, alignment, ErrRegion)
	}
	skip := -uint64(r.Address) & (alignment - 1)
	have := uint64(len(r.Memory))
	if skip > have || size > have-skip {
		return Region{}, fmt.Errorf("take %d bytes aligned to %d of %v: %w: too small", size, alignment, r.Range(), ErrRegion)
	}
	part := Region{r.Memory[skip : skip+size : skip+size], r.Address + physmem.Address(skip)}
	if uint64(addressOf(part.Memory))&(min(alignment, pageSize)-1) != 0 {
		return Region{}, fmt.Errorf("take %d bytes aligned to %d of %v: %w: mapped at another place of the page", size, alignment, r.Range(), ErrRegion)
	}
	r.Memory = r.Memory[skip+size:]
	r.Address += physmem.Address(skip + size)
	return part, nil
}

const pageSize = 4096

// Locate is the physical address of p, if all of p lies in the region.
func (r Region) Locate(p []byte) (address physmem.Address, ok bool) {
	if len(p) == 0 || len(p) > len(r.Memory) {
		return 0, false
	}
	offset := uint64(addressOf(p) - addressOf(r.Memory)) // wraps below the region
	if offset > uint64(len(r.Memory)-len(p)) {
		return 0, false
	}
	return r.Address + physmem.Address(offset), true
}
