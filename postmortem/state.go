package postmortem

import (
	"fmt"
	"strings"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// decodeState decodes the wire layout of a CPU's state. Registers that were
// not captured are not listed.
func decodeState(a minidump.Architecture, state []byte) (Registers, error) {
	r := Registers{Architecture: a}
	add := func(name string, value uint64) {
		r.List = append(r.List, Register{strings.ToLower(name), value})
	}
	switch a {
	case minidump.AMD64:
		var s amd64.CPUState
		if err := s.UnmarshalBinary(state); err != nil {
			return Registers{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		for _, register := range s.Registers() {
			add(register.Name, register.Value)
		}
	case minidump.ARM64:
		var s arm64.CPUState
		if err := s.UnmarshalBinary(state); err != nil {
			return Registers{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		for _, register := range s.Registers() {
			add(register.Name, register.Value)
		}
	default:
		return Registers{}, fmt.Errorf("registers of %v: %w", a, ErrUnsupported)
	}
	return r, nil
}
