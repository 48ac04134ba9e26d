package amd64_test

import (
	"errors"
	"math"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// TestWalkReports breaks entries here and there: each is reported once, and
// all others are visited.
func TestWalkReports(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	s.leaf(0x1000, 1, 0x5000|open)
	s.leaf(0x2000, 1, 1<<50|open)                            // beyond MAXPHYADDR
	s.leaf(0x3000, 1, 0x6000|open)                           //
	s.put(s.table(0, 2, open), 7, 0x30_0000_0000|open)       // a page table outside
	s.leaf(0x4000_0000, 2, 0x20_2000|open)                   // bit 13
	s.put(s.paging.Root, 9, open|amd64.Entry(s.paging.Root)) // recursive
	s.put(s.paging.Root, 300, open|amd64.EntryLarge)         // PS
	s.leaf(0xffff_ffff_ffff_f000, 1, 0x7000|open)            // the last page
	s.leaf(0x8000_0000, 1, 0x50_0000_0000|open)              // a page outside
	s.leaf(0xc000_0000, 3, 0x1_0000_0000-0x4000_0000|open)   // allowed in part
	allowed := physmem.NewRanges(physmem.Range{Start: 0x1000, End: 0xf000_0000})
	w, err := amd64.NewWalker(s.memory, allowed, s.paging)
	require.NoError(t, err)
	type report struct {
		va    uint64
		level int
		err   error
	}
	var reports []report
	w.OnError = func(e *amd64.WalkError) {
		reports = append(reports, report{e.Virtual, e.Level, errors.Unwrap(e)})
		// The walk's own state must not suffer from a translation.
		_, _, _ = w.Translate(e.Virtual)
	}
	var visited []uint64
	require.NoError(t, w.Walk(0, math.MaxUint64, func(m amd64.Mapping) error {
		visited = append(visited, m.Virtual)
		_, _, err := w.Translate(m.Virtual)
		return err
	}))
	require.Equal(t, []uint64{0x1000, 0x3000, 0xc000_0000, 0xffff_ffff_ffff_f000}, visited)
	want := []report{
		{0x2000, 1, amd64.ErrReservedBits},
		{7 << 21, 2, amd64.ErrOutsideMemory},
		{0x4000_0000, 2, amd64.ErrReservedBits},
		{0x8000_0000, 1, amd64.ErrOutsideMemory},
		{9 << 39, 4, amd64.ErrCycle},
		{0xffff_9600_0000_0000, 4, amd64.ErrReservedBits},
	}
	require.Len(t, reports, len(want))
	for i, r := range reports {
		require.Equal(t, want[i].va, r.va)
		require.Equal(t, want[i].level, r.level)
		require.ErrorIs(t, r.err, want[i].err)
	}

	w.OnError = nil
	err = w.Walk(0, math.MaxUint64, func(amd64.Mapping) error { return nil })
	var failure *amd64.WalkError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, uint64(0x2000), failure.Virtual, "without OnError the first bad entry ends the walk")
	stop := errors.New("stop")
	require.Equal(t, stop, w.Walk(0, math.MaxUint64, func(amd64.Mapping) error { return stop }))
	require.NoError(t, w.Walk(1, 0, nil))
	require.NoError(t, w.Walk(0x8000_0000_0000, 0xffff_7fff_ffff_ffff, nil), "addresses that are not canonical")
}

// TestWalkUnreadable has tables that can be read in part, or not at all.
func TestWalkUnreadable(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	for va := uint64(0); va < 0x20_0000; va += 0x1000 {
		s.leaf(va, 1, amd64.Entry(va)|open)
	}
	s.leaf(0x4000_0000, 2, open)
	data := make([]byte, s.next-tableBase)
	_, err := s.memory.ReadPhysical(data, tableBase)
	require.NoError(t, err)
	// The page table is the last but one, the page directory of 1 GiB follows.
	page := int(s.table(0, 1, open) - tableBase)
	memory, err := physmem.NewBanks(
		physmem.NewBytes(tableBase, data[:page+8*10+3]),
		physmem.NewBytes(tableBase+physmem.Address(page)+0x1000, data[page+0x1000:]))
	require.NoError(t, err)
	w, err := amd64.NewWalker(memory, nil, s.paging)
	require.NoError(t, err)
	var failures []*amd64.WalkError
	w.OnError = func(e *amd64.WalkError) { failures = append(failures, e) }
	count := 0
	require.NoError(t, w.Walk(0, math.MaxUint64, func(amd64.Mapping) error { count++; return nil }))
	require.Equal(t, 11, count, "ten pages before the hole and 2 MiB behind it")
	require.Len(t, failures, 1)
	require.Equal(t, 10, failures[0].Index)
	require.Equal(t, uint64(10*0x1000), failures[0].Virtual)
	require.ErrorIs(t, failures[0], amd64.ErrOutsideMemory)

	w, err = amd64.NewWalker(s.memory, physmem.Ranges{}, s.paging)
	require.NoError(t, err)
	require.ErrorIs(t, w.Walk(0, math.MaxUint64, nil), amd64.ErrOutsideMemory)
}

// TestWalkBounded shares one table 512 times on every level, which makes 2^36
// pages out of 16 KiB.
func TestWalkBounded(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	frames := []physmem.Address{s.paging.Root, s.frame(), s.frame(), s.frame(), 0x5000}
	for level := range 4 {
		for i := range 512 {
			s.put(frames[level], i, open|amd64.Entry(frames[level+1]))
		}
	}
	w := s.walker()
	w.MaxTables = 1000
	count := 0
	err := w.Walk(0, math.MaxUint64, func(amd64.Mapping) error { count++; return nil })
	require.ErrorIs(t, err, amd64.ErrTooManyTables)
	require.LessOrEqual(t, count, 1000*512)
	require.Greater(t, count, 900*512)
}

func BenchmarkTranslate(b *testing.B) {
	for _, level := range []int{1, 2, 3} {
		b.Run(amd64.LevelName(level), func(b *testing.B) {
			s := newTables(b, 4)
			s.leaf(0x4000_0000, level, open)
			data := make([]byte, s.next)
			_, err := s.memory.ReadPhysical(data, 0)
			require.NoError(b, err)
			w, err := amd64.NewWalker(physmem.NewBytes(0, data), everywhere, s.paging)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := w.Translate(0x4000_0123); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWalk visits 1 GiB in pages of 4 KiB.
func BenchmarkWalk(b *testing.B) {
	s := newTables(b, 4)
	for va := uint64(0); va < 1<<30; va += 0x1000 {
		s.put(s.table(va, 1, open), index(va, 1), amd64.Entry(va)|open)
	}
	w, err := amd64.NewWalker(s.memory, everywhere, s.paging)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		if err := w.Walk(0, math.MaxUint64, func(amd64.Mapping) error { count++; return nil }); err != nil || count != 1<<18 {
			b.Fatal(count, err)
		}
	}
}
