package minidump

import "io"

const (
	// streamBuffer is what WriteTo gathers of scattered pages for one Write. It is
	// a part of what a rescue program in 8 MiB has.
	streamBuffer = 64 << 10
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
		p, gather := d.lent()
		if p == nil {
			if d.buffer == nil {
				d.buffer = make([]byte, streamBuffer)
			}
			n, _ := d.ReadAt(d.buffer[:gather], d.offset)
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

// lent is the dump from the offset on as memory that is lent. Where there is
// none, or not enough in a row, it is nil, and gather says how much to read
// into the buffer: up to where there is.
func (d *Dumper) lent() (p []byte, gather int64) {
	size := d.layout.PageSize
	// End at a multiple of the buffer, so that a resumed stream comes back into
	// step and pages are not read in two parts.
	gather = streamBuffer - d.offset%streamBuffer
	inside := d.offset - d.layout.PageOffset(0)
	if d.viewer == nil || inside < 0 || inside%size != 0 {
		return nil, gather
	}
	rank := uint64(inside / size)
	bit, ok := d.bitmap.Select(rank)
	for before := int64(0); ok && before < gather; {
		at, n := d.run(bit, lentLimit/uint64(size))
		if n >= lentPages {
			switch v := d.view(at, n, &d.failures); {
			case v == nil:
			case before > 0:
				return nil, before
			default:
				d.covered(rank, rank+n)
				return v, 0
			}
		}
		before += int64(n) * size
		bit, ok = d.bitmap.Next(bit + n)
	}
	return nil, gather
}
