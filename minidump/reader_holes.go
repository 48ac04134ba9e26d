package minidump

import (
	"cmp"
	"iter"
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Holes iterates over the physical memory whose content should be in the dump
// and is not: what the dump notes record, then pages beyond the end of the
// file, then memory of which the bitmap or dump_avail could not be read, and
// at last what the file system never stored (see WithDataFinder). In each part
// addresses ascend.
func (r *Reader) Holes() iter.Seq[Hole] {
	return func(yield func(Hole) bool) {
		for _, h := range r.holes {
			if !yield(h) {
				return
			}
		}
		_ = r.beyondEnd(yield) && r.unknownPages(yield) && r.sparsePages(yield)
	}
}

// beyondEnd yields the pages, and the part of a page, behind the file's end.
func (r *Reader) beyondEnd(yield func(Hole) bool) (more bool) {
	if r.size >= r.ExpectedSize() {
		return true
	}
	more = true
	r.runsFromOffset(r.size, func(run physmem.Range, offset int64) bool {
		if offset < r.size {
			run.Start += physmem.Address(r.size - offset)
		}
		if !run.IsEmpty() {
			more = yield(Hole{run, HoleBeyondEnd})
		}
		return more
	})
	return more
}

// runsFromOffset yields the runs of pages that end after a file offset; the
// first may begin before it.
func (r *Reader) runsFromOffset(offset int64, yield func(physmem.Range, int64) bool) {
	m, ok := r.store.(*minidumpPages)
	if !ok {
		r.store.runs(yield)
		return
	}
	rank := max(0, offset-m.layout.PageOffset(0)) / m.layout.PageSize
	if bit, ok := m.bitmap.Select(uint64(rank)); ok {
		m.runsFrom(bit, yield)
	}
}

// unknownPages yields what a short bitmap or dump_avail leaves unknown.
func (r *Reader) unknownPages(yield func(Hole) bool) bool {
	if r.bitmap == nil {
		return true
	}
	for _, a := range r.available.ranges {
		if end := a.firstBit + a.pages; end <= r.bitmap.Len() {
			continue
		}
		start, end := a.firstPage, a.firstPage+a.pages
		if a.firstBit < r.bitmap.Len() {
			start += r.bitmap.Len() - a.firstBit
		}
		pages := physmem.Range{Start: physmem.Address(start << r.available.shift), End: physmem.Address(end << r.available.shift)}
		if !yield(Hole{pages, HoleNoBitmap}) {
			return false
		}
	}
	if !r.available.damaged {
		return true
	}
	last := physmem.Address(0)
	if n := len(r.available.ranges); n > 0 {
		last = r.available.ranges[n-1].end.AlignUp(uint64(r.header.PageSize))
	}
	return yield(Hole{physmem.Range{Start: last, End: physmem.MaxAddress}, HoleNoDumpAvail})
}

// normaliseHoles sorts holes and cuts overlaps, so that they can be searched.
func normaliseHoles(holes []Hole) []Hole {
	holes = slices.Clone(holes)
	slices.SortStableFunc(holes, func(a, b Hole) int { return cmp.Compare(a.Range.Start, b.Range.Start) })
	good := holes[:0]
	var last physmem.Address
	for _, h := range holes {
		h.Range.Start = max(h.Range.Start, last)
		if h.Range.IsEmpty() {
			continue
		}
		last = h.Range.End
		good = append(good, h)
	}
	return good
}
