package minidump

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxDumpAvailRead caps what is read of dump_avail; FreeBSD's is one page.
const maxDumpAvailRead = maxDumpAvailRanges * 16

// bitmapBlock is how much of a bitmap is read at a time.
const bitmapBlock = 256 << 10

// openMinidump reads the sections of a minidump that begins with start.
func (r *Reader) openMinidump(start []byte) error {
	h, err := ParseHeader(start)
	if err != nil {
		return err
	}
	r.format, r.header = FormatMinidump, *h
	r.layout = NewLayout(h, 0)
	if err := r.openDumpAvail(); err != nil {
		return err
	}
	if err := r.openBitmap(); err != nil {
		return err
	}
	r.layout = NewLayout(h, r.bitmap.Count())
	pages := &minidumpPages{
		layout: r.layout, size: r.size, available: r.available, bitmap: r.bitmap,
		mask: uint64(h.PageSize) - 1,
	}
	r.store = pages
	if r.size < r.ExpectedSize() {
		r.problem(r.cutError())
	}
	if !r.options.ignoreNotes {
		r.openNotes(start)
		pages.holes = r.holes
	}
	r.virtual = newSectionSpace(r)
	return nil
}

// cutError names the section in which the file ends too early.
func (r *Reader) cutError() error {
	s, _ := r.layout.Find(r.size)
	return &FormatError{Section: s, Offset: r.size, Field: "file size", Value: uint64(r.size), Err: ErrTruncated,
		Detail: fmt.Sprintf("expected at least %d bytes", r.ExpectedSize())}
}

// openDumpAvail reads dump_avail, or makes the flat one of old versions.
func (r *Reader) openDumpAvail() error {
	h := &r.header
	if !h.HasDumpAvail() {
		d, err := NewFlatDumpAvail(h.PageSize, uint64(h.BitmapSize)*8)
		r.available = d
		return err
	}
	e := r.layout.Sections[SectionDumpAvail]
	data, readErr := r.readSection(SectionDumpAvail, maxDumpAvailRead)
	width := 8
	if h.Architecture == ARM {
		width = 4 // its vm_paddr_t
	}
	d, err := ParseDumpAvail(data, h.ByteOrder(), width, h.PageSize)
	if d == nil {
		return err
	}
	r.available = d
	if err != nil {
		if readErr != nil {
			err = readErr
		}
		r.problem(&FormatError{Section: SectionDumpAvail, Offset: e.Offset, Field: "size", Value: uint64(len(data)), Err: err,
			Detail: fmt.Sprintf("%d ranges can be used", d.NumRanges())})
		r.available.damaged = true
	}
	return nil
}

// readSection reads at most limit bytes of what a section uses. Where the file
// ends early, or cannot be read, it returns what there is and the error.
func (r *Reader) readSection(s Section, limit int64) ([]byte, error) {
	e := r.layout.Sections[s]
	want := min(e.Used, limit)
	have := max(0, min(want, r.size-e.Offset))
	data := make([]byte, have)
	n, err := r.file.ReadAt(data, e.Offset)
	switch {
	case n == len(data) && have == want:
		return data, nil
	case n == len(data) || errors.Is(err, io.EOF):
		err = ErrTruncated
	}
	return data[:n], err
}

// openBitmap reads the page bitmap and indexes it.
//
// A file tells its bitmap's size, so nothing is allocated beyond the size of
// the file, the ranges' number of pages and the limit.
func (r *Reader) openBitmap() error {
	e := r.layout.Sections[SectionBitmap]
	need := (min(r.available.Pages(), uint64(e.Used)*8) + 63) / 64 * 8
	// The last word may reach into the padding (versions without dump_avail).
	have := uint64(max(0, min(e.Length, r.size-e.Offset)))
	size := int64(min(need, have))
	if size > r.options.maxBitmapSize {
		return &FormatError{Section: SectionBitmap, Offset: e.Offset, Field: "bitmapsize", Value: uint64(e.Used), Err: ErrTooLarge,
			Detail: fmt.Sprintf("%d bytes of it are needed, the limit is %d", size, r.options.maxBitmapSize)}
	}
	bits := min(r.available.Pages(), uint64(size)*8)
	var err error
	r.bitmap, err = readBitmap(io.NewSectionReader(r.file, e.Offset, size), bits, r.header.ByteOrder())
	if err != nil {
		// Without a block the rank of all later pages is unknown.
		r.problem(&FormatError{Section: SectionBitmap, Offset: e.Offset + int64(r.bitmap.Len()/8), Field: "bits", Value: r.bitmap.Len(), Err: err})
	}
	if missing := r.available.Pages() - r.bitmap.Len(); missing > 0 && err == nil && r.size >= e.Offset+e.Used {
		r.problem(&FormatError{Section: SectionBitmap, Offset: e.Offset, Field: "bitmapsize", Value: uint64(e.Used), Err: ErrDamaged,
			Detail: fmt.Sprintf("%d pages of dump_avail have no bit", missing)})
	}
	return nil
}

// readBitmap reads and indexes so many bits, block by block, so that a block
// is counted while it is in the processor's cache. Of a last word that is not
// whole nothing is used. With an error it returns the bits before.
func readBitmap(file io.ReaderAt, n uint64, order binary.ByteOrder) (*BitmapSnapshot, error) {
	words := make([]uint64, (n+63)/64)
	index := newRankIndex(len(words))
	buffer := make([]byte, min(len(words)*8, bitmapBlock))
	for i := 0; i < len(words); {
		block := buffer[:min(len(buffer), (len(words)-i)*8)]
		m, err := file.ReadAt(block, int64(i)*8)
		read := words[i : i+m/8]
		decodeWords(read, block, order)
		i += len(read)
		if i == len(words) && n%64 != 0 {
			words[i-1] &= 1<<(n%64) - 1
		}
		index.add(read)
		if m < len(block) {
			return &BitmapSnapshot{words: words[:i], bits: uint64(i) * 64, rankIndex: *index}, fmt.Errorf("read bitmap: %w", err)
		}
	}
	return &BitmapSnapshot{words: words, bits: n, rankIndex: *index}, nil
}

// decodeWords decodes the words in b.
func decodeWords(words []uint64, b []byte, order binary.ByteOrder) {
	if order == binary.BigEndian {
		for i := range words {
			words[i] = binary.BigEndian.Uint64(b[i*8:])
		}
		return
	}
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[i*8 : i*8+8])
	}
}
