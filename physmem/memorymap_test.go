package physmem_test

import (
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

func region(start, end physmem.Address, t physmem.MemoryType) physmem.Region {
	return physmem.Region{Range: span(start, end), Type: t}
}

func TestMemoryMap(t *testing.T) {
	t.Parallel()
	m, err := physmem.NewMemoryMap(
		region(0x100000, 0x200000, physmem.MemoryRAM),
		region(0, 0x9f000, physmem.MemoryRAM),
		region(0x9f000, 0xa0000, physmem.MemoryReserved),
		region(0x200000, 0x300000, physmem.MemoryRAM),
		region(0x300000, 0x301000, physmem.MemoryACPIReclaimable),
		region(0x301000, 0x301000, physmem.MemoryMMIO),
	)
	require.NoError(t, err)
	require.Equal(t, []physmem.Region{
		region(0, 0x9f000, physmem.MemoryRAM),
		region(0x9f000, 0xa0000, physmem.MemoryReserved),
		region(0x100000, 0x300000, physmem.MemoryRAM),
		region(0x300000, 0x301000, physmem.MemoryACPIReclaimable),
	}, m.Regions())
	require.Equal(t, physmem.Ranges{span(0, 0x9f000), span(0x100000, 0x300000)}, m.RAM())
	require.Equal(t, physmem.Ranges{span(0, 0x9f000), span(0x100000, 0x301000)},
		m.OfType(physmem.MemoryRAM, physmem.MemoryACPIReclaimable))
	require.Equal(t, physmem.Ranges{span(0, 0xa0000), span(0x100000, 0x301000)}, m.Known())

	for _, tt := range []struct {
		address physmem.Address
		want    physmem.MemoryType
		ok      bool
	}{
		{0, physmem.MemoryRAM, true},
		{0x9f000, physmem.MemoryReserved, true},
		{0xa0000, 0, false},
		{0x300fff, physmem.MemoryACPIReclaimable, true},
		{0x301000, 0, false},
	} {
		got, ok := m.Lookup(tt.address)
		require.Equal(t, tt.ok, ok, tt.address)
		require.Equal(t, tt.want, got.Type, tt.address)
	}

	carved, err := m.With(region(0x180000, 0x310000, physmem.MemoryReserved))
	require.NoError(t, err)
	require.Equal(t, []physmem.Region{
		region(0, 0x9f000, physmem.MemoryRAM),
		region(0x9f000, 0xa0000, physmem.MemoryReserved),
		region(0x100000, 0x180000, physmem.MemoryRAM),
		region(0x180000, 0x310000, physmem.MemoryReserved),
	}, carved.Regions())
	same, err := m.With(region(5, 5, physmem.MemoryMMIO))
	require.NoError(t, err)
	require.Equal(t, m, same)
	kept := m.Restrict(physmem.NewRanges(span(0x9e000, 0x101000)))
	require.Equal(t, "[0x9e000, 0x9f000) RAM\n[0x9f000, 0xa0000) reserved\n[0x100000, 0x101000) RAM", kept.String())
}

func TestMemoryMapErrors(t *testing.T) {
	t.Parallel()
	_, err := physmem.NewMemoryMap(region(0x1000, 0x3000, physmem.MemoryRAM), region(0, 0x1001, physmem.MemoryRAM))
	var overlap *physmem.OverlapError
	require.ErrorAs(t, err, &overlap)
	require.EqualError(t, err, "memory map: [0x0, 0x1001) RAM overlaps [0x1000, 0x3000) RAM")
	_, err = physmem.NewMemoryMap(region(0, physmem.MaxAddress+1, physmem.MemoryRAM))
	require.EqualError(t, err, "memory map: [0x0, 0x10000000000001) RAM reaches beyond 0x10000000000000")
	_, err = physmem.NewMemoryMap(region(0, 1, 99))
	require.EqualError(t, err, "memory map: [0x0, 0x1) memory type 99: no such type")
	_, err = (physmem.MemoryMap{}).With(region(0, physmem.MaxAddress+1, physmem.MemoryRAM))
	require.Error(t, err)
}
