package minidump

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// patterns are words with bits set in telling ways.
func patterns(words int) map[string][]uint64 {
	random := rand.New(rand.NewPCG(1, 2))
	make1 := func(f func(i int) uint64) []uint64 {
		w := make([]uint64, words)
		for i := range w {
			w[i] = f(i)
		}
		return w
	}
	return map[string][]uint64{
		"none":   make1(func(int) uint64 { return 0 }),
		"all":    make1(func(int) uint64 { return ^uint64(0) }),
		"random": make1(func(int) uint64 { return random.Uint64() }),
		"sparse": make1(func(i int) uint64 { return uint64(i%977) / 976 << (i % 64) }),
		"blocks": make1(func(i int) uint64 { return -uint64(i / 8 % 2) }),
		"supers": make1(func(i int) uint64 { return -uint64(i / 1024 % 2) }),
	}
}

func TestRank(t *testing.T) {
	t.Parallel()
	for name, words := range patterns(3*1024 + 37) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := uint64(len(words))*64 - 19
			s := NewBitmapSnapshot(slices.Clone(words), n)
			require.Equal(t, n, s.Len())
			rank := uint64(0)
			var all []uint64
			for bit := range n {
				if bit%61 == 0 || bit%512 < 2 || bit > n-70 {
					require.Equal(t, rank, s.Rank(bit))
				}
				if words[bit/64]>>(bit%64)&1 == 0 {
					continue
				}
				if rank%67 == 0 {
					selected, ok := s.Select(rank)
					require.True(t, ok)
					require.Equal(t, bit, selected)
				}
				all = append(all, bit)
				rank++
			}
			require.Equal(t, rank, s.Count())
			require.Equal(t, rank, s.Rank(n))
			require.Equal(t, rank, s.Rank(n+1<<40))
			_, ok := s.Select(rank)
			require.False(t, ok)
			require.Equal(t, all, slices.Collect(s.All()))
			var fromRuns []uint64
			last := uint64(0)
			for start, end := range s.Runs() {
				require.Less(t, start, end)
				require.True(t, start == 0 || start > last, "runs touch")
				last = end
				for bit := start; bit < end; bit++ {
					fromRuns = append(fromRuns, bit)
				}
			}
			require.Equal(t, all, fromRuns)
		})
	}
}

func TestRankEmpty(t *testing.T) {
	t.Parallel()
	s := NewBitmapSnapshot(nil, 5)
	require.Zero(t, s.Len())
	require.Zero(t, s.Count())
	require.Zero(t, s.Rank(0))
	require.False(t, s.Test(0))
	_, ok := s.Select(0)
	require.False(t, ok)
	_, ok = s.Next(0)
	require.False(t, ok)
	require.Zero(t, s.NextClear(0))
}

// BenchmarkWalk8GiB walks the bitmap of an 8 GiB host, whose pages are set in
// several ways: the bound is 5 ms.
func BenchmarkWalk8GiB(b *testing.B) {
	const n = 8 << 30 / PageSize4K
	for name, words := range patterns(n / 64) {
		s := NewBitmapSnapshot(words, n)
		b.Run("bits/"+name, func(b *testing.B) {
			for b.Loop() {
				sum := uint64(0)
				for bit := range s.All() {
					sum += bit
				}
			}
		})
		b.Run("runs/"+name, func(b *testing.B) {
			for b.Loop() {
				for range s.Runs() {
				}
			}
		})
		d, err := NewFlatDumpAvail(PageSize4K, n)
		require.NoError(b, err)
		r := &Reader{available: d, bitmap: s, header: Header{PageSize: PageSize4K}}
		r.store = &minidumpPages{layout: NewLayout(&r.header, s.Count()), available: d, bitmap: s, mask: PageSize4K - 1}
		b.Run("pages/"+name, func(b *testing.B) {
			for b.Loop() {
				for range r.Pages() {
				}
			}
		})
		b.Run("page_runs/"+name, func(b *testing.B) {
			for b.Loop() {
				for range r.Runs() {
				}
			}
		})
	}
}

func BenchmarkIndexBitmap8TiB(b *testing.B) {
	words := make([]uint64, 8<<40/PageSize4K/64)
	b.SetBytes(int64(len(words)) * 8)
	for b.Loop() {
		NewBitmapSnapshot(words, uint64(len(words))*64)
	}
}

func BenchmarkRank(b *testing.B) {
	const n = 8 << 30 / PageSize4K
	s := NewBitmapSnapshot(patterns(n / 64)["random"], n)
	random := rand.New(rand.NewPCG(1, 2))
	sum := uint64(0)
	for b.Loop() {
		sum += s.Rank(random.Uint64N(n))
	}
	_ = sum
}
