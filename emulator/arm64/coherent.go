package arm64

import (
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Coherent is the memory as a CPU with its caches on sees it, for devices whose
// DMA is coherent. Writes go to the memory beneath too.
func (k *Caches) Coherent() physmem.Memory { return coherent{k} }

type coherent struct{ caches *Caches }

// ReadPhysical implements physmem.Reader.
func (m coherent) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	n, err := m.caches.memory.ReadPhysical(p, a)
	m.lines(a, n, func(at physmem.Address, from, to int) {
		for _, level := range []cacheLevel{m.caches.data, m.caches.unified} {
			if page := level[uint64(at)>>pageShift]; page != nil && page.valid>>lineOf(uint64(at))&1 != 0 {
				copy(p[from:to], page.bytes[at%pageSize:])
				return
			}
		}
	})
	return n, err
}

// WritePhysical implements physmem.Writer.
func (m coherent) WritePhysical(p []byte, a physmem.Address) (int, error) {
	m.lines(a, len(p), func(at physmem.Address, from, to int) {
		m.caches.maintain(uint64(at), lineClean|lineInvalidate)
	})
	return m.caches.memory.WritePhysical(p, a)
}

const pageSize = pageMask + 1

// lines calls f with every line that n bytes at a touch, and which of the bytes.
func (m coherent) lines(a physmem.Address, n int, f func(at physmem.Address, from, to int)) {
	for done := 0; done < n; {
		at := a + physmem.Address(done)
		size := min(n-done, int(lineSize-at%lineSize))
		f(at, done, done+size)
		done += size
	}
}
