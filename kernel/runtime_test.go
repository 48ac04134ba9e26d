package kernel

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Under an operating system there is no firmware to ask, and a status is an error
// that callers can tell.
func TestEFIVariablesElsewhere(t *testing.T) {
	t.Parallel()
	_, err := NewEFIVariables()
	require.ErrorIs(t, err, ErrNotRunning)
	_, err = Firmware()
	require.ErrorIs(t, err, ErrNotRunning)
	wrapped := fmt.Errorf("get: %w", EFINotFound)
	require.True(t, errors.Is(wrapped, EFINotFound))
	require.EqualError(t, wrapped, "get: EFI: not found")
	require.EqualError(t, EFIStatus(1<<63|77), "EFI status 0x800000000000004d")
}
