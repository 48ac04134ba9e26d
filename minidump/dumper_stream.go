package minidump

import "io"

const (
	// streamBuffer is what WriteTo gathers of scattered pages for one Write.
	streamBuffer = 256 << 10
	// lentPages is how many pages in a row make it worth to write lent memory
	// on its own, and lentLimit the most of it for one Write.
	lentPages = 16
	lentLimit = 4 << 20
)

// WriteTo implements io.WriterTo: it writes the dump from the offset of Seek
// on. Long runs of pages that Memory lends go to w without a copy. On an error
// of w the offset is behind what w took, and the next WriteTo goes on there.
func (d *Dumper) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for d.offset < d.Size() {
		p := d.lent()
		if p == nil {
			if d.buffer == nil {
				d.buffer = make([]byte, streamBuffer)
			}
			// End at a multiple of the buffer, so that a resumed stream comes
			// back into step and pages are not read in two parts.
			n, _ := d.ReadAt(d.buffer[:streamBuffer-d.offset%streamBuffer], d.offset)
			p = d.buffer[:n]
		}
		n, err := w.Write(p)
		n = min(max(n, 0), len(p))
		written += int64(n)
		d.offset += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// lent is the dump from the offset on as memory that is lent, or nil.
func (d *Dumper) lent() []byte {
	e := d.layout.Sections[SectionPages]
	if d.viewer == nil || d.offset < e.Offset || (d.offset-e.Offset)%d.layout.PageSize != 0 {
		return nil
	}
	rank := uint64((d.offset - e.Offset) / d.layout.PageSize)
	bit, ok := d.bitmap.Select(rank)
	if !ok {
		return nil
	}
	at, n := d.run(bit, lentLimit/uint64(d.layout.PageSize))
	if n < lentPages {
		return nil
	}
	v := d.view(at, n, &d.failures)
	if v != nil {
		d.covered(rank, rank+n)
	}
	return v
}
