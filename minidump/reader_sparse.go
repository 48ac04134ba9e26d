package minidump

import (
	"os"
	"runtime"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// DataFinder knows which parts of a file were ever written. NextData returns
// the first such part [start, end) that ends after offset; start is at or
// beyond the file's size where there is none.
type DataFinder interface {
	NextData(offset int64) (start, end int64, err error)
}

// WithDataFinder lets Holes list the pages that a sparse file never stored.
// They still read as zeros: FreeBSD's savecore makes zero blocks so, and they
// cannot be told from those that a copy has lost.
func WithDataFinder(d DataFinder) Option { return func(o *options) { o.data = d } }

// FileData is the DataFinder of a file on systems that have SEEK_DATA and
// SEEK_HOLE (lseek(2) of FreeBSD, Linux and Darwin); elsewhere, and on file
// systems that cannot tell, it says that all is data. It moves the file's
// offset, which reading at offsets does not use.
func FileData(f *os.File) DataFinder { return fileData{f} }

type fileData struct{ file *os.File }

func (d fileData) NextData(offset int64) (start, end int64, err error) {
	info, err := d.file.Stat()
	if err != nil {
		return 0, 0, err
	}
	seekData, seekHole := 3, 4
	switch runtime.GOOS {
	case "darwin", "ios":
		seekData, seekHole = 4, 3
	case "linux", "freebsd", "android", "solaris", "illumos", "dragonfly":
	default:
		return offset, info.Size(), nil
	}
	end, err = d.file.Seek(offset, seekHole)
	if err != nil { // cannot tell, or beyond the end
		return offset, info.Size(), nil
	}
	if start, err = d.file.Seek(offset, seekData); err != nil {
		return info.Size(), info.Size(), nil // ENXIO: no data behind offset
	}
	if start >= end {
		if end, err = d.file.Seek(start, seekHole); err != nil {
			end = info.Size()
		}
	}
	return start, end, nil
}

// sparsePages yields the memory that lies in no data of the file.
func (r *Reader) sparsePages(yield func(Hole) bool) bool {
	if r.options.data == nil {
		return true
	}
	start, end, more := int64(0), int64(0), true
	r.store.runs(func(run physmem.Range, offset int64) bool {
		limit := min(offset+int64(run.Size()), r.size)
		for at := offset; at < limit && more; {
			if at >= end {
				var err error
				if start, end, err = r.options.data.NextData(at); err != nil || start >= end && start < r.size {
					more = false // cannot tell any more
					return false
				}
				if start >= r.size {
					end = r.size
				}
			}
			if at < start {
				gap := min(start, limit)
				first := run.Start + physmem.Address(at-offset)
				more = yield(Hole{physmem.Range{Start: first, End: first + physmem.Address(gap-at)}, HoleSparse})
			}
			at = max(at, min(end, limit))
		}
		return more
	})
	return more
}
