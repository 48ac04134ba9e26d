package physmem

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// ExtentReader shows a list of physical ranges, one after the other in the
// list's order, as one stream of bytes: a structure that is contiguous for its
// owner and scattered in physical memory. It may be read from any goroutine,
// as its Reader may.
type ExtentReader struct {
	reader  Reader
	extents []Range
	ends    []int64 // stream offset at which each extent ends
}

var _ io.ReaderAt = (*ExtentReader)(nil)

// NewExtentReader makes the stream of extents of r. Empty extents count for
// nothing; extents may repeat and overlap. A stream has at most MaxInt64
// bytes: what is beyond is not in it.
func NewExtentReader(r Reader, extents []Range) *ExtentReader {
	e := &ExtentReader{reader: r}
	var size int64
	for _, x := range extents {
		if x.IsEmpty() {
			continue
		}
		if room := uint64(math.MaxInt64 - size); x.Size() > room {
			x.End = x.Start + Address(room)
		}
		if x.IsEmpty() {
			break
		}
		size += int64(x.Size())
		e.extents = append(e.extents, x)
		e.ends = append(e.ends, size)
	}
	return e
}

// Size is the length of the stream in bytes.
func (e *ExtentReader) Size() int64 {
	if len(e.ends) == 0 {
		return 0
	}
	return e.ends[len(e.ends)-1]
}

// Extents is a copy of the list, without its empty ranges.
func (e *ExtentReader) Extents() []Range { return slices.Clone(e.extents) }

// Locate is the physical address of the byte at offset, and how many bytes of
// the stream follow it without a break, itself included; 0 bytes where offset
// is outside of the stream.
func (e *ExtentReader) Locate(offset int64) (address Address, length uint64) {
	if offset < 0 || offset >= e.Size() {
		return 0, 0
	}
	i, found := slices.BinarySearch(e.ends, offset)
	if found {
		i++
	}
	x := e.extents[i]
	length = uint64(e.ends[i] - offset)
	return x.End - Address(length), length
}

// ReadAt implements io.ReaderAt. At the end of the stream it gives io.EOF, and
// where the memory cannot be read the Reader's error.
func (e *ExtentReader) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read extents at offset %d: %w", offset, errNegativeOffset)
	}
	for done := 0; done < len(p); {
		address, length := e.Locate(offset + int64(done))
		if length == 0 {
			return done, io.EOF
		}
		part := p[done:]
		if uint64(len(part)) > length {
			part = part[:length]
		}
		n, err := e.reader.ReadPhysical(part, address)
		n = min(max(n, 0), len(part))
		done += n
		if n < len(part) {
			if err == nil {
				err = accessFailure("read", address, n, len(part), ErrOutside)
			}
			return done, err
		}
	}
	return len(p), nil
}

var errNegativeOffset = errors.New("negative offset")
