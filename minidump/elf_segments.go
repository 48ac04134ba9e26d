package minidump

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// findSegments makes the PT_LOADs.
func (c *ELFCore) findSegments(ctx context.Context) error {
	w := windowWalk{core: c, limit: c.limit / 2}
	if err := w.walk(ctx); err != nil {
		return err
	}
	covered := make([]physmem.Range, 0, len(c.segments))
	for _, s := range c.segments {
		start := physmem.Address(s.physical)
		covered = append(covered, physmem.Range{Start: start, End: start + physmem.Address(s.size)})
	}
	var rest []physmem.Range
	var err error
	c.reader.store.runs(func(run physmem.Range, _ int64) bool {
		direct, offset := c.directMapped(run)
		c.add(uint64(direct.Start)+offset, direct)
		rest = append(rest, physmem.Ranges{run}.Minus(physmem.NewRanges(direct))...)
		err = ctx.Err()
		return err == nil
	})
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		for _, r := range physmem.NewRanges(rest...).Minus(physmem.NewRanges(covered...)) {
			c.add(uint64(r.Start), r)
		}
	}
	slices.SortStableFunc(c.segments, func(a, b elfSegment) int { return cmp.Compare(a.virtual, b.virtual) })
	return nil
}

// directMapped is the part of run that the direct map has, and what to add to
// a physical address to come to its virtual one.
func (c *ELFCore) directMapped(run physmem.Range) (physmem.Range, uint64) {
	h := &c.reader.header
	if h.DirectMapEnd <= h.DirectMapBase {
		return physmem.Range{}, 0
	}
	first, end := physmem.Address(h.DirectMapPhysical), h.DirectMapEnd
	if h.Architecture == AMD64 && end > h.KernelBase && h.PageTableSize > 0 {
		end = max(h.KernelBase, h.DirectMapBase) // readers look at the window first
	}
	last := physmem.Address(min(uint64(physmem.MaxAddress), h.DirectMapPhysical+(end-h.DirectMapBase)))
	return run.Intersect(physmem.Range{Start: first, End: last}), h.DirectMapBase - h.DirectMapPhysical
}

// add makes segments of those parts of r that the dump's file has; virtual is
// the address of r's first byte.
func (c *ELFCore) add(virtual uint64, r physmem.Range) {
	for at := r.Start; at < r.End; {
		offset, n, err := c.reader.store.locate(at, uint64(r.End-at))
		if err != nil {
			at = c.skip(at, err)
			continue
		}
		if n = c.whole(offset, n); n == 0 {
			return // the file ends inside of this page
		}
		if len(c.segments) == c.limit {
			c.omitted++
			return
		}
		c.segments = append(c.segments, elfSegment{virtual: virtual + uint64(at-r.Start), physical: uint64(at), offset: offset, size: n})
		at += physmem.Address(n)
	}
}

// whole is how many of n bytes at offset in the dump are in pages that the
// file has to their end.
func (c *ELFCore) whole(offset int64, n uint64) uint64 {
	first, page := c.reader.layout.PageOffset(0), c.reader.layout.PageSize
	end := first + (c.reader.size-first)/page*page
	return uint64(max(0, min(int64(n), end-offset)))
}

// skip is the next address that may be in the file, after one that is not.
func (c *ELFCore) skip(at physmem.Address, err error) physmem.Address {
	if errors.Is(err, ErrRecordedHole) {
		if _, hole := beforeHole(c.reader.holes, at, 1); hole.Range.Contains(at) {
			return hole.Range.End
		}
	}
	available := c.reader.available
	for i := available.after(at); i < len(available.ranges); i++ {
		a := &available.ranges[i]
		page := max(uint64(at)>>available.shift, a.firstPage)
		if page > uint64(at)>>available.shift && c.reader.bitmap.Test(a.bit(page)) {
			return physmem.Address(page << available.shift)
		}
		if bit, ok := c.reader.bitmap.Next(a.bit(page) + 1); ok && bit < a.firstBit+a.pages {
			return physmem.Address((a.firstPage + bit - a.firstBit) << available.shift)
		}
	}
	return physmem.MaxAddress
}

// windowWalk reads the page-table section and joins its leaves to runs.
type windowWalk struct {
	core    *ELFCore
	limit   int
	virtual uint64 // of the run
	run     physmem.Range
}

// walk goes through the whole section, a page at a time.
func (w *windowWalk) walk(ctx context.Context) error {
	h := &w.core.reader.header
	section := w.core.reader.Section(SectionPageTables)
	page := make([]byte, h.PageSize)
	table := make([]byte, h.PageSize)
	unit := uint64(h.PageSize) // of virtual addresses, of one entry
	directories := h.Architecture == AMD64 && h.Version >= 2
	if directories {
		unit = 2 << 20
	}
	va := h.KernelBase
	for at := int64(0); at < section.Size(); at += int64(len(page)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := section.ReadAt(page, at)
		if n < len(page) && err != nil && !errors.Is(err, io.EOF) {
			n = 0 // unreadable tables map nothing
		}
		for i := 0; i+8 <= n; i += 8 {
			entry := binary.LittleEndian.Uint64(page[i:])
			here := va + uint64(i/8)*unit
			switch {
			case here < h.KernelBase:
				w.flush()
				return nil // the end of the address space
			case entry == 0:
			case directories && entry&(amd64Present|amd64LargePage) == amd64Present:
				w.table(here, physmem.Address(entry&amd64PageFrame), table)
			default:
				w.leaf(here, entry, unit)
			}
		}
		va += uint64(len(page)/8) * unit
	}
	w.flush()
	return nil
}

// table goes through an amd64 page table, which is among the dump's pages.
func (w *windowWalk) table(va uint64, at physmem.Address, page []byte) {
	if _, err := w.core.reader.ReadPhysical(page, at); err != nil {
		return
	}
	for i := 0; i < len(page); i += 8 {
		if entry := binary.LittleEndian.Uint64(page[i:]); entry != 0 {
			w.leaf(va+uint64(i/8)*4096, entry, 4096)
		}
	}
}

// leaf adds size bytes at va to the run, or begins a new one.
func (w *windowWalk) leaf(va, entry, size uint64) {
	h := &w.core.reader.header
	var pa physmem.Address
	if h.Architecture == AMD64 {
		if entry&amd64Present == 0 {
			return
		}
		pa = physmem.Address(entry & amd64PageFrame &^ (size - 1))
	} else {
		if entry&3 != 3 || va >= h.DirectMapBase && va < h.DirectMapEnd { // readers look at the direct map first
			return
		}
		pa = physmem.Address(entry & arm64PageFrame &^ (size - 1))
	}
	if pa == w.run.End && va == w.virtual+w.run.Size() && !w.run.IsEmpty() {
		w.run.End += physmem.Address(size)
		return
	}
	w.flush()
	w.virtual, w.run = va, physmem.Range{Start: pa, End: pa + physmem.Address(size)}
}

// flush makes segments of the run.
func (w *windowWalk) flush() {
	if len(w.core.segments) >= w.limit {
		if !w.run.IsEmpty() {
			w.core.omitted++
		}
	} else {
		w.core.add(w.virtual, w.run)
	}
	w.run = physmem.Range{}
}
