package trampoline_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// TestTransplant takes a snapshot at the freeze point on each machine and lets
// the hand-off go on in each other one.
func TestTransplant(t *testing.T) {
	t.Parallel()
	for _, from := range runners {
		for _, to := range runners {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				m, ctx := start(t, from.new, contextLoader(t))
				h := newHandOff(t, m, worst)
				h.toFreezePoint(ctx)
				other, err := to.new(machine.Config{MemorySize: memorySize})
				if errors.Is(err, machine.ErrUnavailable) {
					t.Skip(err)
				}
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, other.Close()) })
				require.NoError(t, machine.Restore(other, h.before))
				changes, err := machine.Changes(h.before.Memory, other.Memory(), other.RAM().Intersect(h.before.Populated), 8)
				require.NoError(t, err)
				require.Empty(t, changes, "memory is the snapshot's")
				h.m = other
				h.toEntry(ctx)
			})
		}
	}
}
