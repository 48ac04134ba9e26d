package reserve_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// view is one piece of an address space.
type view struct {
	virtual                    uint64
	physical                   physmem.Range
	writable, executable, user bool
}

// contract is the address space that package handoff's documentation promises,
// worked out from the block alone, page by page of it where pages differ.
func contract(q reserve.Request, b *handoff.Block) []view {
	at := func(offset, size uint64) physmem.Range {
		start := b.Reservation.Start + physmem.Address(offset)
		return physmem.Range{Start: start, End: start + physmem.Address(size)}
	}
	dmap := func(r physmem.Range, writable bool) view {
		return view{handoff.DirectMapBase + uint64(r.Start), r, writable, false, true}
	}
	var list []view
	for _, r := range b.Memory {
		list = append(list, dmap(r, false))
	}
	for p, e := range b.Parts {
		if e.Size != 0 && handoff.Part(p) != handoff.PartImage {
			list = append(list, dmap(at(e.Offset, e.Size), e.Access&handoff.AccessWrite != 0))
		}
	}
	image := b.Parts[handoff.PartImage].Offset
	gap := b.Image.LinkBase
	for _, s := range q.Image.Segments {
		end := (s.FileEnd + 4095) &^ 4095
		if s.Start > gap {
			list = append(list, dmap(at(image+gap-b.Image.LinkBase, s.Start-gap), false))
		}
		gap = end
		r := at(image+s.Start-b.Image.LinkBase, end-s.Start)
		if r.IsEmpty() {
			continue
		}
		list = append(list, view{s.Start, r, s.Writable, s.Executable, true}, dmap(r, s.Writable))
	}
	stack := b.Parts[handoff.PartEntryStack]
	list = append(list, view{handoff.EntryStackTop - stack.Size, at(stack.Offset, stack.Size), true, false, true})
	code, data := b.Parts[handoff.PartTrampoline], b.Parts[handoff.PartTrampolineRAM]
	c, d := at(code.Offset, code.Size), at(data.Offset, data.Size)
	list = append(list, view{uint64(c.Start), c, false, true, false}, view{uint64(d.Start), d, true, false, false})
	return joinViews(list)
}

// joinViews sorts pieces and joins neighbours that go on in both addresses.
func joinViews(list []view) []view {
	slices.SortFunc(list, func(a, b view) int {
		if a.virtual < b.virtual {
			return -1
		}
		return 1
	})
	var joined []view
	for _, v := range list {
		if n := len(joined); n > 0 {
			last := &joined[n-1]
			next := *last
			next.virtual, next.physical = last.virtual+last.physical.Size(), physmem.Range{Start: last.physical.End, End: v.physical.End}
			if next == v {
				last.physical.End = v.physical.End
				continue
			}
		}
		joined = append(joined, v)
	}
	return joined
}

// checkTables walks a plan's page tables and compares all that they map with
// the contract: nothing else is mapped, and nothing is writable and
// executable.
func checkTables(t *testing.T, q reserve.Request, b *handoff.Block, memory physmem.Reader, levels int) {
	t.Helper()
	root := b.Tables.Root4
	if levels == 5 {
		root = b.Tables.Root5
		require.NotZero(t, root)
	}
	start := b.Reservation.Start + physmem.Address(b.Parts[handoff.PartTables].Offset)
	tables := physmem.Range{Start: start, End: start + physmem.Address(b.Tables.Used)}
	if b.Architecture == handoff.ARM64 {
		checkTablesARM64(t, q, b, memory, tables)
		return
	}
	allowed := physmem.NewRanges(append(b.Memory, b.Reservation)...)
	walker, err := amd64.NewWalker(memory, allowed, amd64.Paging{
		Root: b.Reservation.Start + physmem.Address(root), Levels: levels, PhysicalBits: 46, GigabytePagesOff: !q.GigabytePages,
	})
	require.NoError(t, err)
	var got []view
	err = walker.Walk(0, ^uint64(0), func(m amd64.Mapping) error {
		require.True(t, m.Entry.Accessed() && m.Entry.Dirty(), "the CPU would write to a sealed table at %#x", m.Virtual)
		require.False(t, m.Entry.Global())
		require.False(t, m.Writable && m.Executable, "%#x", m.Virtual)
		got = append(got, view{m.Virtual, physmem.Range{Start: m.Physical, End: m.Physical + physmem.Address(m.Size)}, m.Writable, m.Executable, m.User})
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, contract(q, b), joinViews(got))
	steps, _, err := walker.Trace(b.Image.Entry, nil)
	require.NoError(t, err)
	require.Len(t, steps, levels)
	for _, s := range steps {
		require.True(t, tables.Contains(s.Table))
		require.True(t, s.Entry.Accessed())
	}
	require.Equal(t, 1, steps[levels-1].Level, "the image is mapped in 4 KiB pages")
}

// checkTablesARM64 is checkTables for arm64.
func checkTablesARM64(t *testing.T, q reserve.Request, b *handoff.Block, memory physmem.Reader, tables physmem.Range) {
	t.Helper()
	allowed := physmem.NewRanges(append(b.Memory, b.Reservation)...)
	walker, err := arm64.NewWalker(memory, allowed, arm64.Paging{Root: b.Reservation.Start + physmem.Address(b.Tables.Root4), PhysicalBits: 40})
	require.NoError(t, err)
	var got []view
	err = walker.Walk(0, 1<<48-1, func(m arm64.Mapping) error {
		require.True(t, m.Entry.Accessed(), "the CPU would write to a sealed table at %#x", m.Virtual)
		require.Zero(t, m.Entry.MemoryAttribute())
		require.False(t, m.Writable && m.Executable, "%#x", m.Virtual)
		got = append(got, view{m.Virtual, physmem.Range{Start: m.Physical, End: m.Physical + physmem.Address(m.Size)}, m.Writable, m.Executable, m.User})
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, contract(q, b), joinViews(got))
	steps, _, err := walker.Trace(b.Image.Entry, nil)
	require.NoError(t, err)
	require.Len(t, steps, 4)
	for _, s := range steps {
		require.True(t, tables.Contains(s.Table))
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	host := physmem.Range{Start: 0x1000, End: 256 * mib}
	for _, tt := range []struct {
		name   string
		change func(*reserve.Request)
	}{
		{"plain", func(*reserve.Request) {}},
		{"five levels", func(q *reserve.Request) { q.PagingLevels = 5 }},
		{"1 GiB pages", func(q *reserve.Request) {
			q.GigabytePages = true
			q.Memory = append(q.Memory, physmem.Range{Start: gib, End: 4*gib + 2*mib})
		}},
		{"not on a large page", func(q *reserve.Request) {
			q.Reservation = physmem.Range{Start: 65*mib + 0x3000, End: 73*mib + 0x3000}
		}},
		{"memory with holes", func(q *reserve.Request) {
			q.Memory = physmem.Ranges{{Start: 0x1000, End: 0x9f000}, {Start: 0x9f800, End: 0xa0800}, {Start: mib, End: 63*mib + 0x1000}, {Start: 100 * mib, End: 101*mib + 7}}
		}},
		{"a gap in the image", func(q *reserve.Request) {
			s := standard()
			s[2].start += 0x10000
			q.Image = openELF(t, makeELF(textAt, s))
		}},
		{"linked elsewhere in the window", func(q *reserve.Request) {
			q.Image = openELF(t, makeELF(handoff.KernelBase+4<<30+0x5000, moved(4<<30)))
		}},
		{"linked as low as can be", func(q *reserve.Request) {
			q.Image = openELF(t, makeELF(handoff.ImageBase, []elfSegment{{kind: 1, flags: flagR | flagX, start: handoff.ImageBase, fileSize: 5, memSize: 5}}))
		}},
		{"no zero pages", func(q *reserve.Request) {
			q.Image = openELF(t, makeELF(textAt, standard()[:2]))
		}},
		{"data without file", func(q *reserve.Request) {
			s := standard()
			s[2].fileSize = 0
			q.Image = openELF(t, makeELF(textAt, s))
		}},
		{"arm64", func(q *reserve.Request) { q.Image.Architecture = handoff.ARM64 }},
		{"arm64, not on a block, memory with holes", func(q *reserve.Request) {
			q.Image.Architecture = handoff.ARM64
			q.Reservation = physmem.Range{Start: 65*mib + 0x3000, End: 73*mib + 0x3000}
			q.Memory = physmem.Ranges{{Start: 0x1000, End: 63*mib + 0x1000}, {Start: 100 * mib, End: 101*mib + 7}, {Start: gib, End: 4*gib + 2*mib}}
		}},
		{"Go program", func(q *reserve.Request) { q.Image = openELF(t, goELF(t)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := request(t, 64*mib, host)
			tt.change(&q)
			plan, memory := populated(t, q)
			b := plan.Block()
			checkTables(t, q, &b, memory, 4)
			if q.PagingLevels == 5 {
				checkTables(t, q, &b, memory, 5)
			}
		})
	}
}

// TestTablesUseLargePages counts the tables of a 32 GiB host.
func TestTablesUseLargePages(t *testing.T) {
	t.Parallel()
	q := request(t, 30*gib, physmem.Range{Start: mib, End: 3 * gib}, physmem.Range{Start: 4 * gib, End: 33 * gib})
	small := newPlan(t, q).Report()
	q.GigabytePages = true
	large := newPlan(t, q).Report()
	require.LessOrEqual(t, small.PageTables, 32+16, "4 KiB for each GiB")
	require.LessOrEqual(t, large.PageTables, 20)
}

// TestPlaces puts reservations where it may hurt.
func TestPlaces(t *testing.T) {
	t.Parallel()
	low := physmem.Range{Start: 0, End: 0x9fc00}
	pc := func(ranges ...physmem.Range) physmem.MemoryMap {
		regions := []physmem.Region{{Range: low, Type: physmem.MemoryRAM}, {Range: physmem.Range{Start: 0xf0000, End: 0x100000}, Type: physmem.MemoryReserved}}
		for _, r := range ranges {
			regions = append(regions, physmem.Region{Range: r, Type: physmem.MemoryRAM})
		}
		m, err := physmem.NewMemoryMap(regions...)
		require.NoError(t, err)
		return m
	}
	small := pc(physmem.Range{Start: mib, End: 64 * mib})
	below4 := pc(physmem.Range{Start: mib, End: 4 * gib})
	above4 := pc(physmem.Range{Start: mib, End: 3 * gib}, physmem.Range{Start: 4 * gib, End: 5 * gib})
	big := pc(physmem.Range{Start: mib, End: 3 * gib}, physmem.Range{Start: 4 * gib, End: 65 * gib})
	for _, tt := range []struct {
		name   string
		memory physmem.MemoryMap
		place  reserve.Place
		want   physmem.Address
	}{
		{"lowest", small, reserve.Place{Size: 8 << 20, Alignment: 4096, Lowest: true}, mib},
		{"over physical 4 MiB", small, reserve.Place{Size: 8 << 20, Lowest: true}, 2 * mib},
		{"just below 4 GiB", below4, reserve.Place{Size: 8 << 20}, 4*gib - 8*mib},
		{"below the limit", above4, reserve.Place{Size: 8 << 20, Limit: 4 * gib}, 3*gib - 8*mib},
		{"above 4 GiB", above4, reserve.Place{Size: 8 << 20}, 5*gib - 8*mib},
		{"top of 64 GiB", big, reserve.Place{Size: reserve.LeastSize(64 << 30)}, 65*gib - 10*mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found, err := reserve.Find(tt.memory, nil, tt.place)
			require.NoError(t, err)
			require.Equal(t, physmem.Range{Start: tt.want, End: tt.want + physmem.Address(tt.place.Size)}, found)
			q := request(t, found.Start, tt.memory.RAM()...)
			q.Reservation = found
			q.DumpAvail.Extents = []physmem.Range{{Start: 0x2000, End: 0x2030}}
			q.Bitmap = handoff.Region{Length: 0x1000, Extents: []physmem.Range{{Start: 0x3000, End: 0x4000}}}
			q.PagingLevels = 5
			plan, memory := populated(t, q)
			b := plan.Block()
			checkTables(t, q, &b, memory, 4)
			checkTables(t, q, &b, memory, 5)
			_, err = reserve.Open(memory, found.Start, reserve.StageBoth)
			require.NoError(t, err)
			require.LessOrEqual(t, memory.Resident(), found.Size(), "host memory is not touched")
		})
	}
}
