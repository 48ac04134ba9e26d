package arm64_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

const (
	k4, k16, k64 = arm64.Granule4K, arm64.Granule16K, arm64.Granule64K

	ro, user, pxn, uxn = arm64.EntryRO, arm64.EntryUser, arm64.EntryPXN, arm64.EntryUXN
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		paging   arm64.Paging
		level    int
		leaf     arm64.Entry
		va       uint64
		physical physmem.Address
		rights   string
	}{
		{"4 KiB page", arm64.Paging{Granule: k4, VirtualBits: 48, Upper: true}, 3, 0x1234_5000, 0xffff_8000_dead_beef, 0x1234_5eef, "w-x"},
		{"2 MiB block", arm64.Paging{Granule: k4, VirtualBits: 48}, 2, 0x1220_0000, 0x7fff_dead_beef, 0x122d_beef, "w-x"},
		{"1 GiB block, 39 bits", arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true}, 1, 0x40_4000_0000, 0xffff_ff80_1234_5678, 0x40_5234_5678, "w-x"},
		{"512 GiB block", arm64.Paging{Granule: k4, VirtualBits: 52, PhysicalBits: 52, LPA2: true}, 0, 0x3_ff80_0000_0300, 0xf_ff80_0000_0001, 0xf_ff80_0000_0001, "w-x"},
		{"page with 52 bits", arm64.Paging{Granule: k4, VirtualBits: 52, PhysicalBits: 52, LPA2: true, Upper: true}, 3, 0x2_0000_0000_1200, 0xfff8_0000_0000_0123, 0xa_0000_0000_1123, "w-x"},
		{"16 KiB page", arm64.Paging{Granule: k16, VirtualBits: 47, Upper: true}, 3, 0x1234_4000, 0xffff_8000_dead_beef, 0x1234_7eef, "w-x"},
		{"16 KiB page, 48 bits", arm64.Paging{Granule: k16, VirtualBits: 48}, 3, 0x1234_4000, 0x8000_0000_0001, 0x1234_4001, "w-x"},
		{"32 MiB block", arm64.Paging{Granule: k16, VirtualBits: 36}, 2, 0x1200_0000, 0xf_ff34_5678, 0x1334_5678, "w-x"},
		{"64 GiB block", arm64.Paging{Granule: k16, VirtualBits: 48, PhysicalBits: 52, LPA2: true}, 1, 0x10_0000_0100, 0x1234, 0x4_0010_0000_1234, "w-x"},
		{"64 KiB page", arm64.Paging{Granule: k64, VirtualBits: 48, Upper: true}, 3, 0x1234_0000, 0xffff_8000_dead_beef, 0x1234_beef, "w-x"},
		{"64 KiB page, 52 bits", arm64.Paging{Granule: k64, VirtualBits: 52, PhysicalBits: 52}, 3, 0x1234_a000, 0xf_0000_dead_beef, 0xa_0000_1234_beef, "w-x"},
		{"512 MiB block", arm64.Paging{Granule: k64, VirtualBits: 42}, 2, 0x4000_0000, 0x3ff_f234_5678, 0x5234_5678, "w-x"},
		{"4 TiB block", arm64.Paging{Granule: k64, VirtualBits: 48, PhysicalBits: 52}, 1, 0x400_0000_f000, 0x1_2345, 0xf_0400_0001_2345, "w-x"},
		{"one table", arm64.Paging{Granule: k64, VirtualBits: 29}, 3, 0x1234_0000, 0x1fff_1234, 0x1234_1234, "w-x"},
		{"25 bits", arm64.Paging{Granule: k4, VirtualBits: 25, Upper: true}, 3, 0x5000, 0xffff_ffff_ffff_f123, 0x5123, "w-x"},
		{"25 bits, block at the first level", arm64.Paging{Granule: k4, VirtualBits: 25}, 2, 0x20_0000, 0x1e0_0123, 0x20_0123, "w-x"},
		{"read-only", arm64.Paging{Granule: k4, VirtualBits: 48}, 3, 0x5000 | ro, 0, 0x5000, "--x"},
		{"user that may write is nothing for EL1", arm64.Paging{Granule: k4, VirtualBits: 48}, 3, 0x5000 | user | uxn, 0, 0x5000, "wu-"},
		{"user that may not is", arm64.Paging{Granule: k4, VirtualBits: 48}, 3, 0x5000 | user | ro | uxn, 0, 0x5000, "-ux"},
		{"nobody executes", arm64.Paging{Granule: k4, VirtualBits: 48}, 3, 0x5000 | pxn | uxn, 0, 0x5000, "w--"},
		{"ignored bits, DBM, contiguous, no AF", arm64.Paging{Granule: k4, VirtualBits: 48}, 3, 0x5000 | 0xff9c_0000_0000_0000, 0, 0x5000, "w-x"},
		{"block with nT", arm64.Paging{Granule: k4, VirtualBits: 48}, 2, 0x20_0000 | arm64.EntryNT, 0, 0x20_0000, "w-x"},
		{"top byte ignored", arm64.Paging{Granule: k4, VirtualBits: 39, TopByteIgnored: true}, 3, 0x5000, 0xab00_0012_3456_7890, 0x5890, "w-x"},
		{"top byte ignored, upper", arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true, TopByteIgnored: true}, 3, 0x5000, 0x12ff_fff2_3456_7890, 0x5890, "w-x"},
	} {
		s := newTables(t, tt.paging)
		s.leaf(tt.va, tt.level, tt.leaf)
		w := s.walker()
		physical, m, err := w.Translate(tt.va)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.physical, physical, tt.name)
		require.Equal(t, tt.level, m.Level, tt.name)
		require.Equal(t, s.size(tt.level), m.Size, tt.name)
		require.Equal(t, s.half(tt.va)&^(m.Size-1), m.Virtual, tt.name)
		require.Equal(t, tt.rights, rightsOf(m), tt.name)

		steps, traced, err := w.Trace(tt.va, nil)
		require.NoError(t, err, tt.name)
		require.Equal(t, m, traced, tt.name)
		require.Len(t, steps, tt.level-s.start+1, tt.name)
		for i, step := range steps {
			require.Equal(t, s.start+i, step.Level, tt.name)
			require.Equal(t, s.index(tt.va, step.Level), step.Index, tt.name)
			require.Equal(t, s.get(step.Table, step.Index), step.Entry, tt.name)
		}
	}
}

func rightsOf(m arm64.Mapping) string {
	rights := []byte("---")
	for i, has := range []bool{m.Writable, m.User, m.Executable} {
		if has {
			rights[i] = "wux"[i]
		}
	}
	return string(rights)
}

// refusal is an entry of one level that is wrong in one way.
type refusal struct {
	name   string
	paging arm64.Paging
	level  int
	entry  arm64.Entry // put at level
	want   error
}

const refusedAddress = 0xffff_c123_4567_89ab

func refusals() []refusal {
	kernel := arm64.Paging{Granule: k4, VirtualBits: 48, Upper: true, PhysicalBits: 44}
	k16Kernel := arm64.Paging{Granule: k16, VirtualBits: 47, Upper: true}
	k64Kernel := arm64.Paging{Granule: k64, VirtualBits: 48, Upper: true}
	k64Large := arm64.Paging{Granule: k64, VirtualBits: 48, Upper: true, PhysicalBits: 52}
	lpa2 := arm64.Paging{Granule: k4, VirtualBits: 48, Upper: true, PhysicalBits: 50, LPA2: true}
	const table = arm64.EntryPage
	return []refusal{
		{"nothing at level 0", kernel, 0, 0, arm64.ErrNotMapped},
		{"nothing at level 1", kernel, 1, 0, arm64.ErrNotMapped},
		{"nothing at level 2", kernel, 2, 0, arm64.ErrNotMapped},
		{"nothing at level 3", kernel, 3, 0, arm64.ErrNotMapped},
		{"not valid, other bits", kernel, 3, 0x5000 | arm64.EntryTable, arm64.ErrNotMapped},
		{"block at level 0", kernel, 0, arm64.EntryValid, arm64.ErrReservedBits},
		{"block at level 3", kernel, 3, 0x5000 | arm64.EntryValid, arm64.ErrReservedBits},
		{"block at level 1 of 16 KiB", k16Kernel, 1, arm64.EntryValid, arm64.ErrReservedBits},
		{"block at level 1 of 64 KiB", k64Kernel, 1, arm64.EntryValid, arm64.ErrReservedBits},
		{"2 MiB not aligned", kernel, 2, 0x10_0000 | arm64.EntryValid, arm64.ErrReservedBits},
		{"2 MiB, bit 12", kernel, 2, 0x1000 | arm64.EntryValid, arm64.ErrReservedBits},
		{"32 MiB not aligned", k16Kernel, 2, 0x100_0000 | arm64.EntryValid, arm64.ErrReservedBits},
		{"16 KiB page not aligned", k16Kernel, 3, 0x1000 | table, arm64.ErrReservedBits},
		{"16 KiB table not aligned", k16Kernel, 2, 0x2000 | table, arm64.ErrReservedBits},
		{"64 KiB page not aligned", k64Kernel, 3, 0x8000 | table, arm64.ErrReservedBits},
		{"nT in a page", k64Kernel, 3, 0x8000 | table, arm64.ErrReservedBits},
		{"address beyond the size", kernel, 3, 1<<44 | table, arm64.ErrReservedBits},
		{"table beyond the size", kernel, 1, 1<<47 | table, arm64.ErrReservedBits},
		{"bit 48", kernel, 3, 1<<48 | table, arm64.ErrReservedBits},
		{"address beyond the size, LPA2", lpa2, 3, 1<<9 | table, arm64.ErrReservedBits},
		{"bit 48, 64 KiB and 52 bits", k64Large, 3, 1<<48 | table, arm64.ErrReservedBits},
		{"table outside", kernel, 2, 0x30_0000_0000 | table, arm64.ErrOutsideMemory},
		{"page outside", kernel, 3, 0x30_0000_0000 | table, arm64.ErrOutsideMemory},
		{"page outside, 52 bits", k64Large, 3, 0x5000_2000 | table, arm64.ErrOutsideMemory},
		{"table that ends outside", k16Kernel, 2, 0x4000 | table, arm64.ErrOutsideMemory},
		{"root is its own", kernel, 0, arm64.Entry(tableBase) | table, arm64.ErrCycle},
		{"table is the root", kernel, 2, arm64.Entry(tableBase) | table, arm64.ErrCycle},
		{"table is its own", kernel, 1, arm64.Entry(tableBase) + 0x1000 | table, arm64.ErrCycle},
	}
}

func TestTranslateRefusals(t *testing.T) {
	t.Parallel()
	const va = refusedAddress
	for _, tt := range refusals() {
		s := newTables(t, tt.paging)
		s.put(s.table(va, tt.level), s.index(va, tt.level), tt.entry)
		allowed := physmem.NewRanges(physmem.Range{Start: 0, End: 0x6000}, physmem.Range{Start: tableBase, End: 1 << 32})
		w, err := arm64.NewWalker(s.memory, allowed, s.paging)
		require.NoError(t, err, tt.name)
		_, m, err := w.Translate(va)
		require.Equal(t, arm64.Mapping{}, m, tt.name)
		require.ErrorIs(t, err, tt.want, tt.name)
		var failure *arm64.WalkError
		require.ErrorAs(t, err, &failure, tt.name)
		require.Equal(t, arm64.WalkError{
			Virtual: va, Level: tt.level, Table: s.table(va, tt.level), Index: s.index(va, tt.level), Entry: tt.entry, Err: failure.Err,
		}, *failure, tt.name)
		steps, _, err := w.Trace(va, nil)
		require.ErrorIs(t, err, tt.want, tt.name)
		require.Len(t, steps, tt.level-s.start+1, tt.name)
	}
}

func TestTranslateErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		paging arm64.Paging
		va     uint64
		ok     bool
	}{
		{arm64.Paging{Granule: k4, VirtualBits: 39}, 1 << 39, false},
		{arm64.Paging{Granule: k4, VirtualBits: 39}, 1<<39 - 1, true},
		{arm64.Paging{Granule: k4, VirtualBits: 39}, math.MaxUint64, false},
		{arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true}, 0, false},
		{arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true}, 0xffff_ff7f_ffff_ffff, false},
		{arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true}, 0xffff_ff80_0000_0000, true},
		{arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true}, 0x00ff_ff80_0000_0000, false},
		{arm64.Paging{Granule: k4, VirtualBits: 39, Upper: true, TopByteIgnored: true}, 0x00ff_ff80_0000_0000, true},
		{arm64.Paging{Granule: k4, VirtualBits: 39, TopByteIgnored: true}, 0x0080_0000_0000_0000, false},
	} {
		_, _, err := newTables(t, tt.paging).walker().Translate(tt.va)
		want := arm64.ErrNonCanonical
		if tt.ok {
			want = arm64.ErrNotMapped
		}
		require.ErrorIs(t, err, want, "%#x", tt.va)
	}

	s := newTables(t, arm64.Paging{Granule: k4, VirtualBits: 48})
	s.leaf(0x1000, 3, 0x5000)
	bad := errors.New("bus error")
	w, err := arm64.NewWalker(failing{s.memory, 0x10_2000, bad}, nil, s.paging)
	require.NoError(t, err)
	_, _, err = w.Translate(0x1000)
	require.ErrorIs(t, err, arm64.ErrUnreadable)
	require.ErrorIs(t, err, bad)
	require.EqualError(t, err, "translate 0x1000: level 2 descriptor 0 of table 0x102000 is 0x0: table cannot be read: bus error")
	w, err = arm64.NewWalker(s.memory, physmem.Ranges{}, s.paging)
	require.NoError(t, err)
	_, _, err = w.Translate(0x1000)
	require.ErrorIs(t, err, arm64.ErrOutsideMemory)
}

// failing fails reads of one page.
type failing struct {
	physmem.Reader
	page physmem.Address
	err  error
}

func (f failing) ReadPhysical(p []byte, address physmem.Address) (int, error) {
	if address.AlignDown(4096) == f.page {
		return 0, f.err
	}
	return f.Reader.ReadPhysical(p, address)
}

func TestNewWalkerRefusals(t *testing.T) {
	t.Parallel()
	memory := physmem.NewSparse(everywhere)
	for _, tt := range []struct {
		paging arm64.Paging
		want   string
	}{
		{arm64.Paging{Granule: 8192}, "paging: unsupported paging: granule of 8192 bytes"},
		{arm64.Paging{VirtualBits: 24}, "paging: unsupported paging: 24 virtual address bits"},
		{arm64.Paging{VirtualBits: 53}, "paging: unsupported paging: 53 virtual address bits"},
		{arm64.Paging{VirtualBits: 52}, "paging: unsupported paging: 52 virtual address bits without LPA2"},
		{arm64.Paging{Granule: k16, PhysicalBits: 52}, "paging: unsupported paging: 52 physical address bits without LPA2"},
		{arm64.Paging{PhysicalBits: 31}, "paging: unsupported paging: 31 physical address bits"},
		{arm64.Paging{Granule: k64, LPA2: true}, "paging: unsupported paging: LPA2 with a granule of 64 KiB"},
		{arm64.Paging{Root: 0x800}, "paging: reserved bits set: root 0x800 is not aligned to its 512 entries"},
		{arm64.Paging{Root: 0x40, VirtualBits: 25}, "paging: reserved bits set: root 0x40 is not aligned to its 16 entries"},
		{arm64.Paging{Root: 1 << 40, PhysicalBits: 40}, "paging: reserved bits set: root 0x10000000000 has more than 40 bits"},
	} {
		_, err := arm64.NewWalker(memory, nil, tt.paging)
		require.EqualError(t, err, tt.want)
	}
	_, err := arm64.NewWalker(nil, nil, arm64.Paging{})
	require.EqualError(t, err, "page-table walker: no memory")
	_, err = arm64.NewWalker(memory, nil, arm64.Paging{Root: 0x80, VirtualBits: 25})
	require.NoError(t, err, "a first table may be small")
}

func TestStartLevel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ granule, bits, want int }{
		{k4, 25, 2}, {k4, 30, 2}, {k4, 31, 1}, {k4, 39, 1}, {k4, 40, 0}, {k4, 48, 0}, {k4, 49, -1}, {k4, 52, -1},
		{k16, 25, 3}, {k16, 26, 2}, {k16, 36, 2}, {k16, 37, 1}, {k16, 47, 1}, {k16, 48, 0}, {k16, 52, 0},
		{k64, 25, 3}, {k64, 29, 3}, {k64, 30, 2}, {k64, 42, 2}, {k64, 43, 1}, {k64, 52, 1},
	} {
		require.Equal(t, tt.want, arm64.Paging{Granule: tt.granule, VirtualBits: tt.bits}.StartLevel(), "%d, %d bits", tt.granule, tt.bits)
	}
}

func TestFollowCycles(t *testing.T) {
	t.Parallel()
	s := newTables(t, arm64.Paging{Granule: k4, VirtualBits: 48})
	s.leaf(0x1000, 3, 0x5000)
	s.put(s.paging.Root, 256, arm64.EntryPage|arm64.Entry(s.paging.Root))
	w := s.walker()
	w.FollowCycles = true
	physical, _, err := w.Translate(0x8000_0000_0000)
	require.NoError(t, err)
	require.Equal(t, s.table(0x1000, 3), physical)
}

func TestLookup(t *testing.T) {
	t.Parallel()
	s := newTables(t, arm64.Paging{Granule: k4, VirtualBits: 48})
	s.leaf(0x4000_1000, 3, 0x5000)
	s.leaf(0x4020_0000, 2, 0x20_0000)
	w := s.walker()
	step, err := w.Lookup(0x4000_1000, 2)
	require.NoError(t, err)
	require.Equal(t, arm64.Step{Level: 2, Table: s.table(0x4000_1000, 2), Index: 0, Entry: s.get(s.table(0x4000_1000, 2), 0)}, step)
	step, err = w.Lookup(0x4021_0000, 3)
	require.NoError(t, err)
	require.Equal(t, 2, step.Level)
	step, err = w.Lookup(0x4040_0000, 2)
	require.ErrorIs(t, err, arm64.ErrNotMapped)
	require.Equal(t, 2, step.Index)
	_, err = w.Lookup(0, -1)
	require.ErrorIs(t, err, arm64.ErrUnsupported)
	_, err = w.Lookup(1<<63, 3)
	require.ErrorIs(t, err, arm64.ErrNonCanonical)
}

// pagings are all kinds of paging that there are, more or less.
func pagings() (list []arm64.Paging) {
	for _, granule := range []int{k4, k16, k64} {
		for _, virtual := range []int{25, 31, 36, 39, 42, 47, 48, 50, 52} {
			for _, large := range []bool{false, true} {
				p := arm64.Paging{Granule: granule, VirtualBits: virtual, PhysicalBits: 44}
				if large {
					p.PhysicalBits, p.LPA2 = 52, granule != k64
				}
				if virtual > 48 && !large && granule != k64 {
					continue
				}
				p.Upper, p.HierarchyOff = len(list)%2 == 0, len(list)%3 == 0
				list = append(list, p)
			}
		}
	}
	return list
}

// TestWalkerAgainstModel compares walks through generated tables with what was
// put in, for all kinds of paging.
func TestWalkerAgainstModel(t *testing.T) {
	t.Parallel()
	for i, paging := range pagings() {
		t.Run(fmt.Sprintf("%d KiB, %d to %d bits", paging.Granule>>10, paging.VirtualBits, paging.PhysicalBits), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(i), 1))
			s := newTables(t, paging)
			s.random(random, 60)
			require.Less(t, s.next, tableEnd)
			w := s.walker()
			for range 500 {
				leaf := s.leaves[random.IntN(len(s.leaves))]
				checkModel(t, s, w, leaf.Virtual+random.Uint64N(leaf.Size))
				checkModel(t, s, w, leaf.Virtual+random.Uint64N(4*leaf.Size)-2*leaf.Size)
			}
			checkWalk(t, s, w, 0, math.MaxUint64)
			for range 5 {
				a, b := s.leaves[random.IntN(len(s.leaves))], s.leaves[random.IntN(len(s.leaves))]
				checkWalk(t, s, w, a.Virtual+random.Uint64N(a.Size), b.Virtual+random.Uint64N(b.Size))
			}
		})
	}
}

func checkModel(t *testing.T, s *tables, w *arm64.Walker, va uint64) {
	t.Helper()
	physical, m, err := w.Translate(va)
	for _, leaf := range s.leaves {
		if va >= leaf.Virtual && va-leaf.Virtual < leaf.Size {
			if err != nil || m != leaf || physical != leaf.Physical+physmem.Address(va-leaf.Virtual) {
				require.Failf(t, "wrong translation", "%#x: got %v %+v %v, want %+v", va, physical, m, err, leaf)
			}
			return
		}
	}
	if !errors.Is(err, arm64.ErrNotMapped) && !errors.Is(err, arm64.ErrNonCanonical) {
		require.Failf(t, "translation of what is not mapped", "%#x: got %v %+v %v", va, physical, m, err)
	}
}

func checkWalk(t *testing.T, s *tables, w *arm64.Walker, start, last uint64) {
	t.Helper()
	var got, want []arm64.Mapping
	require.NoError(t, w.Walk(start, last, func(m arm64.Mapping) error {
		got = append(got, m)
		return nil
	}))
	for _, leaf := range s.leaves {
		if start <= last && leaf.Virtual <= last && leaf.Virtual+(leaf.Size-1) >= start {
			want = append(want, leaf)
		}
	}
	require.Equal(t, want, got)
}

// TestTranslateAllocations holds the promise that a translation allocates
// nothing.
func TestTranslateAllocations(t *testing.T) {
	s := newTables(t, arm64.Paging{Granule: k4, VirtualBits: 52, PhysicalBits: 52, LPA2: true})
	s.leaf(0x1000, 3, 0x5000)
	w, err := arm64.NewWalker(s.memory, everywhere, s.paging)
	require.NoError(t, err)
	steps := make([]arm64.Step, 0, 5)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := w.Translate(0x1234); err != nil {
			panic(err)
		}
		if _, _, err := w.Trace(0x1234, steps); err != nil {
			panic(err)
		}
		if _, err := w.Lookup(0x1234, 2); err != nil {
			panic(err)
		}
	}))
}
