package emulator

import (
	"bytes"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// staleLine is memory that is not what the CPUs see.
type staleLine struct {
	physmem.Range
	old []byte
}

// KeepStale has RAM keep in r what it has now, for everybody who is not a CPU:
// devices, and whoever reads the Memory. CPUs go on with what they write, as if it
// stayed in their caches for ever.
func (m *Memory) KeepStale(r physmem.Range) error {
	old := make([]byte, r.Size())
	if _, err := m.ReadPhysical(old, r.Start); err != nil {
		return err
	}
	m.stale = append(m.stale, staleLine{r, bytes.Clone(old)})
	return nil
}

func (m *Memory) isStale(r physmem.Range) bool {
	for _, s := range m.stale {
		if s.Overlaps(r) {
			return true
		}
	}
	return false
}

// overlayStale puts what is stale over what was read at an address.
func (m *Memory) overlayStale(p []byte, at physmem.Address) {
	if len(m.stale) == 0 {
		return
	}
	read := physmem.Range{Start: at, End: at + physmem.Address(len(p))}
	for _, s := range m.stale {
		if both := s.Intersect(read); !both.IsEmpty() {
			copy(p[both.Start-at:], s.old[both.Start-s.Start:][:both.Size()])
		}
	}
}
