package reserve

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// DefaultAlignment is that of a reservation unless its Place says otherwise:
// the memory on both sides then is mapped in 2 MiB pages.
const DefaultAlignment = 2 << 20

// Place says where a reservation may be.
type Place struct {
	// Size in bytes, in whole pages. LeastSize says how much a host needs.
	Size uint64
	// Alignment of the start, a power of two; 0 = DefaultAlignment.
	Alignment uint64
	// Boundary that must not be crossed, a power of two; 0 = none. (FreeBSD's
	// rescue kernel must not cross 1 GiB.)
	Boundary uint64
	// Limit is the first address above which nothing may lie; 0 = none. Below
	// 4 GiB every device's DMA reaches it.
	Limit physmem.Address
	// Lowest chooses the lowest place that fits. The default is the highest,
	// which is what firmware, loaders and legacy devices use last.
	Lowest bool
}

// Find finds a block of RAM for a reservation, outside of what is used. The
// same map and place give the same block. The error is a *physmem.SpaceError,
// wrapped: it says what was wanted and what was free.
func Find(memory physmem.MemoryMap, used physmem.Ranges, place Place) (physmem.Range, error) {
	if place.Size%handoff.PageSize != 0 {
		return physmem.Range{}, fmt.Errorf("find a reservation of %#x bytes: not in whole pages of %#x", place.Size, handoff.PageSize)
	}
	if place.Alignment == 0 {
		place.Alignment = DefaultAlignment
	}
	if place.Alignment < handoff.PageSize {
		return physmem.Range{}, fmt.Errorf("find a reservation: alignment %#x is less than a page of %#x", place.Alignment, handoff.PageSize)
	}
	limit := physmem.Address(handoff.DirectMapLimit)
	if place.Limit != 0 {
		limit = min(limit, place.Limit)
	}
	options := []physmem.SpaceOption{
		physmem.WithAlignment(place.Alignment),
		physmem.WithBoundary(place.Boundary),
		// Page 0 stays out: the trampoline is mapped at its physical address,
		// and nothing may be mapped at nil.
		physmem.WithLimit(physmem.Range{Start: handoff.PageSize, End: limit}),
	}
	if !place.Lowest {
		options = append(options, physmem.Highest())
	}
	free := memory.RAM().Minus(used).AlignInward(handoff.PageSize)
	found, err := free.FindSpace(place.Size, options...)
	if err != nil {
		return physmem.Range{}, fmt.Errorf("find a reservation: %w", err)
	}
	return found, nil
}
