package minidump

import (
	"context"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// SpaceClass is a class of a dump's bytes.
type SpaceClass uint8

// The classes. Zero pages are told from others only when pages are read.
const (
	SpaceHeader SpaceClass = iota
	SpaceMessageBuffer
	SpaceDumpAvail
	SpaceBitmap
	SpacePageTables
	SpacePages
	SpaceZeroPages
	SpaceTrailing
	spaceClasses
)

var spaceClassNames = [...]string{"header", "message_buffer", "dump_avail", "bitmap", "page_tables", "pages", "zero_pages", "trailing"}

// String returns the class as one word, which is stable.
func (c SpaceClass) String() string {
	if int(c) < len(spaceClassNames) {
		return spaceClassNames[c]
	}
	return "unknown"
}

// Space is where the bytes of a file went.
type Space struct {
	// Bytes of each class that are in the file. Their sum is the file's size
	// but where the segments of a full dump overlap in the file or leave gaps.
	Bytes [spaceClasses]int64
	// Missing are the bytes of pages that the file should have and has not.
	Missing int64
	// Scanned says that pages were read, so that SpaceZeroPages is known.
	Scanned bool
	// Unreadable are bytes of pages that a scan could not read.
	Unreadable int64
}

// Classes returns the names of the classes, in order.
func Classes() []SpaceClass {
	classes := make([]SpaceClass, spaceClasses)
	for i := range classes {
		classes[i] = SpaceClass(i)
	}
	return classes
}

// Space returns where the bytes of the file went, from its layout alone.
func (r *Reader) Space() Space {
	var s Space
	for section, e := range r.layout.Sections {
		if Section(section) == SectionPages {
			break
		}
		s.Bytes[section] = max(0, min(e.Length, r.size-e.Offset))
	}
	for run, offset := range r.Runs() {
		size := int64(run.Size())
		have := max(0, min(size, r.size-offset))
		s.Bytes[SpacePages] += have
		s.Missing += size - have
	}
	s.Bytes[SpaceTrailing] = max(0, r.size-r.ExpectedSize())
	return s
}

// Progress is called from long work with how much of its bytes are done.
type Progress func(done, total int64)

// scanBuffer is how much is read at a time when pages are scanned.
const scanBuffer = 1 << 20

// ScanSpace is Space, and reads every page to tell which are zero. It stops
// with the context's error. Progress may be nil.
func (r *Reader) ScanSpace(ctx context.Context, progress Progress) (Space, error) {
	s := r.Space()
	s.Scanned = true
	page := int64(r.header.PageSize)
	err := r.scanPages(ctx, progress, func(_ physmem.Address, data []byte, err error) {
		switch {
		case err != nil:
			s.Unreadable += page
		case isZero(data):
			s.Bytes[SpaceZeroPages] += int64(len(data))
			s.Bytes[SpacePages] -= int64(len(data))
		}
	})
	return s, err
}

// scanPages reads the pages that are in the file, in its order, a buffer at a
// time, and calls visit for each. A buffer that cannot be read is read again
// page by page, so that visit sees which page it is.
func (r *Reader) scanPages(ctx context.Context, progress Progress, visit func(physmem.Address, []byte, error)) error {
	page := int64(r.header.PageSize)
	buffer := make([]byte, scanBuffer)
	total := int64(0)
	for run, offset := range r.Runs() {
		total += max(0, min(int64(run.Size()), r.size-offset))
	}
	done := int64(0)
	for run, offset := range r.Runs() {
		end := min(offset+int64(run.Size()), r.size)
		for at := offset; at < end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			piece := buffer[:min(int64(len(buffer)), end-at)]
			address := run.Start + physmem.Address(at-offset)
			n, err := r.file.ReadAt(piece, at)
			whole := n == len(piece)
			for i := int64(0); i < int64(len(piece)); i += page {
				one := piece[i:min(i+page, int64(len(piece)))]
				if !whole {
					n, err = r.file.ReadAt(one, at+i)
				}
				if whole || n == len(one) {
					visit(address+physmem.Address(i), one, nil)
				} else {
					visit(address+physmem.Address(i), nil, err)
				}
			}
			at += int64(len(piece))
			done += int64(len(piece))
			if progress != nil {
				progress(done, total)
			}
		}
	}
	return ctx.Err()
}

// isZero reports whether all of b is zero.
func isZero(b []byte) bool {
	const word = 64
	var zeros [word]byte
	for ; len(b) >= word; b = b[word:] {
		if [word]byte(b[:word]) != zeros {
			return false
		}
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
