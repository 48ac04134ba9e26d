package arm64_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// TestWalkReports breaks entries here and there: each is reported once, and
// all others are visited.
func TestWalkReports(t *testing.T) {
	t.Parallel()
	s := newTables(t, arm64.Paging{Granule: k4, VirtualBits: 48, PhysicalBits: 44})
	s.leaf(0x1000, 3, 0x5000)
	s.leaf(0x2000, 3, 1<<45) // beyond the size of addresses
	s.leaf(0x3000, 3, 0x6000)
	s.put(s.table(0, 3), 9, 0x5000|arm64.EntryValid)                // a block at level 3
	s.put(s.table(0, 2), 7, 0x30_0000_0000|arm64.EntryPage)         // a table outside
	s.leaf(0x4000_0000, 2, 0x20_2000)                               // bit 13
	s.leaf(0x8000_0000, 3, 0x50_0000_0000)                          // a page outside
	s.leaf(0xc000_0000, 1, 0x1_0000_0000-0x4000_0000)               // allowed in part
	s.put(s.paging.Root, 9, arm64.EntryPage|arm64.Entry(tableBase)) // recursive
	s.put(s.paging.Root, 300, arm64.EntryValid)                     // a block at level 0
	s.leaf(0xffff_ffff_f000, 3, 0x7000)                             // the last page
	allowed := physmem.NewRanges(physmem.Range{Start: 0x1000, End: 0xf000_0000})
	w, err := arm64.NewWalker(s.memory, allowed, s.paging)
	require.NoError(t, err)
	type report struct {
		va    uint64
		level int
		err   error
	}
	var reports []report
	w.OnError = func(e *arm64.WalkError) {
		reports = append(reports, report{e.Virtual, e.Level, errors.Unwrap(e)})
		// The walk's own state must not suffer from a translation.
		_, _, _ = w.Translate(e.Virtual)
	}
	var visited []uint64
	require.NoError(t, w.Walk(0, math.MaxUint64, func(m arm64.Mapping) error {
		visited = append(visited, m.Virtual)
		_, _, err := w.Translate(m.Virtual)
		return err
	}))
	require.Equal(t, []uint64{0x1000, 0x3000, 0xc000_0000, 0xffff_ffff_f000}, visited)
	want := []report{
		{0x2000, 3, arm64.ErrReservedBits},
		{0x9000, 3, arm64.ErrReservedBits},
		{7 << 21, 2, arm64.ErrOutsideMemory},
		{0x4000_0000, 2, arm64.ErrReservedBits},
		{0x8000_0000, 3, arm64.ErrOutsideMemory},
		{9 << 39, 0, arm64.ErrCycle},
		{300 << 39, 0, arm64.ErrReservedBits},
	}
	require.Len(t, reports, len(want))
	for i, r := range reports {
		require.Equal(t, want[i].va, r.va)
		require.Equal(t, want[i].level, r.level)
		require.ErrorIs(t, r.err, want[i].err)
	}

	w.OnError = nil
	err = w.Walk(0, math.MaxUint64, func(arm64.Mapping) error { return nil })
	var failure *arm64.WalkError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, uint64(0x2000), failure.Virtual, "without OnError the first bad entry ends the walk")
	stop := errors.New("stop")
	require.Equal(t, stop, w.Walk(0, math.MaxUint64, func(arm64.Mapping) error { return stop }))
	require.NoError(t, w.Walk(1<<48, math.MaxUint64, nil), "addresses of the other half")
}

// TestWalkUnreadable has tables that can be read in part, or not at all.
func TestWalkUnreadable(t *testing.T) {
	t.Parallel()
	s := newTables(t, arm64.Paging{Granule: k16, VirtualBits: 47})
	for va := uint64(0); va < 0x200_0000; va += 0x4000 {
		s.leaf(va, 3, arm64.Entry(va))
	}
	s.leaf(0x4000_0000, 2, 0)
	data := make([]byte, s.next-tableBase)
	_, err := s.memory.ReadPhysical(data, tableBase)
	require.NoError(t, err)
	page := int(s.table(0, 3) - tableBase)
	memory, err := physmem.NewBanks(
		physmem.NewBytes(tableBase, data[:page+8*10+3]),
		physmem.NewBytes(tableBase+physmem.Address(page)+k16, data[page+k16:]))
	require.NoError(t, err)
	w, err := arm64.NewWalker(memory, nil, s.paging)
	require.NoError(t, err)
	var failures []*arm64.WalkError
	w.OnError = func(e *arm64.WalkError) { failures = append(failures, e) }
	count := 0
	require.NoError(t, w.Walk(0, math.MaxUint64, func(arm64.Mapping) error { count++; return nil }))
	require.Equal(t, 11, count, "ten pages before the hole and 32 MiB behind it")
	require.Len(t, failures, 1)
	require.Equal(t, 10, failures[0].Index)
	require.Equal(t, uint64(10*0x4000), failures[0].Virtual)
	require.ErrorIs(t, failures[0], arm64.ErrOutsideMemory)

	w, err = arm64.NewWalker(s.memory, physmem.Ranges{}, s.paging)
	require.NoError(t, err)
	require.ErrorIs(t, w.Walk(0, math.MaxUint64, nil), arm64.ErrOutsideMemory)
}

// TestWalkBounded shares one table 2048 times on every level, which makes 2^34
// pages out of 48 KiB.
func TestWalkBounded(t *testing.T) {
	t.Parallel()
	s := newTables(t, arm64.Paging{Granule: k16, VirtualBits: 47})
	frames := []physmem.Address{s.paging.Root, s.frame(), s.frame(), 0x4000}
	for level := range 3 {
		for i := range 2048 {
			s.put(frames[level], i, arm64.EntryPage|arm64.Entry(frames[level+1]))
		}
	}
	w := s.walker()
	w.MaxTables = 300
	count := 0
	err := w.Walk(0, math.MaxUint64, func(arm64.Mapping) error { count++; return nil })
	require.ErrorIs(t, err, arm64.ErrTooManyTables)
	require.LessOrEqual(t, count, 300*2048)
	require.Greater(t, count, 290*2048)
}

func BenchmarkTranslate(b *testing.B) {
	for _, level := range []int{3, 2, 1} {
		b.Run(fmt.Sprintf("level %d", level), func(b *testing.B) {
			s := newTables(b, arm64.Paging{Granule: k4, VirtualBits: 48})
			s.leaf(0x4000_0000, level, 0)
			data := make([]byte, s.next)
			_, err := s.memory.ReadPhysical(data, 0)
			require.NoError(b, err)
			w, err := arm64.NewWalker(physmem.NewBytes(0, data), everywhere, s.paging)
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
	s := newTables(b, arm64.Paging{Granule: k4, VirtualBits: 48})
	for va := uint64(0); va < 1<<30; va += 0x1000 {
		s.put(s.table(va, 3), s.index(va, 3), arm64.Entry(va)|arm64.EntryPage)
	}
	w, err := arm64.NewWalker(s.memory, everywhere, s.paging)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		if err := w.Walk(0, math.MaxUint64, func(arm64.Mapping) error { count++; return nil }); err != nil || count != 1<<18 {
			b.Fatal(count, err)
		}
	}
}
