package minidump

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// longRead is the most that is read of memory in one go. Go's memmove on amd64
// writes around the caches from 1 MiB on, and who reads a dump looks at it next.
const longRead = 256 << 10

// readPages fills p with the pages section from offset on; both lie within it.
// Runs of pages that follow one another in memory are read in one go.
func (d *Dumper) readPages(p []byte, offset int64, s *scratch) {
	size := d.pageSize
	first, skip := uint64(offset)/size, uint64(offset)%size
	rank := first
	bit, _ := d.bitmap.Select(rank)
	for len(p) > 0 {
		at, n := d.run(bit, min(uint64(len(p)), longRead)/size+1)
		if skip > 0 || uint64(len(p)) < size {
			// A page is always read whole, so that one of which some bytes
			// fail is the same however it is cut.
			d.readRun(s.page, at)
			p = p[copy(p, s.page[skip:]):]
			skip, n = 0, 1
		} else {
			n = min(n, uint64(len(p))/size)
			d.readRun(p[:n*size], at)
			p = p[n*size:]
		}
		rank += n
		bit, _ = d.bitmap.Next(bit + n)
	}
	d.covered(first, rank)
}

// run returns the address of the page of a set bit and how many pages, at most
// limit, follow from it on both in the bitmap and in memory.
func (d *Dumper) run(bit, limit uint64) (physmem.Address, uint64) {
	r := &d.available.ranges[d.available.holding(bit)]
	limit = min(limit, r.firstBit+r.pages-bit)
	words := d.bitmap.Words()
	n := uint64(0)
	for n < limit {
		at := bit + n
		if at/64 >= uint64(len(words)) {
			break
		}
		ones := uint64(bits.TrailingZeros64(^(words[at/64] >> (at % 64))))
		n += min(ones, 64-at%64)
		if ones < 64-at%64 {
			break
		}
	}
	page := r.firstPage + bit - r.firstBit
	return physmem.Address(page << d.available.shift), min(n, limit)
}

// covered notes that the pages of ranks [first, end) have been read whole, so
// that the prefix of pages that need no probe is known.
func (d *Dumper) covered(first, end uint64) {
	for {
		now := d.prefix.Load()
		if first > now || end <= now || d.prefix.CompareAndSwap(now, end) {
			return
		}
	}
}

// readRun fills p, whole pages, with what the dump holds for memory from at.
func (d *Dumper) readRun(p []byte, at physmem.Address) {
	for len(p) > 0 {
		end := at + physmem.Address(len(p))
		part := p
		switch {
		case d.notesArea.Contains(at):
			part = p[:min(end, d.notesArea.End)-at]
			copy(part, d.notes()[at-d.notesArea.Start:])
		case d.notesArea.Overlaps(physmem.Range{Start: at, End: end}):
			part = p[:d.notesArea.Start-at]
			fallthrough
		default:
			d.readMemory(part, at, &d.failures)
		}
		p, at = p[len(part):], at+physmem.Address(len(part))
	}
}

// readMemory fills p with memory from at; zeros where it may not or cannot be
// read, which in the second case is added to f. It calls for whole pages.
func (d *Dumper) readMemory(p []byte, at physmem.Address, f *failures) {
	for len(p) > 0 {
		end, readable := next(d.allowed, at, at+physmem.Address(len(p)))
		if readable {
			var failed bool
			if end, failed = next(f.load(), at, end); failed {
				readable = false
			}
		}
		n := int(end - at)
		if readable {
			n = d.readPiece(p[:n], at, f)
		} else {
			clear(p[:n])
		}
		p, at = p[n:], at+physmem.Address(n)
	}
}

// readPiece reads some of p, at least up to the end of at's page or all of it,
// and returns how much it has filled. A page where the read fails is tried
// once more alone: what a long read leaves unread depends on who reads it.
func (d *Dumper) readPiece(p []byte, at physmem.Address, f *failures) int {
	n, err := d.source.Memory.ReadPhysical(p, at)
	if n >= len(p) && err == nil {
		return len(p)
	}
	size := d.pageSize
	stop := at + physmem.Address(min(max(n, 0), len(p)-1))
	if page := stop.AlignDown(size); page > at {
		return int(page - at)
	}
	alone := p[:min(len(p), int(at.AlignDown(size)+physmem.Address(size)-at))]
	n, err = d.source.Memory.ReadPhysical(alone, at)
	if n >= len(alone) && err == nil {
		return len(alone)
	}
	n = min(max(n, 0), len(alone))
	if n == len(alone) {
		n = 0 // an error after everything: then nothing can be believed
	}
	clear(alone[n:])
	f.add(physmem.Range{Start: at + physmem.Address(n), End: at + physmem.Address(len(alone))})
	return len(alone)
}

// view lends the memory of n pages from at, if it can be lent and the dump
// holds it unchanged.
func (d *Dumper) view(at physmem.Address, n uint64, f *failures) []byte {
	r := physmem.Range{Start: at, End: at + physmem.Address(n*d.pageSize)}
	if d.viewer == nil || d.notesArea.Overlaps(r) || !d.allowed.ContainsRange(r) || f.load().Overlaps(r) {
		return nil
	}
	v := d.viewer.ViewPhysical(r)
	if uint64(len(v)) != r.Size() {
		return nil
	}
	return v
}
