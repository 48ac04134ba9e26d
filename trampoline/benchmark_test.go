package trampoline_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
)

// BenchmarkHandOff runs from the freeze point to the entry, again and again.
// The registers' way to KVM and two breakpoints are in the figure; Stop is a
// run of one instruction, with the same.
func BenchmarkHandOff(b *testing.B) {
	m, ctx := start(b, kvm.New, contextLoader(b))
	h := newHandOff(b, m, hostContext{})
	h.toFreezePoint(ctx)
	freeze, err := m.State(0)
	require.NoError(b, err)
	for name, to := range map[string]uint64{"Entry": entryVA, "Stop": h.freeze + 4} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, m.SetState(0, freeze))
				exit, err := m.RunTo(ctx, to)
				require.NoError(b, err)
				require.Equal(b, machine.Breakpoint, exit.Reason)
			}
		})
	}
}
