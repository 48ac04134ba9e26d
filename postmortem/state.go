package postmortem

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/minidump"
)

// decodeState decodes the wire layout of a CPU's state.
func decodeState(a minidump.Architecture, state []byte) (Registers, error) {
	return Registers{}, fmt.Errorf("%v state of %d bytes: %w", a, len(state), ErrUnsupported)
}
