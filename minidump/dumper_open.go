package minidump

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// openNotes fixes the notes area and sets the bits of its pages.
func (d *Dumper) openNotes(words []uint64) error {
	area := d.source.NotesArea
	if area == (physmem.Range{}) {
		return nil
	}
	size := uint64(d.source.PageSize)
	if area.IsEmpty() || area != area.AlignInward(size) || area.Size() > MaxNotesSize {
		return fmt.Errorf("%w: notes area %v: not whole pages, or more than %d bytes", ErrSource, area, MaxNotesSize)
	}
	for page := area.Start; page < area.End; page += physmem.Address(size) {
		bit, ok := d.available.Index(page)
		if !ok || bit >= d.bits {
			d.marks.add(partNotes, "page %v of the notes area is not in dump_avail: no notes", page)
			return nil
		}
	}
	for page := area.Start; page < area.End; page += physmem.Address(size) {
		bit, _ := d.available.Index(page)
		setBits(words, bit, bit+1)
	}
	d.notesArea = area
	return nil
}

// findHoles lists the parts of dumped pages that are known not to be readable:
// what is outside of the memory map, and what is redacted.
func (d *Dumper) findHoles() {
	readable := physmem.Ranges{{Start: 0, End: physmem.MaxAddress}}
	if d.source.Readable != nil {
		readable = physmem.NewRanges(d.source.Readable...)
	}
	redacted := physmem.NewRanges(d.source.Redact...).Intersect(readable)
	notes := physmem.Ranges{}
	if !d.notesArea.IsEmpty() {
		notes = physmem.Ranges{d.notesArea}
	}
	for i := range d.available.ranges {
		a := &d.available.ranges[i]
		pages := physmem.Ranges{a.outer(d.available.shift)}.Minus(notes)
		d.findDumped(a, pages.Minus(readable), HoleOutside)
		d.findDumped(a, pages.Intersect(redacted), HoleRedacted)
	}
}

// findDumped adds those of parts, which lie in a's pages, that dumped pages
// touch.
func (d *Dumper) findDumped(a *availableRange, parts physmem.Ranges, reason HoleReason) {
	shift := d.available.shift
	for _, part := range parts {
		// By rank, which takes the same time however far the next bit is.
		before := d.bitmap.Rank(a.bit(uint64(part.Start) >> shift))
		after := d.bitmap.Rank(a.bit(uint64(part.End-1)>>shift) + 1)
		if before == after {
			continue
		}
		first, _ := d.bitmap.Select(before)
		last, _ := d.bitmap.Select(after - 1)
		r := physmem.Range{
			Start: max(part.Start, d.addressIn(a, first)),
			End:   min(part.End, d.addressIn(a, last+1)),
		}
		d.known = append(d.known, Hole{Range: r, Reason: reason})
	}
}

// addressIn is the address of a page of a, its end included.
func (d *Dumper) addressIn(a *availableRange, bit uint64) physmem.Address {
	return physmem.Address((a.firstPage + bit - a.firstBit) << d.available.shift)
}

// layOut builds the header and the sections that are kept in memory.
func (d *Dumper) layOut() error {
	var err error
	d.availableSection, d.header.DumpAvailSize = nil, 0
	page := uint64(d.source.PageSize)
	if d.source.hasDumpAvail() {
		if d.availableSection, err = d.available.AppendBinary(nil); err != nil {
			return err
		}
		pad := -uint64(len(d.availableSection)) & (page - 1)
		d.availableSection = append(d.availableSection, make([]byte, pad)...)
		d.header.DumpAvailSize = uint32(len(d.availableSection))
	}
	h := &d.header
	h.Architecture, h.Version, h.PageSize = d.source.Architecture, d.source.Version, uint32(page)
	h.BitmapSize = uint32(roundUp(int64(d.bits+7)/8, int64(page)))
	h.PageTableSize = uint32(d.tables.size)
	h.KernelBase = d.source.KernelBase
	if d.tables.size > 0 {
		h.KernelBase = d.tables.base
	}
	h.DirectMapBase, h.DirectMapEnd = d.source.DirectMapBase, d.source.DirectMapEnd
	if h.Architecture == ARM64 {
		h.DirectMapPhysical = uint64(d.source.DirectMapPhysical)
		if page == PageSize16K {
			h.Flags = FlagPageSize16K
		}
	}
	if d.headerPage, err = h.AppendBinary(make([]byte, 0, page)); err != nil {
		return err
	}
	d.headerPage = d.headerPage[:page]
	if !d.notesArea.IsEmpty() {
		pointer := NotesPointer{Address: d.notesArea.Start, Size: d.notesArea.Size()}
		if _, err = pointer.AppendBinary(d.headerPage[:NotesPointerOffset]); err != nil {
			return err
		}
	}
	d.layout = NewLayout(h, d.bitmap.Count())
	return nil
}
