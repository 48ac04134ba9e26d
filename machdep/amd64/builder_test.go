package amd64_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// frames gives tables one after the other.
type frames struct {
	next, end physmem.Address
}

var errNoFrames = errors.New("no frames left")

func (f *frames) AllocateTable(size uint64) (physmem.Address, error) {
	f.next = f.next.AlignUp(size)
	if f.next+physmem.Address(size) > f.end {
		return 0, errNoFrames
	}
	f.next += physmem.Address(size)
	return f.next - physmem.Address(size), nil
}

const frameBase = physmem.Address(0x10_0000)

func newBuilder(t testing.TB, paging amd64.Paging) (*amd64.Builder, *physmem.Sparse, *frames) {
	t.Helper()
	memory, allocator := physmem.NewSparse(everywhere), &frames{frameBase, frameBase + 64<<20}
	// What is in a frame before must not matter.
	_, err := memory.WritePhysical(slices.Repeat([]byte{0xff}, 1<<20), frameBase)
	require.NoError(t, err)
	b, err := amd64.NewBuilder(memory, allocator, paging)
	require.NoError(t, err)
	return b, memory, allocator
}

// extent is a run of addresses that are mapped alike.
type extent struct {
	start, last uint64
	physical    physmem.Address
	permissions amd64.Permissions
}

// extents walks the tables and joins what may be joined.
func extents(t testing.TB, b *amd64.Builder, memory physmem.Memory) (list []extent) {
	t.Helper()
	w, err := amd64.NewWalker(memory, nil, b.Paging())
	require.NoError(t, err)
	require.NoError(t, w.Walk(0, math.MaxUint64, func(m amd64.Mapping) error {
		p := permissionsOf(m)
		if !m.Entry.Accessed() || !m.Entry.Dirty() {
			return fmt.Errorf("%+v: the processor would write to the table", m)
		}
		list = append(list, extent{m.Virtual, m.Virtual + (m.Size - 1), m.Physical, p})
		return nil
	}))
	return join(list)
}

func permissionsOf(m amd64.Mapping) (p amd64.Permissions) {
	const device = amd64.EntryCacheDisable | amd64.EntryWriteThrough
	for i, has := range [...]bool{m.Writable, m.Executable, m.User, m.Entry.Global(), m.Entry&device == device} {
		if has {
			p |= 1 << i
		}
	}
	return p
}

func join(list []extent) (joined []extent) {
	for _, e := range list {
		if i := len(joined) - 1; i >= 0 {
			if j := &joined[i]; j.last+1 == e.start && j.permissions == e.permissions && j.physical+physmem.Address(j.last-j.start+1) == e.physical {
				j.last = e.last
				continue
			}
		}
		joined = append(joined, e)
	}
	return joined
}

// cut takes [start, last] out of a list.
func cut(list []extent, start, last uint64) (rest, removed []extent) {
	for _, e := range list {
		if e.last < start || e.start > last {
			rest = append(rest, e)
			continue
		}
		middle := e
		if e.start < start {
			rest = append(rest, extent{e.start, start - 1, e.physical, e.permissions})
			middle.start, middle.physical = start, e.physical+physmem.Address(start-e.start)
		}
		if e.last > last {
			middle.last = last
			rest = append(rest, extent{last + 1, e.last, e.physical + physmem.Address(last+1-e.start), e.permissions})
		}
		removed = append(removed, middle)
	}
	return rest, removed
}

// TestBuilderAgainstModel does random changes to page tables and to a list.
func TestBuilderAgainstModel(t *testing.T) {
	t.Parallel()
	for i, paging := range []amd64.Paging{{}, {Levels: 5}, {GigabytePagesOff: true, PhysicalBits: 40}, {Levels: 5, PhysicalBits: 46}} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(i), 3))
			b, memory, _ := newBuilder(t, paging)
			var model []extent
			for range 100 {
				model = randomChange(t, random, b, model)
				require.Equal(t, join(model), extents(t, b, memory))
			}
		})
	}
}

func randomChange(t *testing.T, random *rand.Rand, b *amd64.Builder, model []extent) []extent {
	t.Helper()
	unit := amd64.PageSizeAt(1 + random.IntN(3))
	size := unit * (1 + random.Uint64N(3))
	va := []uint64{0, 1 << 46, 0xffff_ff00_0000_0000}[random.IntN(3)] + random.Uint64N(8<<30)&^(unit-1)
	largest := []uint64{0, 4096, 1 << 21, 1 << 29}[random.IntN(4)]
	if unit == 1<<30 && largest == 4096 {
		largest = 1 << 21 // enough entries to walk each time
	}
	permissions := amd64.Permissions(random.IntN(32))
	if permissions&amd64.Write != 0 {
		permissions &^= amd64.Execute
	}
	last := va + size - 1
	rest, removed := cut(model, va, last)
	switch random.IntN(3) {
	case 0:
		require.NoError(t, b.Unmap(va, size))
		model = rest
	case 1:
		removed = join(removed)
		whole := uint64(0)
		for i := range removed {
			whole += removed[i].last - removed[i].start + 1
			removed[i].permissions = removed[i].permissions&(amd64.Global|amd64.Device) | permissions&^(amd64.Global|amd64.Device)
		}
		err := b.Protect(va, size, permissions)
		if whole != size {
			require.ErrorIs(t, err, amd64.ErrNotMapped)
			return model
		}
		require.NoError(t, err)
		model = append(rest, removed...)
	case 2:
		physical := physmem.Address(random.Uint64N(1 << 38)).AlignDown(max(amd64.PageSize, unit>>(9*random.IntN(2))))
		err := b.Map(physmem.Range{Start: physical, End: physical + physmem.Address(size)}, va, permissions, largest)
		if len(removed) > 0 {
			require.ErrorIs(t, err, amd64.ErrMapped)
			return model
		}
		require.NoError(t, err)
		model = append(rest, extent{va, last, physical, permissions})
	}
	slices.SortFunc(model, func(a, b extent) int {
		if a.start < b.start {
			return -1
		}
		return 1
	})
	return model
}

// TestBuilderLeaves checks that pages are as large as can be, and tables as few.
func TestBuilderLeaves(t *testing.T) {
	t.Parallel()
	const gib, mib2, kib4 = 1 << 30, 2 << 20, 4 << 10
	for _, tt := range []struct {
		name     string
		paging   amd64.Paging
		physical physmem.Range
		va       uint64
		largest  uint64
		leaves   map[uint64]int
		tables   int
	}{
		{"one page", amd64.Paging{}, physmem.Range{Start: 0x5000, End: 0x6000}, 0x1000, 0, map[uint64]int{kib4: 1}, 4},
		{"one page, 5 levels", amd64.Paging{Levels: 5}, physmem.Range{Start: 0x5000, End: 0x6000}, 0x1000, 0, map[uint64]int{kib4: 1}, 5},
		{"1 GiB", amd64.Paging{}, physmem.Range{Start: 0, End: gib}, gib, 0, map[uint64]int{gib: 1}, 2},
		{"64 TiB", amd64.Paging{}, physmem.Range{Start: 0, End: 1 << 46}, 0xffff_8000_0000_0000, 0, map[uint64]int{gib: 1 << 16}, 129},
		{"no 1 GiB pages", amd64.Paging{GigabytePagesOff: true}, physmem.Range{Start: 0, End: gib}, gib, 0, map[uint64]int{mib2: 512}, 3},
		{"at most 2 MiB", amd64.Paging{}, physmem.Range{Start: 0, End: gib}, gib, mib2, map[uint64]int{mib2: 512}, 3},
		{"at most 16 MiB", amd64.Paging{}, physmem.Range{Start: 0, End: gib}, gib, 16 << 20, map[uint64]int{mib2: 512}, 3},
		{"physical address a page off", amd64.Paging{}, physmem.Range{Start: 0x1000, End: 0x1000 + mib2}, gib, 0, map[uint64]int{kib4: 512}, 4},
		{"ragged ends", amd64.Paging{}, physmem.Range{Start: 0x1ff000, End: gib*2 + 0x1000}, 0x1ff000, 0,
			map[uint64]int{kib4: 2, mib2: 511, gib: 1}, 6},
		{"the last page of all", amd64.Paging{}, physmem.Range{Start: 0, End: 0x1000}, math.MaxUint64 - 0xfff, 0, map[uint64]int{kib4: 1}, 4},
	} {
		b, memory, allocator := newBuilder(t, tt.paging)
		require.NoError(t, b.Map(tt.physical, tt.va, amd64.Write, tt.largest), tt.name)
		leaves := map[uint64]int{}
		w, err := amd64.NewWalker(memory, nil, b.Paging())
		require.NoError(t, err)
		require.NoError(t, w.Walk(0, math.MaxUint64, func(m amd64.Mapping) error {
			leaves[m.Size]++
			return nil
		}))
		require.Equal(t, tt.leaves, leaves, tt.name)
		require.Equal(t, tt.tables, b.Tables(), tt.name)
		require.Equal(t, frameBase+physmem.Address(tt.tables)*amd64.PageSize, allocator.next, tt.name)
		require.Equal(t, frameBase, b.Paging().Root, tt.name)
	}
}

func TestBuilderRefusals(t *testing.T) {
	t.Parallel()
	b, memory, _ := newBuilder(t, amd64.Paging{PhysicalBits: 40})
	require.NoError(t, b.MapIdentity(physmem.Range{Start: 0x20_0000, End: 0x60_0000}, amd64.Write, 0))
	before := extents(t, b, memory)
	page := physmem.Range{Start: 0x1000, End: 0x2000}
	for _, tt := range []struct {
		name string
		do   func() error
		want error
		text string
	}{
		{"write and execute", func() error { return b.Map(page, 0x1000, amd64.Write|amd64.Execute, 0) }, amd64.ErrWriteExecute,
			"map 0x1000 to [0x1000, 0x2000) (read+write+execute): writable and executable"},
		{"mapped", func() error { return b.Map(physmem.Range{Start: 0, End: 0x40_0000}, 0, 0, 0) }, amd64.ErrMapped,
			"map 0x0 to [0x0, 0x400000) (read): already mapped: 0x200000 to 0x200000"},
		{"address not aligned", func() error { return b.Map(page, 0x1001, 0, 0) }, nil,
			"map 0x1001 to [0x1000, 0x2000) (read): 0x1000 bytes at 0x1001 are not whole pages of 0x1000"},
		{"physical address not aligned", func() error { return b.Map(physmem.Range{Start: 0x800, End: 0x1800}, 0, 0, 0) }, nil,
			"map 0x0 to [0x800, 0x1800) (read): physical address is not aligned to 0x1000"},
		{"nothing", func() error { return b.Map(physmem.Range{}, 0, 0, 0) }, nil,
			"map 0x0 to [0x0, 0x0) (read): 0x0 bytes at 0x0 are not whole pages of 0x1000"},
		{"beyond physical memory", func() error { return b.Map(physmem.Range{Start: 1<<40 - 0x1000, End: 1<<40 + 0x1000}, 0, 0, 0) }, amd64.ErrUnsupported,
			"map 0x0 to [0xfffffff000, 0x10000001000) (read): unsupported paging: more than 40 physical address bits"},
		{"not canonical", func() error { return b.Map(page, 1<<47, 0, 0) }, amd64.ErrNonCanonical,
			"map 0x800000000000 to [0x1000, 0x2000) (read): not a canonical address: 0x1000 bytes at 0x800000000000"},
		{"across both halves", func() error { return b.Unmap(0x7fff_ffff_f000, 0xffff_8000_0000_1000-0x7fff_ffff_f000) }, amd64.ErrNonCanonical,
			"unmap 0xffff000000002000 bytes at 0x7ffffffff000: not a canonical address: 0xffff000000002000 bytes at 0x7ffffffff000"},
		{"wraps", func() error { return b.Unmap(math.MaxUint64-0xfff, 0x2000) }, amd64.ErrNonCanonical,
			"unmap 0x2000 bytes at 0xfffffffffffff000: not a canonical address: 0x2000 bytes at 0xfffffffffffff000"},
		{"pages below 4 KiB", func() error { return b.Map(page, 0, 0, 2048) }, amd64.ErrUnsupported,
			"map 0x0 to [0x1000, 0x2000) (read): unsupported paging: pages of at most 0x800 bytes"},
		{"protect a gap", func() error { return b.Protect(0x50_0000, 0x20_0000, 0) }, amd64.ErrNotMapped,
			"protect 0x200000 bytes at 0x500000 (read): not mapped: 0x600000"},
		{"protect before", func() error { return b.Protect(0x1f_f000, 0x2000, 0) }, amd64.ErrNotMapped,
			"protect 0x2000 bytes at 0x1ff000 (read): not mapped: 0x1ff000"},
		{"protect to write and execute", func() error { return b.Protect(0x20_0000, 0x1000, amd64.Write|amd64.Execute|amd64.User) }, amd64.ErrWriteExecute,
			"protect 0x1000 bytes at 0x200000 (read+write+execute+user): writable and executable"},
	} {
		err := tt.do()
		require.EqualError(t, err, tt.text, tt.name)
		if tt.want != nil {
			require.ErrorIs(t, err, tt.want, tt.name)
		}
		require.Equal(t, before, extents(t, b, memory), tt.name)
	}
	b.AllowWriteExecute = true
	require.NoError(t, b.Map(page, 0x1000, amd64.Write|amd64.Execute, 0))

	_, err := amd64.NewBuilder(nil, nil, amd64.Paging{})
	require.Error(t, err)
	_, err = amd64.NewBuilder(memory, &frames{}, amd64.Paging{Levels: 6})
	require.ErrorIs(t, err, amd64.ErrUnsupported)
	_, err = amd64.NewBuilder(memory, &frames{1 << 41, 1 << 42}, amd64.Paging{PhysicalBits: 40})
	require.ErrorIs(t, err, amd64.ErrReservedBits, "a frame that no entry can name")
	old, err := amd64.NewBuilder(memory, &frames{1 << 30, 1 << 31}, amd64.Paging{NoExecuteOff: true})
	require.NoError(t, err)
	require.ErrorIs(t, old.Map(page, 0, amd64.Write, 0), amd64.ErrUnsupported, "data that could be executed")
	require.NoError(t, old.Map(page, 0, amd64.Execute, 0))
}

// TestBuilderFailures runs out of frames, and out of memory, at every point:
// what is mapped then is right.
func TestBuilderFailures(t *testing.T) {
	t.Parallel()
	physical := physmem.Range{Start: 0x1ff000, End: 0x8040_1000}
	for count := 0; ; count++ {
		memory := physmem.NewSparse(everywhere)
		allocator := &frames{frameBase, frameBase + physmem.Address(count)*amd64.PageSize}
		b, err := amd64.NewBuilder(memory, allocator, amd64.Paging{})
		if count == 0 {
			require.ErrorIs(t, err, errNoFrames)
			continue
		}
		require.NoError(t, err)
		err = b.MapIdentity(physical, amd64.Write, 0)
		for _, e := range extents(t, b, memory) {
			require.Equal(t, uint64(e.physical), e.start)
			require.Equal(t, amd64.Write, e.permissions)
		}
		if err == nil {
			require.Equal(t, count, b.Tables())
			require.Equal(t, 6, count)
			break
		}
		require.ErrorIs(t, err, errNoFrames)
	}
	b, _, allocator := newBuilder(t, amd64.Paging{})
	require.NoError(t, b.MapIdentity(physmem.Range{Start: 0, End: 1 << 30}, amd64.Write, 0))
	allocator.end = 0
	require.ErrorIs(t, b.Protect(0x1000, 0x1000, 0), errNoFrames)
	require.ErrorIs(t, b.Unmap(0x1000, 0x1000), errNoFrames)
	_, err := amd64.NewBuilder(physmem.NewBytes(0, nil), &frames{0, 1 << 20}, amd64.Paging{})
	require.ErrorIs(t, err, physmem.ErrOutside)
}

// TestBuilderSplit checks that a split keeps what a large page was.
func TestBuilderSplit(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	s.leaf(0x4000_0000, 3, 0x8000_0000|open|amd64.EntryLargePAT|amd64.EntryGlobal|amd64.EntryNoExecute|0xe00)
	b, err := amd64.ResumeBuilder(s.memory, &frames{frameBase + 1<<20, tableEnd}, s.paging)
	require.NoError(t, err)
	require.NoError(t, b.Unmap(0x4000_0000, 0x1000))
	w := s.walker()
	_, m, err := w.Translate(0x4000_1000)
	require.NoError(t, err)
	require.Equal(t, 0x8000_1000|open|amd64.EntryPAT|amd64.EntryGlobal|amd64.EntryNoExecute|0xe00, m.Entry)
	_, m, err = w.Translate(0x7fff_ffff)
	require.NoError(t, err)
	require.Equal(t, 0xbfe0_0000|open|amd64.EntryLarge|amd64.EntryLargePAT|amd64.EntryGlobal|amd64.EntryNoExecute|0xe00, m.Entry)
	require.Equal(t, "wu-", rightsOf(m))
	_, _, err = w.Translate(0x4000_0fff)
	require.ErrorIs(t, err, amd64.ErrNotMapped)

	s.put(s.paging.Root, 5, open|amd64.EntryLarge)
	require.ErrorIs(t, b.Unmap(5<<39, 0x1000), amd64.ErrReservedBits, "tables that are wrong are not made worse")
}

// TestBuilderDeterministic builds the same tables twice.
func TestBuilderDeterministic(t *testing.T) {
	t.Parallel()
	var images [2][]byte
	for i := range images {
		b, memory, allocator := newBuilder(t, amd64.Paging{})
		require.NoError(t, b.MapIdentity(physmem.Range{Start: 0x10_0000, End: 0x7654_3000}, amd64.Write, 0))
		require.NoError(t, b.Map(physmem.Range{Start: 0x10_0000, End: 0x30_0000}, 0x5000_0041_1000, amd64.Execute|amd64.User, 0))
		require.NoError(t, b.Protect(0x20_0000, 0x1000, 0))
		images[i] = make([]byte, allocator.next-frameBase)
		_, err := memory.ReadPhysical(images[i], frameBase)
		require.NoError(t, err)
	}
	require.Equal(t, images[0], images[1])
}

func BenchmarkBuilder(b *testing.B) {
	for _, largest := range []uint64{4 << 10, 2 << 20, 1 << 30} {
		b.Run(fmt.Sprintf("64 GiB in pages of %d KiB", largest>>10), func(b *testing.B) {
			for b.Loop() {
				memory := physmem.NewSparse(everywhere)
				builder, err := amd64.NewBuilder(memory, &frames{1 << 40, 1 << 41}, amd64.Paging{})
				require.NoError(b, err)
				require.NoError(b, builder.MapIdentity(physmem.Range{Start: 0, End: 64 << 30}, 0, largest))
			}
		})
	}
}
