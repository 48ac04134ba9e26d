package physmem

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// ErrNoSpace says that a set has no free block of the kind that was asked for.
var ErrNoSpace = errors.New("no space")

// SpaceError tells what FindSpace wanted and what it had to choose from.
type SpaceError struct {
	Size      uint64 // bytes wanted
	Alignment uint64 // of the block's start
	Boundary  uint64 // that the block must not cross; 0: none
	Limit     Range  // that the block must lie in
	Largest   Range  // the largest range inside of Limit
	Free      uint64 // bytes inside of Limit in all
}

func (e *SpaceError) Error() string {
	boundary := ""
	if e.Boundary != 0 {
		boundary = fmt.Sprintf(", not across %#x", e.Boundary)
	}
	return fmt.Sprintf("find %#x bytes aligned to %#x%s in %v: %v: %#x bytes free, at most %#x together in %v",
		e.Size, e.Alignment, boundary, e.Limit, ErrNoSpace, e.Free, e.Largest.Size(), e.Largest)
}

// Unwrap returns ErrNoSpace.
func (e *SpaceError) Unwrap() error { return ErrNoSpace }

// SpaceOption says which block FindSpace shall choose.
type SpaceOption func(*spaceRequest)

type spaceRequest struct {
	size      uint64
	alignment uint64
	boundary  uint64
	limit     Range
	highest   bool
}

// WithAlignment makes the block start at a multiple of n, a power of two. The
// default is 1.
func WithAlignment(n uint64) SpaceOption {
	return func(q *spaceRequest) { q.alignment = n }
}

// WithBoundary keeps the block from crossing a multiple of n, a power of two.
// The default is no boundary.
func WithBoundary(n uint64) SpaceOption {
	return func(q *spaceRequest) { q.boundary = n }
}

// WithLimit makes the block lie in r. The default is all addresses below
// MaxAddress.
func WithLimit(r Range) SpaceOption {
	return func(q *spaceRequest) { q.limit = r }
}

// Highest chooses the block with the highest address. The default is the
// lowest.
func Highest() SpaceOption {
	return func(q *spaceRequest) { q.highest = true }
}

// FindSpace finds a block of size bytes in s: the lowest that meets all
// options, or the highest. The same set and options give the same block. Where
// there is none the error is a *SpaceError.
func (s Ranges) FindSpace(size uint64, options ...SpaceOption) (Range, error) {
	q := spaceRequest{size: size, alignment: 1, limit: Range{0, MaxAddress}}
	for _, option := range options {
		option(&q)
	}
	switch {
	case size == 0:
		return Range{}, errors.New("find space: size is zero")
	case bits.OnesCount64(q.alignment) != 1:
		return Range{}, fmt.Errorf("find space: alignment %#x is not a power of two", q.alignment)
	case bits.OnesCount64(q.boundary) > 1:
		return Range{}, fmt.Errorf("find space: boundary %#x is not a power of two", q.boundary)
	}
	free := s.Intersect(Ranges{q.limit})
	if q.boundary == 0 || size <= q.boundary {
		for i := range free {
			if q.highest {
				i = len(free) - 1 - i
			}
			if found, ok := q.fit(free[i]); ok {
				return found, nil
			}
		}
	}
	failure := &SpaceError{Size: size, Alignment: q.alignment, Boundary: q.boundary, Limit: q.limit, Free: free.Size()}
	for _, r := range free {
		if r.Size() > failure.Largest.Size() {
			failure.Largest = r
		}
	}
	return Range{}, failure
}

// fit places the block in one free range.
func (q *spaceRequest) fit(free Range) (Range, bool) {
	if free.Size() < q.size {
		return Range{}, false
	}
	var start Address
	if q.highest {
		start = q.fitHighest(free)
	} else {
		start = q.fitLowest(free)
	}
	// Rounding may have left the range on either side, or wrapped.
	if start < free.Start || start > free.End-Address(q.size) {
		return Range{}, false
	}
	return Range{start, start + Address(q.size)}, true
}

// fitLowest rounds up: to the alignment, and where the block would then cross
// the boundary, to the next multiple of both.
func (q *spaceRequest) fitLowest(free Range) Address {
	start := free.Start.AlignUp(q.alignment)
	if start < free.Start {
		return math.MaxUint64 // wrapped
	}
	if q.crosses(start) {
		start = start.AlignUp(q.boundary)
	}
	return start
}

// fitHighest rounds down likewise. A block that crosses the boundary has an
// alignment below it, so one step down to the boundary is enough.
func (q *spaceRequest) fitHighest(free Range) Address {
	start := (free.End - Address(q.size)).AlignDown(q.alignment)
	if q.crosses(start) {
		boundary := (start + Address(q.size) - 1).AlignDown(q.boundary)
		start = (boundary - Address(q.size)).AlignDown(q.alignment)
	}
	return start
}

// crosses reports whether a block at start would have a multiple of the
// boundary inside. The alignment is then below the boundary, because size is
// not above it.
func (q *spaceRequest) crosses(start Address) bool {
	return q.boundary != 0 &&
		start.AlignDown(q.boundary) != (start+Address(q.size)-1).AlignDown(q.boundary)
}
