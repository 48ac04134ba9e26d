package minidump

import (
	"iter"
	"math/bits"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Pages iterates over the pages that the dump should have, in the order of the
// file, as physical address and file offset. Where the file was cut, offsets
// of the last ones are at or beyond Size.
func (r *Reader) Pages() iter.Seq2[physmem.Address, int64] {
	if m, ok := r.store.(*minidumpPages); ok {
		return m.pages
	}
	page := physmem.Address(r.header.PageSize)
	return func(yield func(physmem.Address, int64) bool) {
		r.store.runs(func(run physmem.Range, offset int64) bool {
			for at := run.Start; at < run.End; at += page {
				if !yield(at, offset+int64(at-run.Start)) {
					return false
				}
			}
			return true
		})
	}
}

// Runs iterates over the same pages as Pages, joined to physically contiguous
// runs that are contiguous in the file too.
func (r *Reader) Runs() iter.Seq2[physmem.Range, int64] { return r.store.runs }

// pages yields every page, a word of the bitmap at a time.
func (m *minidumpPages) pages(yield func(physmem.Address, int64) bool) {
	offset := m.layout.PageOffset(0)
	shift := m.available.shift
	var current availableRange
	next := 0
	for i, w := range m.bitmap.words {
		for ; w != 0; w &= w - 1 {
			bit := uint64(i)*64 + uint64(bits.TrailingZeros64(w))
			for bit-current.firstBit >= current.pages {
				current = m.available.ranges[next]
				next++
			}
			if !yield(physmem.Address((bit-current.firstBit+current.firstPage)<<shift), offset) {
				return
			}
			offset += m.layout.PageSize
		}
	}
}

func (m *minidumpPages) runs(yield func(physmem.Range, int64) bool) {
	m.runsFrom(0, yield)
}

// runsFrom yields the runs from the first set bit at or after bit on.
func (m *minidumpPages) runsFrom(bit uint64, yield func(physmem.Range, int64) bool) {
	offset := m.layout.PageOffset(m.bitmap.Rank(bit))
	var pending physmem.Range
	var pendingOffset int64
	for bit, ok := m.bitmap.Next(bit); ok; {
		a := &m.available.ranges[m.available.holding(bit)]
		end := min(m.bitmap.NextClear(bit), a.firstBit+a.pages)
		run := physmem.Range{
			Start: physmem.Address((a.firstPage + bit - a.firstBit) << m.available.shift),
			End:   physmem.Address((a.firstPage + end - a.firstBit) << m.available.shift),
		}
		switch {
		case !pending.IsEmpty() && pending.End == run.Start:
			pending.End = run.End
		default:
			if !pending.IsEmpty() && !yield(pending, pendingOffset) {
				return
			}
			pending, pendingOffset = run, offset
		}
		offset += int64(end-bit) * m.layout.PageSize
		bit, ok = m.bitmap.Next(end)
	}
	if !pending.IsEmpty() {
		yield(pending, pendingOffset)
	}
}
