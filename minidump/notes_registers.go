package minidump

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// AMD64 decodes the state of a CPU of an amd64 machine.
func (c *CPUNote) AMD64() (*amd64.CPUState, error) {
	if c.Architecture != AMD64 {
		return nil, &UnsupportedError{Architecture: c.Architecture, What: "amd64 registers"}
	}
	s := new(amd64.CPUState)
	if err := s.UnmarshalBinary(c.State); err != nil {
		return nil, fmt.Errorf("dump notes: CPU %d: %w", c.Number, err)
	}
	return s, nil
}
