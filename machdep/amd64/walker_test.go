package amd64_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	const nx, pat = amd64.EntryNoExecute, amd64.EntryLargePAT
	for _, tt := range []struct {
		name     string
		levels   int
		level    int
		leaf     amd64.Entry
		va       uint64
		physical physmem.Address
		rights   string
	}{
		{"4 KiB", 4, 1, 0x1234_5000 | open, 0x7fff_dead_beef, 0x1234_5eef, "wux"},
		{"4 KiB with PAT", 4, 1, 0x1234_5000 | open | amd64.EntryPAT, 0x7fff_dead_beef, 0x1234_5eef, "wux"},
		{"2 MiB", 4, 2, 0x1220_0000 | open, 0xffff_ffff_8012_3456, 0x1232_3456, "wux"},
		{"2 MiB with PAT", 4, 2, 0x1220_0000 | open | pat, 0xffff_ffff_8012_3456, 0x1232_3456, "wux"},
		{"1 GiB", 4, 3, 0x40_4000_0000 | open, 0xffff_8000_1234_5678, 0x40_5234_5678, "wux"},
		{"1 GiB with PAT", 4, 3, 0x40_4000_0000 | open | pat, 0xffff_8000_1234_5678, 0x40_5234_5678, "wux"},
		{"5 levels, 4 KiB", 5, 1, 0x3fff_ffff_f000 | open, 0xff00_0000_0000_0123, 0x3fff_ffff_f123, "wux"},
		{"5 levels, 1 GiB", 5, 3, 0x4000_0000 | open, 0x00ff_ffff_ffff_ffff, 0x7fff_ffff, "wux"},
		{"read-only", 4, 1, 0x5000 | open&^amd64.EntryWritable, 0x1000, 0x5000, "-ux"},
		{"supervisor", 4, 1, 0x5000 | open&^amd64.EntryUser, 0x1000, 0x5000, "w-x"},
		{"no execute", 4, 1, 0x5000 | open | nx, 0x1000, 0x5000, "wu-"},
		{"ignored and key bits", 4, 1, 0x5000 | open | 0x7ff0_0000_0000_0e00, 0x1000, 0x5000, "wux"},
	} {
		s := newTables(t, tt.levels)
		s.leaf(tt.va, tt.level, tt.leaf)
		w := s.walker()
		physical, m, err := w.Translate(tt.va)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.physical, physical, tt.name)
		require.Equal(t, tt.level, m.Level, tt.name)
		require.Equal(t, tt.va&^(m.Size-1), m.Virtual, tt.name)
		require.Equal(t, tt.rights, rightsOf(m), tt.name)

		steps, traced, err := w.Trace(tt.va, nil)
		require.NoError(t, err, tt.name)
		require.Equal(t, m, traced, tt.name)
		require.Len(t, steps, tt.levels-tt.level+1, tt.name)
		for i, step := range steps {
			require.Equal(t, tt.levels-i, step.Level, tt.name)
			require.Equal(t, index(tt.va, step.Level), step.Index, tt.name)
			require.Equal(t, s.get(step.Table, step.Index), step.Entry, tt.name)
		}
	}
}

func rightsOf(m amd64.Mapping) string {
	rights := []byte("---")
	for i, has := range []bool{m.Writable, m.User, m.Executable} {
		if has {
			rights[i] = "wux"[i]
		}
	}
	return string(rights)
}

// TestTranslateRefusals breaks the entry of one level in one way.
func TestTranslateRefusals(t *testing.T) {
	t.Parallel()
	const va = 0xffff_f800_0123_4567
	for _, tt := range []struct {
		name   string
		level  int
		entry  amd64.Entry // put at level; 0: none
		paging func(*amd64.Paging)
		want   error
		depth  int // steps that Trace gives
	}{
		{"no PML4E", 4, 0, nil, amd64.ErrNotMapped, 1},
		{"no PDPTE", 3, 0, nil, amd64.ErrNotMapped, 2},
		{"no PDE", 2, 0, nil, amd64.ErrNotMapped, 3},
		{"no PTE", 1, 0, nil, amd64.ErrNotMapped, 4},
		{"not present with other bits", 1, 0x1234_5000 | open&^amd64.EntryPresent, nil, amd64.ErrNotMapped, 4},
		{"PS in a PML4E", 4, 0x4000_0000 | open | amd64.EntryLarge, nil, amd64.ErrReservedBits, 1},
		{"1 GiB page not aligned", 3, 0x4020_0000 | open | amd64.EntryLarge, nil, amd64.ErrReservedBits, 2},
		{"1 GiB page, bit 13", 3, 0x4000_2000 | open | amd64.EntryLarge, nil, amd64.ErrReservedBits, 2},
		{"no 1 GiB pages", 3, 0x4000_0000 | open | amd64.EntryLarge, func(p *amd64.Paging) { p.GigabytePagesOff = true }, amd64.ErrReservedBits, 2},
		{"2 MiB page not aligned", 2, 0x4010_0000 | open | amd64.EntryLarge, nil, amd64.ErrReservedBits, 3},
		{"address beyond MAXPHYADDR", 1, 1<<46 | open, nil, amd64.ErrReservedBits, 4},
		{"table beyond MAXPHYADDR", 3, 1<<51 | open, nil, amd64.ErrReservedBits, 2},
		{"NX without EFER.NXE", 1, 0x5000 | open | amd64.EntryNoExecute, func(p *amd64.Paging) { p.NoExecuteOff = true }, amd64.ErrReservedBits, 4},
		{"table outside", 3, 0x30_0000_0000 | open, nil, amd64.ErrOutsideMemory, 2},
		{"page outside", 1, 0x30_0000_0000 | open, nil, amd64.ErrOutsideMemory, 4},
		{"table that ends outside", 3, 0x3000 | open, nil, amd64.ErrOutsideMemory, 2},
		{"table is its own", 3, 0x10_1000 | open, nil, amd64.ErrCycle, 2},
		{"table is the root", 2, amd64.Entry(tableBase) | open, nil, amd64.ErrCycle, 3},
		{"root is its own", 4, amd64.Entry(tableBase) | open, nil, amd64.ErrCycle, 1},
	} {
		s := newTables(t, 4)
		s.put(s.table(va, tt.level, open), index(va, tt.level), tt.entry)
		if tt.paging != nil {
			tt.paging(&s.paging)
		}
		allowed := physmem.NewRanges(physmem.Range{Start: 0, End: 0x3800}, physmem.Range{Start: tableBase, End: 1 << 32})
		w, err := amd64.NewWalker(s.memory, allowed, s.paging)
		require.NoError(t, err, tt.name)
		_, m, err := w.Translate(va)
		require.Equal(t, amd64.Mapping{}, m, tt.name)
		require.ErrorIs(t, err, tt.want, tt.name)
		var failure *amd64.WalkError
		require.ErrorAs(t, err, &failure, tt.name)
		require.Equal(t, amd64.WalkError{
			Virtual: va, Level: tt.level, Table: s.table(va, tt.level, open), Index: index(va, tt.level), Entry: tt.entry, Err: failure.Err,
		}, *failure, tt.name)
		steps, _, err := w.Trace(va, nil)
		require.ErrorIs(t, err, tt.want, tt.name)
		require.Len(t, steps, tt.depth, tt.name)
	}
}

func TestTranslateErrors(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	s.leaf(0x1000, 1, 0x5000|open)
	for _, va := range []uint64{0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63} {
		_, _, err := s.walker().Translate(va)
		require.ErrorIs(t, err, amd64.ErrNonCanonical)
	}
	// A table that memory has and cannot give.
	bad := errors.New("machine check")
	w, err := amd64.NewWalker(failing{s.memory, 0x10_2000, bad}, nil, s.paging)
	require.NoError(t, err)
	_, _, err = w.Translate(0x1000)
	require.ErrorIs(t, err, amd64.ErrUnreadable)
	require.ErrorIs(t, err, bad)
	require.EqualError(t, err, "translate 0x1000: PDE 0 of table 0x102000 is 0x0: table cannot be read: machine check")
	// A table that memory does not have, where nothing else limits it.
	w, err = amd64.NewWalker(physmem.NewBytes(0, make([]byte, 64)), nil, s.paging)
	require.NoError(t, err)
	_, _, err = w.Translate(0x1000)
	require.ErrorIs(t, err, amd64.ErrOutsideMemory)
	// A root that is not allowed, and a set that allows nothing.
	w, err = amd64.NewWalker(s.memory, physmem.Ranges{}, s.paging)
	require.NoError(t, err)
	steps, _, err := w.Trace(0x1000, nil)
	require.EqualError(t, err, "translate 0x1000: PML4E 0 of table 0x100000 is 0x0: outside of memory")
	require.Empty(t, steps)
}

// failing fails reads of one page.
type failing struct {
	physmem.Reader
	page physmem.Address
	err  error
}

func (f failing) ReadPhysical(p []byte, address physmem.Address) (int, error) {
	if address.AlignDown(amd64.PageSize) == f.page {
		return 0, f.err
	}
	return f.Reader.ReadPhysical(p, address)
}

func TestNewWalkerRefusals(t *testing.T) {
	t.Parallel()
	memory := physmem.NewSparse(everywhere)
	for _, tt := range []struct {
		name   string
		memory physmem.Reader
		paging amd64.Paging
		want   string
	}{
		{"no memory", nil, amd64.Paging{}, "page-table walker: no memory"},
		{"levels", memory, amd64.Paging{Levels: 3}, "paging: unsupported paging: 3 levels"},
		{"bits", memory, amd64.Paging{PhysicalBits: 53}, "paging: unsupported paging: 53 physical address bits"},
		{"alignment", memory, amd64.Paging{Root: 0x1018}, "paging: reserved bits set: root 0x1018 is not aligned to 0x1000"},
		{"size", memory, amd64.Paging{Root: 1 << 40, PhysicalBits: 39}, "paging: reserved bits set: root 0x10000000000 has more than 39 bits"},
	} {
		_, err := amd64.NewWalker(tt.memory, nil, tt.paging)
		require.EqualError(t, err, tt.want, tt.name)
	}
}

// TestFollowCycles reads page tables through the slot that maps them, as
// FreeBSD's PTmap does.
func TestFollowCycles(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	s.leaf(0x1000, 1, 0x5000|open)
	s.put(s.paging.Root, 256, open|amd64.Entry(s.paging.Root))
	w := s.walker()
	w.FollowCycles = true
	va := uint64(0xffff_8000_0000_0000) // the page table of address 0
	physical, m, err := w.Translate(va)
	require.NoError(t, err)
	require.Equal(t, s.table(0x1000, 1, open), physical)
	require.Equal(t, uint64(0x1000), m.Size)
	physical, _, err = w.Translate(0xffff_8040_2010_0000) // the root itself
	require.NoError(t, err)
	require.Equal(t, s.paging.Root, physical)
}

func TestLookup(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	s.leaf(0x4000_1000, 1, 0x5000|open)
	s.leaf(0x4020_0000, 2, 0x20_0000|open)
	w := s.walker()
	step, err := w.Lookup(0x4000_1000, 2)
	require.NoError(t, err)
	require.Equal(t, amd64.Step{Level: 2, Table: s.table(0x4000_1000, 2, open), Index: 0, Entry: s.get(s.table(0x4000_1000, 2, open), 0)}, step)
	step, err = w.Lookup(0x4021_0000, 1)
	require.NoError(t, err)
	require.Equal(t, 2, step.Level)
	require.Equal(t, amd64.EntryLarge|0x20_0000|open, step.Entry)
	step, err = w.Lookup(0x4040_0000, 2)
	require.ErrorIs(t, err, amd64.ErrNotMapped)
	require.Equal(t, 2, step.Index)
	_, err = w.Lookup(0, 5)
	require.ErrorIs(t, err, amd64.ErrUnsupported)
	_, err = w.Lookup(1<<63, 1)
	require.ErrorIs(t, err, amd64.ErrNonCanonical)
}

// TestWalkerAgainstModel compares walks through generated tables with what was
// put in.
func TestWalkerAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newTables(t, 4+int(seed%2))
		s.random(random, 300)
		require.Less(t, s.next, tableEnd)
		w := s.walker()
		for range 2000 {
			leaf := s.leaves[random.IntN(len(s.leaves))]
			checkModel(t, s, w, leaf.Virtual+random.Uint64N(leaf.Size))
			checkModel(t, s, w, leaf.Virtual+random.Uint64N(4*leaf.Size)-2*leaf.Size)
		}
		checkWalk(t, s, w, 0, math.MaxUint64)
		for range 20 {
			a, b := s.leaves[random.IntN(len(s.leaves))], s.leaves[random.IntN(len(s.leaves))]
			checkWalk(t, s, w, a.Virtual+random.Uint64N(a.Size), b.Virtual+random.Uint64N(b.Size))
		}
	}
}

func checkModel(t *testing.T, s *tables, w *amd64.Walker, va uint64) {
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
	if !errors.Is(err, amd64.ErrNotMapped) && !errors.Is(err, amd64.ErrNonCanonical) {
		require.Failf(t, "translation of what is not mapped", "%#x: got %v %+v %v", va, physical, m, err)
	}
}

func checkWalk(t *testing.T, s *tables, w *amd64.Walker, start, last uint64) {
	t.Helper()
	var got, want []amd64.Mapping
	require.NoError(t, w.Walk(start, last, func(m amd64.Mapping) error {
		got = append(got, m)
		return nil
	}))
	for _, leaf := range s.leaves {
		if leaf.Virtual <= last && leaf.Virtual+(leaf.Size-1) >= start {
			want = append(want, leaf)
		}
	}
	if start > last {
		want = nil
	}
	require.Equal(t, want, got)
}

// TestTranslateAllocations holds the promise that a translation allocates
// nothing.
func TestTranslateAllocations(t *testing.T) {
	s := newTables(t, 5)
	s.leaf(0x1000, 1, 0x5000|open)
	w, err := amd64.NewWalker(s.memory, everywhere, s.paging)
	require.NoError(t, err)
	steps := make([]amd64.Step, 0, 5)
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
