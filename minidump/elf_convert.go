package minidump

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// conversionBlock is how much a conversion reads and writes at a time.
const conversionBlock = 1 << 20

// Conversion reports what a conversion has written.
type Conversion struct {
	Written int64 // bytes
	// Holes are pages that the dump should have and its file did not give:
	// they are zeros in what was written. HolesOmitted counts those that are
	// not in the list.
	Holes        []Hole
	HolesOmitted uint64
	// Marked says that Holes are in the dump notes of what was written.
	Marked bool
}

// maximumConversionHoles caps Conversion.Holes.
const maximumConversionHoles = 4096

// stream copies size bytes of from to w. Reads that fail are tried again page
// by page; inside tells, for an offset in from, the offset in the dump, and is
// negative outside of pages, where a failure is an error.
func (r *Reader) stream(ctx context.Context, w io.Writer, from io.ReaderAt, size int64, inside func(int64) int64, progress Progress) (Conversion, error) {
	var report Conversion
	buffer := make([]byte, conversionBlock)
	for report.Written < size {
		if err := ctx.Err(); err != nil {
			return report, fmt.Errorf("stopped after %d bytes of %d: %w", report.Written, size, err)
		}
		p := buffer[:min(int64(len(buffer)), size-report.Written)]
		if n, err := from.ReadAt(p, report.Written); n < len(p) {
			if err := r.retry(p, from, report.Written, inside, &report, err); err != nil {
				return report, err
			}
		}
		n, err := w.Write(p)
		report.Written += int64(min(max(n, 0), len(p)))
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return report, fmt.Errorf("write at offset %#x: %w", report.Written, err)
		}
		if progress != nil {
			progress(report.Written, size)
		}
	}
	return report, nil
}

// retry fills p by pages. What comes before the pages must be there.
func (r *Reader) retry(p []byte, from io.ReaderAt, offset int64, inside func(int64) int64, report *Conversion, cause error) error {
	size := int64(r.PageSize())
	for len(p) > 0 {
		n := min(int64(len(p)), size-offset%size)
		m, err := from.ReadAt(p[:n], offset)
		if int64(m) < n {
			at := inside(offset)
			if at < r.layout.PageOffset(0) {
				if err == nil {
					err = cause
				}
				return fmt.Errorf("read at offset %#x: %w", offset+int64(m), err)
			}
			clear(p[:n])
			report.addHole(r.pageAt(at))
		}
		p, offset = p[n:], offset+n
	}
	return nil
}

// pageAt is the page at an offset in the dump.
func (r *Reader) pageAt(offset int64) physmem.Range {
	rank := uint64(offset-r.layout.PageOffset(0)) / uint64(r.layout.PageSize)
	bit, _ := r.bitmap.Select(rank)
	address, _ := r.available.Address(bit)
	return physmem.Range{Start: address, End: address + physmem.Address(r.layout.PageSize)}
}

// addHole adds a page to the holes.
func (c *Conversion) addHole(page physmem.Range) {
	if n := len(c.Holes); n > 0 && c.Holes[n-1].Range.End == page.Start {
		c.Holes[n-1].Range.End = page.End
		return
	}
	if len(c.Holes) == maximumConversionHoles {
		c.HolesOmitted++
		return
	}
	c.Holes = append(c.Holes, Hole{Range: page, Reason: HoleUnreadable})
}

// CopyMinidump writes the dump of r as a plain minidump to w, as far as its
// file goes: of a file that was cut, whole pages up to the cut, so that what
// is written is seen to be cut too. Pages that the file fails to give become
// zeros and holes of the report; if the dump has notes and w is an
// io.WriterAt, the notes are written again with these holes (Marked). A
// failure ahead of the pages is an error. Progress and ctx are as for
// ELFCore.Convert; ended early, what was written is a minidump that was cut.
func (r *Reader) CopyMinidump(ctx context.Context, w io.Writer, progress Progress) (Conversion, error) {
	if r.format != FormatMinidump {
		return Conversion{}, fmt.Errorf("copy minidump: not a minidump: %w", ErrUnsupported)
	}
	size := min(r.size, r.layout.Size())
	if first := r.layout.PageOffset(0); size > first {
		size -= (size - first) % r.layout.PageSize
	}
	report, err := r.stream(ctx, w, r.file, size, func(offset int64) int64 { return offset }, progress)
	if err != nil {
		return report, fmt.Errorf("copy minidump: %w", err)
	}
	if len(report.Holes) > 0 {
		if at, ok := w.(io.WriterAt); ok {
			if report.Marked, err = r.markHoles(at, &report); err != nil {
				return report, fmt.Errorf("copy minidump: mark holes: %w", err)
			}
		}
	}
	return report, nil
}

// markHoles writes the notes of the copy again, with the holes of report.
func (r *Reader) markHoles(w io.WriterAt, report *Conversion) (bool, error) {
	pointer, ok := r.NotesPointer()
	if !ok || r.notes == nil {
		return false, nil
	}
	notes := *r.notes
	notes.Holes = normaliseHoles(append(slices.Clone(notes.Holes), report.Holes...))
	notes.HolesOmitted += report.HolesOmitted
	area, err := EncodeNotes(&notes, int(pointer.Size))
	if err != nil {
		return false, nil //nolint:nilerr // no room: the report says that it is not marked
	}
	page := int(r.layout.PageSize)
	for at := 0; at < len(area); at += page {
		bit, ok := r.available.Index(pointer.Address + physmem.Address(at))
		if !ok || !r.bitmap.Test(bit) {
			return false, nil
		}
		if _, err := w.WriteAt(area[at:min(len(area), at+page)], r.layout.PageOffset(r.bitmap.Rank(bit))); err != nil {
			return false, err
		}
	}
	return true, nil
}
