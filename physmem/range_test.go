package physmem_test

import (
	"math"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

func span(start, end physmem.Address) physmem.Range {
	return physmem.Range{Start: start, End: end}
}

func TestNewRange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		start physmem.Address
		size  uint64
		want  physmem.Range
		ok    bool
	}{
		{"page", 0x1000, 0x1000, span(0x1000, 0x2000), true},
		{"empty", 0x1000, 0, span(0x1000, 0x1000), true},
		{"up to the end", physmem.MaxAddress - 1, 1, span(physmem.MaxAddress-1, physmem.MaxAddress), true},
		{"beyond the end", physmem.MaxAddress - 1, 2, physmem.Range{}, false},
		{"wraps", 0x1000, math.MaxUint64, physmem.Range{}, false},
		{"starts beyond", physmem.MaxAddress + 1, 0, physmem.Range{}, false},
	} {
		got, ok := physmem.NewRange(tt.start, tt.size)
		require.Equal(t, tt.ok, ok, tt.name)
		require.Equal(t, tt.want, got, tt.name)
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	r := span(0x1800, 0x4800)
	require.Equal(t, uint64(0x3000), r.Size())
	require.Zero(t, span(5, 4).Size())
	require.True(t, r.Contains(0x1800))
	require.False(t, r.Contains(0x4800))
	require.True(t, r.ContainsRange(span(9, 9)), "an empty range is in every range")
	require.False(t, r.ContainsRange(span(0x1800, 0x4801)))
	require.True(t, r.Overlaps(span(0, 0x1801)))
	require.False(t, r.Overlaps(span(0, 0x1800)))
	require.True(t, r.IsAdjacent(span(0, 0x1800)))
	require.False(t, r.IsAdjacent(span(0, 0x1801)))
	require.Equal(t, span(0x2000, 0x4000), r.AlignInward(0x1000))
	require.Equal(t, span(0x1000, 0x5000), r.AlignOutward(0x1000))
	require.Equal(t, physmem.Range{}, r.AlignInward(0x4000))
	require.Equal(t, physmem.Range{}, span(math.MaxUint64-1, math.MaxUint64).AlignInward(0x1000), "rounding up wraps")
	require.Equal(t, "[0x1800, 0x4800)", r.String())
	require.Equal(t, "0x1800", r.Start.String())
	require.True(t, physmem.Address(0x3000).IsAligned(0x1000))
}
