package minidump

import (
	"encoding/binary"
	"sync"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// patternMemory is physical memory whose every byte is known: where nothing
// was written it holds a pattern made from the address, so that a page at a
// wrong place is seen. Every fourth page is zero, as most memory is.
type patternMemory struct {
	ram     []physmem.Range // where there is memory
	seed    uint64
	mu      sync.Mutex
	written map[physmem.Address][]byte // by page of 4096 bytes
	refuse  []physmem.Range            // reads that touch these fail
	reads   int                        // how many ReadPhysical came
}

const patternPage = 4096

// page fills p, one page of 4096 bytes, with what stands at address.
func (m *patternMemory) page(p []byte, address physmem.Address) {
	if w, ok := m.written[address]; ok {
		copy(p, w)
		return
	}
	number := uint64(address) / patternPage
	if number%4 == 3 {
		clear(p)
		return
	}
	word := (number ^ m.seed) * 0x9e3779b97f4a7c15
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], word+uint64(i))
	}
}

func (m *patternMemory) ReadPhysical(p []byte, address physmem.Address) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	var page [patternPage]byte
	n := 0
	for n < len(p) {
		at := address + physmem.Address(n)
		base := at.AlignDown(patternPage)
		limit := m.limit(at)
		if limit == at {
			rest := physmem.Range{Start: at, End: address + physmem.Address(len(p))}
			return n, &physmem.AccessError{Operation: "read", Range: rest, Err: physmem.ErrOutside}
		}
		m.page(page[:], base)
		end := min(uint64(patternPage), uint64(limit-base))
		n += copy(p[n:], page[at-base:end])
	}
	return n, nil
}

// limit is the end of what can be read in one piece from at.
func (m *patternMemory) limit(at physmem.Address) physmem.Address {
	for _, r := range m.ram {
		if !r.Contains(at) {
			continue
		}
		end := r.End
		for _, bad := range m.refuse {
			if bad.Contains(at) {
				return at
			}
			if bad.Start > at {
				end = min(end, bad.Start)
			}
		}
		return end
	}
	return at
}

// write puts p into memory, RAM or not.
func (m *patternMemory) write(p []byte, address physmem.Address) {
	for len(p) > 0 {
		base := address.AlignDown(patternPage)
		page, ok := m.written[base]
		if !ok {
			page = make([]byte, patternPage)
			m.page(page, base)
			m.written[base] = page
		}
		n := copy(page[address-base:], p)
		p, address = p[n:], address+physmem.Address(n)
	}
}
