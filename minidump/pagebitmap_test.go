package minidump

import (
	"slices"
	"sync"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// newTestBitmap makes a bitmap over ranges.
func newTestBitmap(t testing.TB, ranges ...[2]uint64) *PageBitmap {
	t.Helper()
	d, err := NewDumpAvail(PageSize4K, rangesOf(ranges...))
	require.NoError(t, err)
	b, err := NewPageBitmap(d, make([]uint64, d.NumWords()))
	require.NoError(t, err)
	return b
}

func TestPageBitmap(t *testing.T) {
	t.Parallel()
	b := newTestBitmap(t, [2]uint64{0, 0x9f000}, [2]uint64{0x104000, 0x7fdf000})
	require.True(t, b.Set(0x1cd4c0c)) // the real dump's hz is at bit 7279
	require.True(t, b.Test(0x1cd4000))
	require.True(t, b.Test(0x1cd4fff))
	require.False(t, b.Test(0x1cd5000))
	require.Equal(t, uint64(1)<<(7279%64), b.words[7279/64])
	require.True(t, b.Set(0x1cd4000))
	require.EqualValues(t, 1, b.Count())
	require.False(t, b.Set(0x9f000), "a hole")
	require.False(t, b.Clear(0x7fdf000), "beyond the end")
	require.False(t, b.Test(0x9f000))
	require.True(t, b.Set(0x104000))
	require.Equal(t, []physmem.Address{0x104000, 0x1cd4000}, slices.Collect(b.All()))
	require.True(t, b.Clear(0x1cd4abc))
	require.EqualValues(t, 1, b.Count())
	for address := range b.All() {
		require.EqualValues(t, 0x104000, address)
		break
	}
}

func TestPageBitmapRanges(t *testing.T) {
	t.Parallel()
	pairs := [][2]uint64{{0, 0x9f000}, {0x104000, 0x140800}, {0x140900, 0x300000}}
	tests := []struct{ start, end physmem.Address }{
		{0, 1}, {0xfff, 0x1001}, {0, 0x40000}, {0x3f000, 0x41000}, {0x9e000, 0x105000},
		{0x9f000, 0x104000}, {0x13f000, 0x142000}, {0, 0x400000}, {0x2c0000, 0x2c0000}, {5, 4},
	}
	for _, test := range tests {
		b, model := newTestBitmap(t, pairs...), newTestBitmap(t, pairs...)
		r := physmem.Range{Start: test.start, End: test.end}
		count := uint64(0)
		for bit := range b.available.Pages() {
			page, _ := b.available.Address(bit)
			if r.Overlaps(physmem.Range{Start: page, End: page + PageSize4K}) {
				model.words[bit/64] |= 1 << (bit % 64)
				count++
			}
		}
		require.Equal(t, count, b.SetRange(r), r)
		require.Equal(t, model.words, b.words, r)
		for i := range b.words {
			model.words[i], b.words[i] = ^model.words[i], ^uint64(0)
		}
		require.Equal(t, count, b.ClearRange(r), r)
		require.Equal(t, model.words, b.words, r)
		require.Equal(t, b.available.Pages()-count, b.Count(), "bits behind the end do not count")
	}
}

func TestPageBitmapTooShort(t *testing.T) {
	t.Parallel()
	d, err := NewFlatDumpAvail(PageSize4K, 65)
	require.NoError(t, err)
	_, err = NewPageBitmap(d, make([]uint64, 1))
	require.Error(t, err)
	_, err = NewPageBitmap(d, make([]uint64, 2))
	require.NoError(t, err)
}

// TestPageBitmapConcurrent changes neighbouring bits from several goroutines:
// none may get lost.
func TestPageBitmapConcurrent(t *testing.T) {
	t.Parallel()
	b := newTestBitmap(t, [2]uint64{0, 0x400000})
	var wait sync.WaitGroup
	for worker := range uint64(8) {
		wait.Go(func() {
			for round := range 50 {
				for page := worker; page < 0x400; page += 8 {
					address := physmem.Address(page * PageSize4K)
					b.Set(address)
					if round < 49 || page%16 == 0 {
						b.Clear(address)
					}
				}
			}
		})
	}
	wait.Wait()
	want := uint64(0)
	for page := range uint64(0x400) {
		require.Equal(t, page%16 != 0, b.Test(physmem.Address(page*PageSize4K)))
		if page%16 != 0 {
			want++
		}
	}
	require.Equal(t, want, b.Count())
}

// TestPageBitmapAllocations holds the promise to a host's page allocator.
func TestPageBitmapAllocations(t *testing.T) {
	b := newTestBitmap(t, oddRanges...)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.Set(0x105000)
		b.SetRange(physmem.Range{Start: 0, End: 0x200000})
		b.Test(0x105000)
		b.Clear(0x105000)
		b.ClearRange(physmem.Range{Start: 0, End: 0x200000})
		b.Count()
		for range b.All() {
			break
		}
	}))
}

func BenchmarkPageBitmapSet(b *testing.B) {
	bitmap := newTestBitmap(b, oddRanges...)
	for b.Loop() {
		bitmap.Set(0x1_0003_0000)
	}
}
