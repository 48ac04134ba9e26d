package physmem

import "sync"

const (
	sparsePage  = 4096
	sparseChunk = 512 * sparsePage // pages are found through chunks of 2 MiB
)

type sparsePages [512]*[sparsePage]byte

// Sparse is memory of any size that holds only what was written: a page is
// made by the first write to it, and reads as zeros before. Its methods may be
// called from any goroutine.
type Sparse struct {
	ranges Ranges

	mu     sync.RWMutex
	chunks map[Address]*sparsePages // by chunk number
}

var (
	_ Memory = (*Sparse)(nil)
	_ Viewer = (*Sparse)(nil)
)

// NewSparse makes memory of zeros in ranges.
func NewSparse(ranges Ranges) *Sparse {
	return &Sparse{ranges: NewRanges(ranges...), chunks: make(map[Address]*sparsePages)}
}

// Ranges is where the memory lies.
func (s *Sparse) Ranges() Ranges { return NewRanges(s.ranges...) }

// Resident is the number of bytes that the pages made so far take.
func (s *Sparse) Resident() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var pages uint64
	for _, chunk := range s.chunks {
		for _, page := range chunk {
			if page != nil {
				pages++
			}
		}
	}
	return pages * sparsePage
}

// available is how many of length bytes from address on are memory without a
// gap. Ranges in normal form do not touch, so it is one range that tells.
func (s *Sparse) available(address Address, length int) int {
	r, ok := s.ranges.Find(address)
	if !ok {
		return 0
	}
	return int(min(uint64(length), uint64(r.End-address)))
}

// ReadPhysical implements Reader.
func (s *Sparse) ReadPhysical(p []byte, address Address) (int, error) {
	available := s.available(address, len(p))
	s.mu.RLock()
	for done := 0; done < available; {
		at := address + Address(done)
		chunk := s.chunks[at/sparseChunk]
		// All of the chunk's part of p in one go: one look-up per 2 MiB.
		end := min(available, done+int(sparseChunk-at%sparseChunk))
		if chunk == nil {
			clear(p[done:end])
			done = end
			continue
		}
		for done < end {
			at = address + Address(done)
			n := min(end-done, int(sparsePage-at%sparsePage))
			if page := chunk[at%sparseChunk/sparsePage]; page != nil {
				copy(p[done:done+n], page[at%sparsePage:])
			} else {
				clear(p[done : done+n])
			}
			done += n
		}
	}
	s.mu.RUnlock()
	if available < len(p) {
		return available, accessFailure("read", address, available, len(p), ErrOutside)
	}
	return available, nil
}

// WritePhysical implements Writer.
func (s *Sparse) WritePhysical(p []byte, address Address) (int, error) {
	available := s.available(address, len(p))
	s.mu.Lock()
	for done := 0; done < available; {
		at := address + Address(done)
		chunk := s.chunks[at/sparseChunk]
		if chunk == nil {
			chunk = new(sparsePages)
			s.chunks[at/sparseChunk] = chunk
		}
		page := &chunk[at%sparseChunk/sparsePage]
		if *page == nil {
			*page = new([sparsePage]byte)
		}
		done += copy((*page)[at%sparsePage:], p[done:available])
	}
	s.mu.Unlock()
	if available < len(p) {
		return available, accessFailure("write", address, available, len(p), ErrOutside)
	}
	return available, nil
}

// ViewPhysical implements Viewer. It lends ranges inside of one 4 KiB page that
// was written before. The view shows later writes, and like any memory must
// not be read while they happen.
func (s *Sparse) ViewPhysical(r Range) []byte {
	offset := r.Start % sparsePage
	if r.IsEmpty() || r.Size() > uint64(sparsePage-offset) || !s.ranges.ContainsRange(r) {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	chunk := s.chunks[r.Start/sparseChunk]
	if chunk == nil {
		return nil
	}
	page := chunk[r.Start%sparseChunk/sparsePage]
	if page == nil {
		return nil
	}
	end := offset + Address(r.Size())
	return page[offset:end:end]
}
