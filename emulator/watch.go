package emulator

import "github.com/seed64aab995/rescuekernel/physmem"

// Kind is what an access does. Kinds can be joined by |.
type Kind uint8

// The kinds of accesses.
const (
	Read Kind = 1 << iota
	Write
)

// Cause is who makes an access.
type Cause uint8

// The causes of accesses.
const (
	Instruction Cause = iota // a load or store of an instruction
	Tables                   // the CPU itself, in page tables and descriptor tables
	DMA                      // a device, or the test process
)

// Access is one access to watched memory. One that crosses a page is two.
type Access struct {
	Kind    Kind
	Cause   Cause
	CPU     int    // -1 for DMA
	PC      uint64 // the instruction's virtual address
	Virtual uint64 // where the instruction accessed; 0 for Tables and DMA
	Address physmem.Address
	Size    int
	Value   uint64 // what is written, up to 8 bytes of it
}

// Watch is a watch point on physical memory. Accesses to the pages it covers
// are slow, all others as fast as without it.
type Watch struct {
	Ranges physmem.Ranges
	Kinds  Kind

	// Seen is called before an access to Ranges is made. False drops a write:
	// the store has no effect. What it gives for reads has no meaning.
	Seen func(Access) bool
}

// Watch adds a watch point.
func (m *Memory) Watch(w *Watch) {
	m.watches = append(m.watches, w)
	m.moved()
}

// Unwatch takes a watch point away.
func (m *Memory) Unwatch(w *Watch) {
	for i, other := range m.watches {
		if other == w {
			m.watches = append(m.watches[:i:i], m.watches[i+1:]...)
			m.moved()
			return
		}
	}
}

// Watched reports whether accesses of a kind to the page of a are to be
// reported.
func (m *Memory) Watched(a physmem.Address, kind Kind) bool {
	if len(m.watches) == 0 {
		return false
	}
	page := physmem.Range{Start: a.AlignDown(PageSize), End: a.AlignDown(PageSize) + PageSize}
	for _, w := range m.watches {
		if w.Kinds&kind != 0 && w.Ranges.Overlaps(page) {
			return true
		}
	}
	return false
}

// Report tells the watch points of an access. False is a write to be dropped.
func (m *Memory) Report(a Access) bool {
	keep := true
	touched := physmem.Range{Start: a.Address, End: a.Address + physmem.Address(a.Size)}
	for _, w := range m.watches {
		if w.Kinds&a.Kind != 0 && w.Ranges.Overlaps(touched) {
			keep = w.Seen(a) && keep
		}
	}
	return keep
}
