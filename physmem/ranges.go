package physmem

import (
	"slices"
	"strings"
)

// Ranges is a set of physical addresses as a list of ranges in normal form:
// ascending, none empty, none overlapping or touching another. [NewRanges]
// brings any list into that form; the methods expect it, and every method that
// returns Ranges keeps it. No method changes its receiver or its arguments.
// The zero value, nil, is the empty set; but some packages take nil for "no
// limit", so what methods return is never nil, not even if empty.
type Ranges []Range

// NewRanges is the set of all addresses in list, whose ranges may be in any
// order, empty, adjacent or overlapping. It does not keep or change list.
func NewRanges(list ...Range) Ranges {
	sorted := make(Ranges, 0, len(list))
	for _, r := range list {
		if !r.IsEmpty() {
			sorted = append(sorted, r)
		}
	}
	slices.SortFunc(sorted, func(a, b Range) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	return mergeSorted(sorted)
}

// mergeSorted joins, in place, what overlaps or touches in a list of non-empty
// ranges that ascend by Start.
func mergeSorted(sorted Ranges) Ranges {
	merged := sorted[:0]
	for _, r := range sorted {
		if last := len(merged) - 1; last >= 0 && r.Start <= merged[last].End {
			merged[last].End = max(merged[last].End, r.End)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// IsNormal reports whether s is in the form that its methods expect. It is for
// sets that were not made by this package.
func (s Ranges) IsNormal() bool {
	for i, r := range s {
		if r.IsEmpty() || i > 0 && r.Start <= s[i-1].End {
			return false
		}
	}
	return true
}

// IsEmpty reports whether no address is in s.
func (s Ranges) IsEmpty() bool { return len(s) == 0 }

// Size is the number of bytes in s.
func (s Ranges) Size() uint64 {
	var size uint64
	for _, r := range s {
		size += r.Size()
	}
	return size
}

// Bounds is the smallest range that has all of s; the zero Range for the empty
// set.
func (s Ranges) Bounds() Range {
	if len(s) == 0 {
		return Range{}
	}
	return Range{s[0].Start, s[len(s)-1].End}
}

// search is the index of the first range that ends above a, len(s) if none:
// the one that contains a, if any does.
func (s Ranges) search(a Address) int {
	low, high := 0, len(s)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if s[middle].End <= a {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// Find is the range of s that contains a.
func (s Ranges) Find(a Address) (Range, bool) {
	if i := s.search(a); i < len(s) && s[i].Start <= a {
		return s[i], true
	}
	return Range{}, false
}

// Contains reports whether a is in s. It takes logarithmic time.
func (s Ranges) Contains(a Address) bool {
	i := s.search(a)
	return i < len(s) && s[i].Start <= a
}

// ContainsRange reports whether every byte of r is in s.
func (s Ranges) ContainsRange(r Range) bool {
	if r.IsEmpty() {
		return true
	}
	i := s.search(r.Start)
	return i < len(s) && s[i].ContainsRange(r)
}

// ContainsAll reports whether o is a subset of s.
func (s Ranges) ContainsAll(o Ranges) bool {
	for _, r := range o {
		if !s.ContainsRange(r) {
			return false
		}
	}
	return true
}

// Overlaps reports whether a byte of r is in s.
func (s Ranges) Overlaps(r Range) bool {
	if r.IsEmpty() {
		return false
	}
	i := s.search(r.Start)
	return i < len(s) && s[i].Start < r.End
}

// Equal reports whether s and o are the same set.
func (s Ranges) Equal(o Ranges) bool { return slices.Equal(s, o) }

// Union is the set of addresses in s, in o, or in both.
func (s Ranges) Union(o Ranges) Ranges {
	sorted := make(Ranges, 0, len(s)+len(o))
	for len(s) > 0 && len(o) > 0 {
		if s[0].Start <= o[0].Start {
			sorted, s = append(sorted, s[0]), s[1:]
		} else {
			sorted, o = append(sorted, o[0]), o[1:]
		}
	}
	sorted = append(append(sorted, s...), o...)
	return mergeSorted(sorted)
}

// Intersect is the set of addresses in both s and o.
func (s Ranges) Intersect(o Ranges) Ranges {
	common := Ranges{}
	for len(s) > 0 && len(o) > 0 {
		if r := s[0].Intersect(o[0]); !r.IsEmpty() {
			common = append(common, r)
		}
		if s[0].End <= o[0].End {
			s = s[1:]
		} else {
			o = o[1:]
		}
	}
	return common
}

// Minus is the set of addresses in s that are not in o.
func (s Ranges) Minus(o Ranges) Ranges {
	rest := Ranges{}
	for _, r := range s {
		for len(o) > 0 && o[0].End <= r.Start {
			o = o[1:]
		}
		// o is not consumed here: its last range may reach into the next of s.
		for _, cut := range o {
			if cut.Start >= r.End || r.IsEmpty() {
				break
			}
			if cut.Start > r.Start {
				rest = append(rest, Range{r.Start, cut.Start})
			}
			r.Start = cut.End
		}
		if !r.IsEmpty() {
			rest = append(rest, r)
		}
	}
	return rest
}

// AlignInward is the part of s that is made of whole blocks of alignment bytes
// (a power of two) on their boundaries.
func (s Ranges) AlignInward(alignment uint64) Ranges {
	aligned := Ranges{}
	for _, r := range s {
		if r = r.AlignInward(alignment); !r.IsEmpty() {
			aligned = append(aligned, r)
		}
	}
	return aligned
}

// AlignOutward is the set of all blocks of alignment bytes (a power of two)
// that have a byte in s.
func (s Ranges) AlignOutward(alignment uint64) Ranges {
	grown := make(Ranges, 0, len(s))
	for _, r := range s {
		grown = append(grown, r.AlignOutward(alignment))
	}
	return mergeSorted(grown)
}

// String prints the ranges in order, separated by blanks: "[0x0, 0x1000)
// [0x2000, 0x3000)"; "none" for the empty set.
func (s Ranges) String() string {
	if len(s) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.String())
	}
	return b.String()
}
