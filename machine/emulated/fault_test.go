package emulated_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func bytesAt(start, size uint64) physmem.Range {
	return physmem.Range{Start: physmem.Address(start), End: physmem.Address(start + size)}
}

// TestInject: each fault happens at its instruction. The guest counts at 0x200000.
func TestInject(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault emulated.Fault
		want  []byte // at 0x200000, when the guest has counted to 2000
	}{
		{emulated.Fault{Kind: emulated.Flip, Range: bytesAt(0x200004, 1), Bit: 3}, []byte{0xd0, 7, 0, 0, 8, 0, 0, 0}},
		{emulated.Fault{Kind: emulated.Drop, Range: bytesAt(0x200000, 8)}, []byte{0xcf, 7, 0, 0, 0, 0, 0, 0}},
		{emulated.Fault{Kind: emulated.Scribble, Range: bytesAt(0x200006, 2)}, []byte{0xd0, 7, 0, 0, 0, 0, device.ScribblePattern, device.ScribblePattern}},
		{emulated.Fault{Kind: emulated.Stale, Range: bytesAt(0x200000, 64)}, []byte{0xe8, 3, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(string(test.fault.Kind), func(t *testing.T) {
			t.Parallel()
			ctx, m := boot(t, counter)
			start := m.Instructions()
			require.NoError(t, m.Inject(start+3000, test.fault))
			m.At(start+6000, func(*emulator.Memory) *machine.Exit { return stopped })
			exit, err := m.Run(ctx)
			require.NoError(t, err)
			require.Equal(t, *stopped, machine.Exit{Reason: exit.Reason}, "%v", exit)
			p := make([]byte, 8)
			_, err = m.Memory().ReadPhysical(p, 0x200000)
			require.NoError(t, err)
			require.Equal(t, test.want, p)
		})
	}
}

func TestInjectRefuses(t *testing.T) {
	t.Parallel()
	_, m := boot(t, counter)
	for _, f := range []emulated.Fault{
		{Kind: "melt", Range: bytesAt(0, 1)},
		{Kind: emulated.Flip, Range: bytesAt(1<<40, 1)},
		{Kind: emulated.Flip, Range: bytesAt(0, 1), Bit: 8},
		{Kind: emulated.Drop},
		{Kind: emulated.NMI, CPU: 1},
		{Kind: emulated.Interrupt, CPU: -1},
	} {
		require.Error(t, m.Inject(0, f), "%+v", f)
	}
}

// TestFaultsReplay: two runs with the same faults are equal in every byte, and
// different from one without.
func TestFaultsReplay(t *testing.T) {
	t.Parallel()
	var snapshots [3]*machine.Snapshot
	var counts [3]uint64
	for i := range snapshots {
		m, _ := startGuest(t, "collect", nil)
		if i < 2 {
			require.NoError(t, m.Inject(300_000, emulated.Fault{Kind: emulated.NMI}))
			require.NoError(t, m.Inject(400_000, emulated.Fault{Kind: emulated.Scribble, Range: bytesAt(0x3f00000, 100)}))
			require.NoError(t, m.Inject(500_001, emulated.Fault{Kind: emulated.Flip, Range: bytesAt(0x3f00200, 1), Bit: 1}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		_, err := m.Run(ctx)
		require.NoError(t, err)
		counts[i] = m.Instructions()
		snapshots[i], err = m.Snapshot()
		require.NoError(t, err)
	}
	require.Equal(t, counts[0], counts[1])
	require.Equal(t, snapshots[0].CPUs, snapshots[1].CPUs)
	changes, err := snapshots[0].Changes(snapshots[1], nil, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
	changes, err = snapshots[0].Changes(snapshots[2], nil, 0)
	require.NoError(t, err)
	require.NotEmpty(t, changes)
}
