package arm64_test

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
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

func newBuilder(t testing.TB, paging arm64.Paging) (*arm64.Builder, *physmem.Sparse, *frames) {
	t.Helper()
	memory, allocator := physmem.NewSparse(everywhere), &frames{frameBase, frameBase + 64<<20}
	// What is in a frame before must not matter.
	_, err := memory.WritePhysical(slices.Repeat([]byte{0xff}, 1<<20), frameBase)
	require.NoError(t, err)
	b, err := arm64.NewBuilder(memory, allocator, paging)
	require.NoError(t, err)
	return b, memory, allocator
}

// extent is a run of addresses that are mapped alike.
type extent struct {
	start, last uint64
	physical    physmem.Address
	permissions arm64.Permissions
}

// extents walks the tables and joins what may be joined.
func extents(t testing.TB, b *arm64.Builder, memory physmem.Memory) (list []extent) {
	t.Helper()
	w, err := arm64.NewWalker(memory, nil, b.Paging())
	require.NoError(t, err)
	require.NoError(t, w.Walk(0, math.MaxUint64, func(m arm64.Mapping) error {
		p := permissionsOf(m)
		if !m.Entry.Accessed() {
			return fmt.Errorf("%+v: the processor would fault, or write to the table", m)
		}
		list = append(list, extent{m.Virtual, m.Virtual + (m.Size - 1), m.Physical, p})
		return nil
	}))
	return join(list)
}

func permissionsOf(m arm64.Mapping) (p arm64.Permissions) {
	for i, has := range [...]bool{m.Writable, m.Executable, m.User, m.Entry.Global(), m.Entry.MemoryAttribute() == arm64.MAIRDevice} {
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

// TestBuilderAgainstModel does random changes to page tables and to a list, for
// all kinds of paging.
func TestBuilderAgainstModel(t *testing.T) {
	t.Parallel()
	for i, paging := range pagings() {
		t.Run(fmt.Sprintf("%d KiB, %d to %d bits", paging.Granule>>10, paging.VirtualBits, paging.PhysicalBits), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(i), 3))
			b, memory, _ := newBuilder(t, paging)
			var model []extent
			for range 25 {
				model = randomChange(t, random, b, model)
				require.Equal(t, join(model), extents(t, b, memory))
			}
		})
	}
}

// randomRange chooses pages of one size, and the largest that may map them.
func randomRange(random *rand.Rand, paging arm64.Paging) (va, size, unit, largest uint64) {
	page := uint64(paging.Granule)
	levels := slices.DeleteFunc(blocks(paging), func(level int) bool { return level < paging.StartLevel() })
	level := levels[random.IntN(min(3, len(levels)))]
	unit = paging.PageSizeAt(level)
	lowest, highest := paging.Bounds()
	half := highest - lowest + 1
	size = min(half, unit*(1+random.Uint64N(3)))
	va = lowest + random.Uint64N(min(half-size+1, 8*unit))&^(unit-1)
	if random.IntN(2) == 0 {
		va = highest - (va - lowest + size - 1) // at the upper end
	}
	// Enough entries to walk each time, and no more.
	largest = []uint64{0, 1 << 62, unit - 1, unit}[random.IntN(4)]
	if largest < page || level == 1 && page == k64 || level == 0 {
		largest = 0
	}
	return va, size, unit, largest
}

func randomChange(t *testing.T, random *rand.Rand, b *arm64.Builder, model []extent) []extent {
	t.Helper()
	paging := b.Paging()
	page := uint64(paging.Granule)
	va, size, unit, largest := randomRange(random, paging)
	permissions := arm64.Permissions(random.IntN(32))
	if permissions&arm64.Write != 0 {
		permissions &^= arm64.Execute
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
			removed[i].permissions = removed[i].permissions&(arm64.Global|arm64.Device) | permissions&^(arm64.Global|arm64.Device)
		}
		err := b.Protect(va, size, permissions)
		if whole != size {
			require.ErrorIs(t, err, arm64.ErrNotMapped)
			return model
		}
		require.NoError(t, err)
		model = append(rest, removed...)
	case 2:
		alignment := unit
		if unit <= 1<<30 && random.IntN(2) == 0 {
			alignment = max(page, unit>>(bits.TrailingZeros64(page)-3))
		}
		physical := physmem.Address(random.Uint64N(1 << paging.PhysicalBits)).AlignDown(alignment)
		physical = min(physical, physmem.Address(1<<paging.PhysicalBits-size).AlignDown(alignment))
		err := b.Map(physmem.Range{Start: physical, End: physical + physmem.Address(size)}, va, permissions, largest)
		if len(removed) > 0 {
			require.ErrorIs(t, err, arm64.ErrMapped)
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
	const gib, mib2, mib32, mib512 = 1 << 30, 2 << 20, 32 << 20, 512 << 20
	kernel := arm64.Paging{Granule: k4, VirtualBits: 48, Upper: true}
	k16Kernel := arm64.Paging{Granule: k16, VirtualBits: 47, Upper: true}
	k64Kernel := arm64.Paging{Granule: k64, VirtualBits: 48, Upper: true}
	for _, tt := range []struct {
		name     string
		paging   arm64.Paging
		physical physmem.Range
		offset   uint64 // from the first address
		largest  uint64
		leaves   map[uint64]int
		tables   int
	}{
		{"one page", kernel, physmem.Range{Start: 0x5000, End: 0x6000}, 0x1000, 0, map[uint64]int{k4: 1}, 4},
		{"one page, 39 bits", arm64.Paging{VirtualBits: 39}, physmem.Range{Start: 0x5000, End: 0x6000}, 0x1000, 0, map[uint64]int{k4: 1}, 3},
		{"one page, 52 bits", arm64.Paging{VirtualBits: 52, LPA2: true}, physmem.Range{Start: 0x5000, End: 0x6000}, 0x1000, 0, map[uint64]int{k4: 1}, 5},
		{"1 GiB", kernel, physmem.Range{Start: 0, End: gib}, gib, 0, map[uint64]int{gib: 1}, 2},
		{"1 GiB of 16 KiB granules", k16Kernel, physmem.Range{Start: 0, End: gib}, gib, 0, map[uint64]int{mib32: 32}, 2},
		{"1 GiB of 64 KiB granules", k64Kernel, physmem.Range{Start: 0, End: gib}, gib, 0, map[uint64]int{mib512: 2}, 2},
		{"64 TiB", kernel, physmem.Range{Start: 0, End: 1 << 46}, 0, 0, map[uint64]int{gib: 1 << 16}, 129},
		{"at most 2 MiB", kernel, physmem.Range{Start: 0, End: gib}, gib, mib2, map[uint64]int{mib2: 512}, 3},
		{"at most 16 MiB", kernel, physmem.Range{Start: 0, End: gib}, gib, 16 << 20, map[uint64]int{mib2: 512}, 3},
		{"physical address a page off", kernel, physmem.Range{Start: 0x1000, End: 0x1000 + mib2}, gib, 0, map[uint64]int{k4: 512}, 4},
		{"ragged ends", kernel, physmem.Range{Start: 0x1ff000, End: gib*2 + 0x1000}, 0x1ff000, 0,
			map[uint64]int{k4: 2, mib2: 511, gib: 1}, 6},
		{"the last page of all", kernel, physmem.Range{Start: 0, End: 0x1000}, 1<<48 - 0x1000, 0, map[uint64]int{k4: 1}, 4},
	} {
		b, memory, allocator := newBuilder(t, tt.paging)
		lowest, _ := b.Paging().Bounds()
		require.NoError(t, b.Map(tt.physical, lowest+tt.offset, arm64.Write, tt.largest), tt.name)
		leaves := map[uint64]int{}
		w, err := arm64.NewWalker(memory, nil, b.Paging())
		require.NoError(t, err)
		require.NoError(t, w.Walk(0, math.MaxUint64, func(m arm64.Mapping) error {
			leaves[m.Size]++
			return nil
		}))
		require.Equal(t, tt.leaves, leaves, tt.name)
		require.Equal(t, tt.tables, b.Tables(), tt.name)
		require.Equal(t, frameBase+physmem.Address(tt.tables*b.Paging().Granule), allocator.next, tt.name)
		require.Equal(t, frameBase, b.Paging().Root, tt.name)
	}
}

func TestBuilderRefusals(t *testing.T) {
	t.Parallel()
	b, memory, _ := newBuilder(t, arm64.Paging{VirtualBits: 39, PhysicalBits: 40})
	require.NoError(t, b.MapIdentity(physmem.Range{Start: 0x20_0000, End: 0x60_0000}, arm64.Write, 0))
	before := extents(t, b, memory)
	page := physmem.Range{Start: 0x1000, End: 0x2000}
	for _, tt := range []struct {
		name string
		do   func() error
		want error
		text string
	}{
		{"write and execute", func() error { return b.Map(page, 0x1000, arm64.Write|arm64.Execute, 0) }, arm64.ErrWriteExecute,
			"map 0x1000 to [0x1000, 0x2000) (read+write+execute): writable and executable"},
		{"mapped", func() error { return b.Map(physmem.Range{Start: 0, End: 0x40_0000}, 0, 0, 0) }, arm64.ErrMapped,
			"map 0x0 to [0x0, 0x400000) (read): already mapped: 0x200000 to 0x200000"},
		{"address not aligned", func() error { return b.Map(page, 0x1001, 0, 0) }, nil,
			"map 0x1001 to [0x1000, 0x2000) (read): 0x1000 bytes at 0x1001 are not whole pages of 0x1000"},
		{"physical address not aligned", func() error { return b.Map(physmem.Range{Start: 0x800, End: 0x1800}, 0, 0, 0) }, nil,
			"map 0x0 to [0x800, 0x1800) (read): physical address is not aligned to 0x1000"},
		{"nothing", func() error { return b.Map(physmem.Range{}, 0, 0, 0) }, nil,
			"map 0x0 to [0x0, 0x0) (read): 0x0 bytes at 0x0 are not whole pages of 0x1000"},
		{"beyond physical memory", func() error { return b.Map(physmem.Range{Start: 1<<40 - 0x1000, End: 1<<40 + 0x1000}, 0, 0, 0) }, arm64.ErrUnsupported,
			"map 0x0 to [0xfffffff000, 0x10000001000) (read): unsupported paging: more than 40 physical address bits"},
		{"other half", func() error { return b.Map(page, 1<<39, 0, 0) }, arm64.ErrNonCanonical,
			"map 0x8000000000 to [0x1000, 0x2000) (read): not a canonical address: 0x1000 bytes at 0x8000000000"},
		{"beyond the end", func() error { return b.Unmap(1<<39-0x1000, 0x2000) }, arm64.ErrNonCanonical,
			"unmap 0x2000 bytes at 0x7ffffff000: not a canonical address: 0x2000 bytes at 0x7ffffff000"},
		{"pages below 4 KiB", func() error { return b.Map(page, 0, 0, 2048) }, arm64.ErrUnsupported,
			"map 0x0 to [0x1000, 0x2000) (read): unsupported paging: pages of at most 0x800 bytes"},
		{"protect a gap", func() error { return b.Protect(0x50_0000, 0x20_0000, 0) }, arm64.ErrNotMapped,
			"protect 0x200000 bytes at 0x500000 (read): not mapped: 0x600000"},
		{"protect before", func() error { return b.Protect(0x1f_f000, 0x2000, 0) }, arm64.ErrNotMapped,
			"protect 0x2000 bytes at 0x1ff000 (read): not mapped: 0x1ff000"},
		{"protect to write and execute", func() error { return b.Protect(0x20_0000, 0x1000, arm64.Write|arm64.Execute|arm64.User) }, arm64.ErrWriteExecute,
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
	require.NoError(t, b.Map(page, 0x1000, arm64.Write|arm64.Execute, 0))

	_, err := arm64.NewBuilder(nil, nil, arm64.Paging{})
	require.Error(t, err)
	_, err = arm64.NewBuilder(memory, &frames{}, arm64.Paging{Granule: 1})
	require.ErrorIs(t, err, arm64.ErrUnsupported)
	_, err = arm64.NewBuilder(memory, &frames{1 << 41, 1 << 42}, arm64.Paging{PhysicalBits: 40})
	require.ErrorIs(t, err, arm64.ErrReservedBits, "a frame that no entry can name")
}

// TestBuilderFailures runs out of frames, and out of memory, at every point:
// what is mapped then is right.
func TestBuilderFailures(t *testing.T) {
	t.Parallel()
	physical := physmem.Range{Start: 0x1ff000, End: 0x8040_1000}
	for count := 0; ; count++ {
		memory := physmem.NewSparse(everywhere)
		allocator := &frames{frameBase, frameBase + physmem.Address(count)*k4}
		b, err := arm64.NewBuilder(memory, allocator, arm64.Paging{})
		if count == 0 {
			require.ErrorIs(t, err, errNoFrames)
			continue
		}
		require.NoError(t, err)
		err = b.MapIdentity(physical, arm64.Write, 0)
		for _, e := range extents(t, b, memory) {
			require.Equal(t, uint64(e.physical), e.start)
			require.Equal(t, arm64.Write, e.permissions)
		}
		if err == nil {
			require.Equal(t, count, b.Tables())
			require.Equal(t, 6, count)
			break
		}
		require.ErrorIs(t, err, errNoFrames)
	}
	b, _, allocator := newBuilder(t, arm64.Paging{})
	require.NoError(t, b.MapIdentity(physmem.Range{Start: 0, End: 1 << 30}, arm64.Write, 0))
	allocator.end = 0
	require.ErrorIs(t, b.Protect(0x1000, 0x1000, 0), errNoFrames)
	require.ErrorIs(t, b.Unmap(0x1000, 0x1000), errNoFrames)
	_, err := arm64.NewBuilder(physmem.NewBytes(0, nil), &frames{0, 1 << 20}, arm64.Paging{})
	require.ErrorIs(t, err, physmem.ErrOutside)
}

// TestBuilderSplit checks that a split keeps what a block was.
func TestBuilderSplit(t *testing.T) {
	t.Parallel()
	s := newTables(t, arm64.Paging{Granule: k4, VirtualBits: 48, PhysicalBits: 52, LPA2: true})
	const attributes = arm64.EntryAF | arm64.EntryNG | arm64.EntryGuarded | uxn | 0x0180_0000_0000_001c
	s.leaf(0x4000_0000, 1, 0x8000_0300|attributes|arm64.EntryNT|arm64.EntryHint)
	b, err := arm64.ResumeBuilder(s.memory, &frames{frameBase + 1<<20, tableEnd}, s.paging)
	require.NoError(t, err)
	require.NoError(t, b.Unmap(0x4000_0000, 0x1000))
	w := s.walker()
	physical, m, err := w.Translate(0x4000_1000)
	require.NoError(t, err)
	require.Equal(t, physmem.Address(0xc_0000_8000_1000), physical)
	require.Equal(t, 0x8000_1300|attributes|arm64.EntryPage, m.Entry)
	_, m, err = w.Translate(0x7fff_ffff)
	require.NoError(t, err)
	require.Equal(t, 0xbfe0_0300|attributes|arm64.EntryValid, m.Entry)
	require.Equal(t, "w-x", rightsOf(m))
	_, _, err = w.Translate(0x4000_0fff)
	require.ErrorIs(t, err, arm64.ErrNotMapped)

	s.put(s.paging.Root, 5, 1<<10|arm64.EntryPage|1<<9)
	s.paging.PhysicalBits = 48
	b, err = arm64.ResumeBuilder(s.memory, &frames{frameBase + 2<<20, tableEnd}, s.paging)
	require.NoError(t, err)
	require.ErrorIs(t, b.Unmap(5<<39, 0x1000), arm64.ErrReservedBits, "tables that are wrong are not made worse")
}

// TestBuilderDeterministic builds the same tables twice.
func TestBuilderDeterministic(t *testing.T) {
	t.Parallel()
	var images [2][]byte
	for i := range images {
		b, memory, allocator := newBuilder(t, arm64.Paging{})
		require.NoError(t, b.MapIdentity(physmem.Range{Start: 0x10_0000, End: 0x7654_3000}, arm64.Write, 0))
		require.NoError(t, b.Map(physmem.Range{Start: 0x10_0000, End: 0x30_0000}, 0x5000_0041_1000, arm64.Execute|arm64.User, 0))
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
				builder, err := arm64.NewBuilder(memory, &frames{1 << 40, 1 << 41}, arm64.Paging{})
				require.NoError(b, err)
				require.NoError(b, builder.MapIdentity(physmem.Range{Start: 0, End: 64 << 30}, 0, largest))
			}
		})
	}
}
