//go:build linux && (amd64 || arm64)

package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A host that is armed for some CPUs starts no more of them.
func TestNoCPUWithoutRoomInTheReservation(t *testing.T) {
	before := k.panic
	t.Cleanup(func() { k.panic = before })
	for _, test := range []struct {
		name                          string
		handled, size, count, started uintptr
		refused                       bool
	}{
		{name: "not armed", started: 3},
		{name: "a handler without stacks for others", handled: 1, started: 3},
		{name: "room for one", handled: 1, size: leastOtherStack, count: 2, started: 1},
		{name: "all in use", handled: 1, size: leastOtherStack, count: 2, started: 2, refused: true},
		{name: "one CPU", handled: 1, size: leastOtherStack, refused: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k.panic.handled, k.panic.size, k.panic.count = test.handled, test.size, test.count
			err := checkArmedRoom(test.started)
			if test.refused {
				require.ErrorIs(t, err, ErrCPU)
				require.ErrorContains(t, err, "Config.CPUs")
			} else {
				require.NoError(t, err)
			}
		})
	}
}
