package physmem

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// ErrReadOnly says that memory cannot be written.
var ErrReadOnly = errors.New("read-only")

// FileExtent says that the memory of Range is found at Offset of a file.
type FileExtent struct {
	Range  Range
	Offset int64
}

// File is memory that lies in a file: the segments of an ELF core, a machine's
// RAM image. A file that ends early is memory that cannot be read, with
// io.ErrUnexpectedEOF as the cause.
//
// File adds no locks to the file's own: reads and writes may come from any
// goroutine where the file's ReadAt and WriteAt allow that, as *os.File does.
type File struct {
	reader  io.ReaderAt
	writer  io.WriterAt // nil: read-only
	extents []FileExtent
}

var _ Memory = (*File)(nil)

// NewFile makes memory of extents of r, in any order. Extents that overlap in
// memory are an error; in the file they may, and what is shared is then seen
// at each address. If r is an io.WriterAt too, the memory can be written.
func NewFile(r io.ReaderAt, extents ...FileExtent) (*File, error) {
	sorted := make([]FileExtent, 0, len(extents))
	for _, e := range extents {
		if e.Range.IsEmpty() {
			continue
		}
		if e.Offset < 0 || e.Range.Size() > math.MaxInt64-uint64(e.Offset) {
			return nil, fmt.Errorf("file memory: %v at offset %#x: no such offset in a file", e.Range, e.Offset)
		}
		sorted = append(sorted, e)
	}
	slices.SortStableFunc(sorted, func(a, b FileExtent) int {
		switch {
		case a.Range.Start < b.Range.Start:
			return -1
		case a.Range.Start > b.Range.Start:
			return 1
		}
		return 0
	})
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1].Range, sorted[i].Range; a.Overlaps(b) {
			return nil, fmt.Errorf("file memory: %v overlaps %v", a, b)
		}
	}
	writer, _ := r.(io.WriterAt)
	return &File{r, writer, sorted}, nil
}

// Ranges is where the memory lies.
func (f *File) Ranges() Ranges {
	list := make([]Range, len(f.extents))
	for i, e := range f.extents {
		list[i] = e.Range
	}
	return NewRanges(list...)
}

// locate finds address in the file: its offset and how many bytes follow in
// its extent; 0 where there is no memory.
func (f *File) locate(address Address) (offset int64, length uint64) {
	low, high := 0, len(f.extents)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if f.extents[middle].Range.End <= address {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(f.extents) || address < f.extents[low].Range.Start {
		return 0, 0
	}
	e := &f.extents[low]
	return e.Offset + int64(address-e.Range.Start), uint64(e.Range.End - address)
}

// ReadPhysical implements Reader.
func (f *File) ReadPhysical(p []byte, address Address) (int, error) {
	for done := 0; done < len(p); {
		offset, length := f.locate(address + Address(done))
		if length == 0 {
			return done, accessFailure("read", address, done, len(p), ErrOutside)
		}
		part := p[done:]
		if uint64(len(part)) > length {
			part = part[:length]
		}
		n, err := f.reader.ReadAt(part, offset)
		n = min(max(n, 0), len(part))
		done += n
		if n < len(part) { // io.ReaderAt: then err is not nil
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return done, accessFailure("read", address, done, len(p), err)
		}
	}
	return len(p), nil
}

// WritePhysical implements Writer.
func (f *File) WritePhysical(p []byte, address Address) (int, error) {
	if f.writer == nil && len(p) > 0 {
		return 0, accessFailure("write", address, 0, len(p), ErrReadOnly)
	}
	for done := 0; done < len(p); {
		offset, length := f.locate(address + Address(done))
		if length == 0 {
			return done, accessFailure("write", address, done, len(p), ErrOutside)
		}
		part := p[done:]
		if uint64(len(part)) > length {
			part = part[:length]
		}
		n, err := f.writer.WriteAt(part, offset)
		n = min(max(n, 0), len(part))
		done += n
		if n < len(part) {
			if err == nil {
				err = io.ErrShortWrite
			}
			return done, accessFailure("write", address, done, len(p), err)
		}
	}
	return len(p), nil
}
