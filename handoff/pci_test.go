package handoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Configuration spaces come back as they were written; what cannot be is refused
// either way.
func TestPCISpaces(t *testing.T) {
	t.Parallel()
	b := sample()
	b.PCI = []handoff.PCISpace{{Base: 0x40_1000_0000, LastBus: 255}, {Base: 0xb000_0000, Segment: 0xfffe, FirstBus: 16, LastBus: 31}}
	data, err := b.AppendBinary(nil)
	require.NoError(t, err)
	again, err := handoff.Parse(data)
	require.NoError(t, err)
	require.Equal(t, b.PCI, again.PCI)

	for _, wrong := range []handoff.PCISpace{
		{Base: 0x800}, {FirstBus: 2, LastBus: 1}, {Base: physmem.MaxAddress - 1<<20},
	} {
		b.PCI = []handoff.PCISpace{wrong}
		_, err := b.AppendBinary(nil)
		require.ErrorIs(t, err, handoff.ErrInvalid)
	}
	b.PCI = make([]handoff.PCISpace, handoff.MaxPCI+1)
	_, err = b.AppendBinary(nil)
	require.ErrorIs(t, err, handoff.ErrTooLarge)
}
