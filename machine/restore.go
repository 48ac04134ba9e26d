package machine

import (
	"bytes"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Restore puts a snapshot into a machine that has not run yet: what was taken
// of one machine goes on in another, whatever runner it is. The machine has at
// least the RAM that the snapshot has something in, and as many CPUs; CPUs
// whose state in the snapshot is nil stay as they are.
//
// Devices are not part of a snapshot: they are as after power-on.
func Restore(m Machine, s *Snapshot) error {
	if m.Architecture() != s.Architecture {
		return fmt.Errorf("restore a snapshot of %s in a machine of %s: %w", s.Architecture, m.Architecture(), ErrUnsupported)
	}
	if len(s.CPUs) > m.CPUs() {
		return fmt.Errorf("restore a snapshot of %d CPUs in a machine of %d: %w", len(s.CPUs), m.CPUs(), ErrUnsupported)
	}
	if err := onlyZeros(s.Memory, s.Populated.Minus(m.RAM())); err != nil {
		return fmt.Errorf("restore: the machine has RAM at %v only: %w", m.RAM(), err)
	}
	here := s.Populated.Intersect(m.RAM())
	if err := copyChanges(m.Memory(), s.Memory, here); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := clearMemory(m, m.RAM().Minus(here)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for cpu, state := range s.CPUs {
		if state == nil {
			continue
		}
		if err := m.SetState(cpu, state); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

// onlyZeros is an error where memory has something in ranges.
func onlyZeros(memory physmem.Reader, ranges physmem.Ranges) error {
	buffer := make([]byte, copyChunk)
	return chunks(ranges, func(r physmem.Range) error {
		p, err := view(memory, r, buffer)
		if err != nil {
			return err
		}
		if i := bytes.IndexFunc(p, func(c rune) bool { return c != 0 }); i >= 0 {
			return fmt.Errorf("the snapshot has something at %v: %w", r.Start+physmem.Address(i), ErrUnsupported)
		}
		return nil
	})
}

// copyChanges copies pages that differ.
func copyChanges(to physmem.Memory, from physmem.Reader, ranges physmem.Ranges) error {
	one, two := make([]byte, copyChunk), make([]byte, copyChunk)
	return chunks(ranges, func(r physmem.Range) error {
		p, err := view(from, r, one)
		if err != nil {
			return err
		}
		q, err := view(to, r, two)
		if err != nil {
			return err
		}
		for i := 0; i < len(p); i += PageSize {
			end := min(i+PageSize, len(p))
			if bytes.Equal(p[i:end], q[i:end]) {
				continue
			}
			if _, err := to.WritePhysical(p[i:end], r.Start+physmem.Address(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// clearMemory writes zeros where a machine has touched its memory.
func clearMemory(m Machine, ranges physmem.Ranges) error {
	if p, ok := m.Memory().(interface{ Populated() physmem.Ranges }); ok {
		ranges = ranges.Intersect(p.Populated())
	}
	return copyChanges(m.Memory(), zeros{}, ranges)
}

// zeros is memory that is zero everywhere.
type zeros struct{}

func (zeros) ReadPhysical(p []byte, _ physmem.Address) (int, error) {
	clear(p)
	return len(p), nil
}
