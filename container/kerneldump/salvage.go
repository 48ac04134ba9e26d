package kerneldump

import (
	"fmt"
	"io"
)

// salvage looks for the leading header of a dump that has no trailing one.
func salvage(r io.ReaderAt, size int64, sectors []int, o FindOptions) (*Dump, error) {
	s := salvager{r: r, size: size, sectors: sectors}
	for _, off := range append(o.LeadingAt, ReservedSize, 0) {
		s.try(off)
	}
	limit := o.ScanLimit
	if limit == 0 {
		limit = DefaultScanLimit
	}
	if limit < 0 || limit >= size/2 {
		s.scan(0, size)
	} else {
		s.scan(0, limit)
		s.scan((size-limit)/HeaderSize*HeaderSize, size)
	}
	if s.best == nil && s.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDump, s.err)
	}
	return s.best, nil
}

type salvager struct {
	r       io.ReaderAt
	size    int64
	sectors []int
	best    *Dump
	err     error
}

// scan looks at every 512 bytes of [start, end). Ranges that cannot be read
// are passed over: a disk with a bad sector may still hold a dump.
func (s *salvager) scan(start, end int64) {
	buf := make([]byte, min(1<<20, max(end-start, 0)))
	for off := start; off+HeaderSize <= end; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), end-off)]
		n, err := s.r.ReadAt(b, off)
		if n < len(b) && err != io.EOF && s.err == nil {
			s.err = &DeviceError{Operation: "scan for leading header", Offset: off, Size: len(b), Err: err}
		}
		for i := 0; i+HeaderSize <= n; i += HeaderSize {
			if b[i] == 'F' { // of "FreeBSD Kernel Dump"
				s.consider(b[i:i+HeaderSize], off+int64(i))
			}
		}
	}
}

// try looks at one offset.
func (s *salvager) try(off int64) {
	var b [HeaderSize]byte
	if off < 0 || off > s.size-HeaderSize {
		return
	}
	if readFull(s.r, b[:], off, "read leading header") == nil {
		s.consider(b[:], off)
	}
}

// consider takes the header in b, which lies at off, if its sizes put it there
// and it is of a later dump than the best so far.
func (s *salvager) consider(b []byte, off int64) {
	h, err := ParseHeader(b)
	if err != nil || h.Kind != KindKernel || h.Version < HeaderVersion {
		return
	}
	for _, sector := range s.sectors {
		l, err := layoutOf(&h, s.size, sector)
		if err != nil || l.Leading != off || h.BlockSize != uint32(sector) {
			continue
		}
		if s.best == nil || h.Time > s.best.Header.Time {
			s.best = &Dump{Header: h, Layout: l, Problem: ErrNoTrailingHeader}
		}
		return
	}
}
