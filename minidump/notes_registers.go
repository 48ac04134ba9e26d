package minidump

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
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

// ARM64 decodes the state of a CPU of an arm64 machine.
func (c *CPUNote) ARM64() (*arm64.CPUState, error) {
	if c.Architecture != ARM64 {
		return nil, &UnsupportedError{Architecture: c.Architecture, What: "arm64 registers"}
	}
	s := new(arm64.CPUState)
	if err := s.UnmarshalBinary(c.State); err != nil {
		return nil, fmt.Errorf("dump notes: CPU %d: %w", c.Number, err)
	}
	return s, nil
}
