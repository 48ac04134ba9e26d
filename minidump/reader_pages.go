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

// rangeCursor follows ascending bits through the ranges of dump_avail.
type rangeCursor struct {
	available *DumpAvail
	current   availableRange
	next      int
}

// first returns the memory of the bits from start on, up to end or the end of
// the range, and the bit after it.
func (c *rangeCursor) first(start, end uint64) (memory physmem.Range, after uint64) {
	for start-c.current.firstBit >= c.current.pages {
		c.current = c.available.ranges[c.next]
		c.next++
	}
	after = min(end, c.current.firstBit+c.current.pages)
	base := c.current.firstPage - c.current.firstBit
	return physmem.Range{
		Start: physmem.Address((base + start) << c.available.shift),
		End:   physmem.Address((base + after) << c.available.shift),
	}, after
}

// firstRun returns the lowest run of set bits in w, which is not 0, and w
// without it.
func firstRun(w uint64) (first, n, rest uint64) {
	first = uint64(bits.TrailingZeros64(w))
	n = uint64(bits.TrailingZeros64(^(w >> first)))
	return first, n, w & (^uint64(0) << (first + n))
}

// pages yields every page. Bits of a word are taken one by one, since the
// lengths of runs are hard to predict, but for words that are full.
func (m *minidumpPages) pages(yield func(physmem.Address, int64) bool) {
	offset := m.layout.PageOffset(0)
	size := m.layout.PageSize
	cursor := rangeCursor{available: m.available}
	var after uint64            // the first bit that is not in the cursor's range
	var address physmem.Address // of bit 0, if the cursor's range had it
	for i, w := range m.bitmap.words {
		bit := uint64(i) * 64
		if w == ^uint64(0) && bit+64 <= after {
			at := address + physmem.Address(bit)*physmem.Address(size)
			for end := at + 64*physmem.Address(size); at < end; at += physmem.Address(size) {
				if !yield(at, offset) {
					return
				}
				offset += size
			}
			continue
		}
		for ; w != 0; w &= w - 1 {
			bit := bit + uint64(bits.TrailingZeros64(w))
			if bit >= after {
				var memory physmem.Range
				memory, after = cursor.first(bit, m.bitmap.bits)
				address = memory.Start - physmem.Address(bit)*physmem.Address(size)
			}
			if !yield(address+physmem.Address(bit)*physmem.Address(size), offset) {
				return
			}
			offset += size
		}
	}
}

func (m *minidumpPages) runs(yield func(physmem.Range, int64) bool) { m.runsFrom(0, yield) }

// runsFrom yields the runs from the first set bit at or after bit on. Ranges
// that touch in memory and in the file are one run.
func (m *minidumpPages) runsFrom(bit uint64, yield func(physmem.Range, int64) bool) {
	offset := m.layout.PageOffset(m.bitmap.Rank(bit))
	var pending physmem.Range
	cursor := rangeCursor{available: m.available}
	for i := bit / 64; i < uint64(len(m.bitmap.words)); i++ {
		w := m.bitmap.words[i]
		if i == bit/64 {
			w &^= 1<<(bit%64) - 1
		}
		for w != 0 {
			var first, n uint64
			first, n, w = firstRun(w)
			start := i*64 + first
			for end := start + n; start < end; {
				var memory physmem.Range
				memory, start = cursor.first(start, end)
				if pending.End == memory.Start && !pending.IsEmpty() {
					pending.End = memory.End
					continue
				}
				if !pending.IsEmpty() && !yield(pending, offset) {
					return
				}
				offset += int64(pending.Size())
				pending = memory
			}
		}
	}
	if !pending.IsEmpty() {
		yield(pending, offset)
	}
}
