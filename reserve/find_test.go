package reserve_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

func mapOf(t testing.TB, ranges ...physmem.Range) physmem.MemoryMap {
	t.Helper()
	var regions []physmem.Region
	for _, r := range ranges {
		regions = append(regions, physmem.Region{Range: r, Type: physmem.MemoryRAM})
	}
	m, err := physmem.NewMemoryMap(regions...)
	require.NoError(t, err)
	return m
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		memory []physmem.Range
		used   physmem.Ranges
		place  reserve.Place
		want   string
		err    string
	}{
		{"highest", []physmem.Range{{Start: 0, End: gib}}, nil, reserve.Place{Size: 8 << 20}, "[0x3f800000, 0x40000000)", ""},
		{"lowest, not page 0", []physmem.Range{{Start: 0, End: gib}}, nil, reserve.Place{Size: 8 << 20, Alignment: 4096, Lowest: true}, "[0x1000, 0x801000)", ""},
		{"exactly fits", []physmem.Range{{Start: 16 * mib, End: 24 * mib}}, nil, reserve.Place{Size: 8 << 20}, "[0x1000000, 0x1800000)", ""},
		{"parts of pages", []physmem.Range{{Start: 16*mib - 1, End: 24*mib + 1}}, nil, reserve.Place{Size: 8 << 20}, "[0x1000000, 0x1800000)", ""},
		{"used above", []physmem.Range{{Start: 0, End: gib}}, physmem.Ranges{{Start: 100 * mib, End: gib}}, reserve.Place{Size: 8 << 20}, "[0x5c00000, 0x6400000)", ""},
		{"used within", []physmem.Range{{Start: 0, End: 32 * mib}}, physmem.Ranges{{Start: 20 * mib, End: 21 * mib}}, reserve.Place{Size: 8 << 20, Lowest: true, Alignment: 4096}, "[0x1000, 0x801000)", ""},
		{"used below", []physmem.Range{{Start: 0, End: 32 * mib}}, physmem.Ranges{{Start: 7 * mib, End: 21 * mib}}, reserve.Place{Size: 8 << 20, Lowest: true}, "[0x1600000, 0x1e00000)", ""},
		{"alignment", []physmem.Range{{Start: 0, End: gib + 8*mib}}, nil, reserve.Place{Size: 8 << 20, Alignment: 64 << 20}, "[0x40000000, 0x40800000)", ""},
		{"boundary", []physmem.Range{{Start: 512 * mib, End: gib + 4*mib}}, nil, reserve.Place{Size: 8 << 20, Boundary: 1 << 30}, "[0x3f800000, 0x40000000)", ""},
		{"limit", []physmem.Range{{Start: 0, End: 8 * gib}}, nil, reserve.Place{Size: 8 << 20, Limit: 4 * gib}, "[0xff800000, 0x100000000)", ""},
		{"limit within", []physmem.Range{{Start: 0, End: gib}}, nil, reserve.Place{Size: 8 << 20, Limit: 17*mib + 5}, "[0x800000, 0x1000000)", ""},
		{"beyond the direct map", []physmem.Range{{Start: 0, End: 64 * mib}, {Start: 16 << 40, End: 17 << 40}}, nil, reserve.Place{Size: 8 << 20}, "[0x3800000, 0x4000000)", ""},
		{"too large", []physmem.Range{{Start: 0x1000, End: 4 * mib}, {Start: 8 * mib, End: 15 * mib}}, nil, reserve.Place{Size: 8 << 20}, "",
			"find a reservation: find 0x800000 bytes aligned to 0x200000 in [0x1000, 0x100000000000): no space: 0xaff000 bytes free, at most 0x700000 together in [0x800000, 0xf00000)"},
		{"no memory", nil, nil, reserve.Place{Size: 8 << 20}, "", "0x0 bytes free"},
		{"all used", []physmem.Range{{Start: 0, End: gib}}, physmem.Ranges{{Start: 0, End: gib}}, reserve.Place{Size: 8 << 20}, "", "0x0 bytes free"},
		{"size not in pages", nil, nil, reserve.Place{Size: 5}, "", "not in whole pages"},
		{"no size", []physmem.Range{{Start: 0, End: gib}}, nil, reserve.Place{}, "", "size is zero"},
		{"small alignment", nil, nil, reserve.Place{Size: 8 << 20, Alignment: 16}, "", "less than a page"},
		{"odd alignment", nil, nil, reserve.Place{Size: 8 << 20, Alignment: 12288}, "", "not a power of two"},
		{"odd boundary", nil, nil, reserve.Place{Size: 8 << 20, Boundary: 12288}, "", "not a power of two"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found, err := reserve.Find(mapOf(t, tt.memory...), tt.used, tt.place)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, found.String())
		})
	}
	_, err := reserve.Find(mapOf(t), nil, reserve.Place{Size: 8 << 20})
	require.ErrorIs(t, err, physmem.ErrNoSpace)
}

func TestLeastSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ram  uint64
		want uint64
	}{
		{0, 8 << 20},
		{1 << 20, 8 << 20},
		{32 << 30, 8 << 20},
		{32<<30 + 1, 8<<20 + 48<<10},
		{33 << 30, 8<<20 + 48<<10},
		{64 << 30, 8<<20 + 32*48<<10},
		{1 << 40, 8<<20 + 992*48<<10},
	} {
		require.Equal(t, tt.want, reserve.LeastSize(tt.ram))
	}
}
