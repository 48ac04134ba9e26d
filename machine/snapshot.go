package machine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Snapshot is a moment of a machine: all RAM and every CPU's state. It shares
// nothing with the machine that it was taken of.
type Snapshot struct {
	Architecture Architecture
	RAM          physmem.Ranges
	CPUs         []State // nil where the runner has lost them (see its documentation)
	Memory       *physmem.Sparse
	Populated    physmem.Ranges // where Memory may be other than zero
}

// TakeSnapshot copies a stopped machine. Only populated is read of its memory:
// what lies outside is known to be zero. For the use of runners.
func TakeSnapshot(m Machine, populated physmem.Ranges) (*Snapshot, error) {
	s := &Snapshot{Architecture: m.Architecture(), RAM: m.RAM(), Memory: physmem.NewSparse(m.RAM())}
	s.Populated = populated.Intersect(s.RAM)
	for cpu := range m.CPUs() {
		state, err := m.State(cpu)
		if err != nil && !errors.Is(err, ErrUnsupported) {
			return nil, fmt.Errorf("snapshot of CPU %d: %w", cpu, err)
		}
		s.CPUs = append(s.CPUs, state)
	}
	if err := CopyMemory(s.Memory, m.Memory(), s.Populated); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return s, nil
}

// copyChunk is how much is copied or compared in one go.
const copyChunk = 1 << 20

var zeroPage [PageSize]byte

// CopyMemory copies ranges of whole pages. Pages of zeros are not written, so
// the destination must be zero there.
func CopyMemory(to physmem.Writer, from physmem.Reader, ranges physmem.Ranges) error {
	buffer := make([]byte, copyChunk)
	return chunks(ranges, func(r physmem.Range) error {
		p, err := view(from, r, buffer)
		if err != nil {
			return err
		}
		for i := 0; i < len(p); i += PageSize {
			page := p[i:min(i+PageSize, len(p))]
			if bytes.Equal(page, zeroPage[:len(page)]) {
				continue
			}
			if _, err := to.WritePhysical(page, r.Start+physmem.Address(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// view gives the bytes of r, lent where memory lends them, read into buffer
// elsewhere.
func view(memory physmem.Reader, r physmem.Range, buffer []byte) ([]byte, error) {
	if v, ok := memory.(physmem.Viewer); ok {
		if p := v.ViewPhysical(r); p != nil {
			return p, nil
		}
	}
	p := buffer[:r.Size()]
	_, err := memory.ReadPhysical(p, r.Start)
	return p, err
}

// Changes compares two memories in ranges and gives the ranges where their
// bytes differ, at most limit of them; 0 is no limit.
func Changes(a, b physmem.Reader, ranges physmem.Ranges, limit int) (physmem.Ranges, error) {
	var found []physmem.Range
	one, two := make([]byte, copyChunk), make([]byte, copyChunk)
	err := chunks(ranges, func(r physmem.Range) error {
		p, err := view(a, r, one)
		if err != nil {
			return err
		}
		q, err := view(b, r, two)
		if err != nil {
			return err
		}
		if limit == 0 || len(found) < limit {
			found = appendChanges(found, p, q, r.Start)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compare memory: %w", err)
	}
	changes := physmem.NewRanges(found...)
	if limit > 0 && len(changes) > limit {
		changes = changes[:limit]
	}
	return changes, nil
}

func appendChanges(found []physmem.Range, p, q []byte, base physmem.Address) []physmem.Range {
	if bytes.Equal(p, q) {
		return found
	}
	for i := 0; i < len(p); i++ {
		if p[i] == q[i] {
			continue
		}
		start := i
		for i < len(p) && p[i] != q[i] {
			i++
		}
		found = append(found, physmem.Range{Start: base + physmem.Address(start), End: base + physmem.Address(i)})
	}
	return found
}

// chunks calls do for pieces of ranges of at most copyChunk bytes, cut at
// multiples of it.
func chunks(ranges physmem.Ranges, do func(physmem.Range) error) error {
	for _, r := range ranges {
		for at := r.Start; at < r.End; {
			end := min((at + 1).AlignUp(copyChunk), r.End)
			if err := do(physmem.Range{Start: at, End: end}); err != nil {
				return err
			}
			at = end
		}
	}
	return nil
}

// Changes gives the ranges of RAM, outside of except, where two snapshots of
// the same machine differ, at most limit of them; 0 is no limit. Memory that
// neither has touched costs no time.
func (s *Snapshot) Changes(later *Snapshot, except physmem.Ranges, limit int) (physmem.Ranges, error) {
	if !s.RAM.Equal(later.RAM) {
		return nil, fmt.Errorf("snapshots of different memory: %v and %v", s.RAM, later.RAM)
	}
	touched := s.Populated.Union(later.Populated)
	return Changes(s.Memory, later.Memory, touched.Minus(except), limit)
}
