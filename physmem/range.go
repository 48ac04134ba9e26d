package physmem

import "fmt"

// Range is the half-open range [Start, End) of physical addresses. A range
// whose End is not above its Start is empty; all empty ranges are alike.
type Range struct {
	Start Address
	End   Address
}

// NewRange makes the range of size bytes from start. It reports false where
// the range would end beyond MaxAddress.
func NewRange(start Address, size uint64) (Range, bool) {
	if start > MaxAddress || size > uint64(MaxAddress-start) {
		return Range{}, false
	}
	return Range{start, start + Address(size)}, true
}

// Size is the number of bytes in r.
func (r Range) Size() uint64 {
	if r.IsEmpty() {
		return 0
	}
	return uint64(r.End - r.Start)
}

// IsEmpty reports whether r has no byte.
func (r Range) IsEmpty() bool { return r.End <= r.Start }

// Contains reports whether a lies in r.
func (r Range) Contains(a Address) bool { return r.Start <= a && a < r.End }

// ContainsRange reports whether every byte of o lies in r. An empty range is
// in every range.
func (r Range) ContainsRange(o Range) bool {
	return o.IsEmpty() || r.Start <= o.Start && o.End <= r.End
}

// Overlaps reports whether r and o have a byte in common.
func (r Range) Overlaps(o Range) bool { return !r.Intersect(o).IsEmpty() }

// IsAdjacent reports whether one of two non-empty ranges begins where the
// other ends.
func (r Range) IsAdjacent(o Range) bool {
	return !r.IsEmpty() && !o.IsEmpty() && (r.End == o.Start || o.End == r.Start)
}

// Intersect is what r and o have in common; the zero Range if nothing.
func (r Range) Intersect(o Range) Range {
	i := Range{max(r.Start, o.Start), min(r.End, o.End)}
	if i.IsEmpty() {
		return Range{}
	}
	return i
}

// AlignInward shrinks r to whole multiples of alignment, a power of two.
func (r Range) AlignInward(alignment uint64) Range {
	if r.IsEmpty() {
		return Range{}
	}
	i := Range{r.Start.AlignUp(alignment), r.End.AlignDown(alignment)}
	if i.Start < r.Start || i.IsEmpty() {
		return Range{}
	}
	return i
}

// AlignOutward grows r to whole multiples of alignment, a power of two.
func (r Range) AlignOutward(alignment uint64) Range {
	if r.IsEmpty() {
		return Range{}
	}
	return Range{r.Start.AlignDown(alignment), r.End.AlignUp(alignment)}
}

// String prints the range as "[0x1000, 0x2000)".
func (r Range) String() string {
	return fmt.Sprintf("[%#x, %#x)", uint64(r.Start), uint64(r.End))
}
