package arm64_test

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// tables is page tables in memory, written entry by entry and apart from the
// package's Builder. Its geometry is worked out here again, from the granule
// alone.
type tables struct {
	t      testing.TB
	memory *physmem.Sparse
	paging arm64.Paging
	page   int             // log2 of the granule
	start  int             // level of the first table
	next   physmem.Address // frame for the next table
	leaves []arm64.Mapping // what was mapped: the truth that walks are compared with
}

// Tables lie in [tableBase, tableEnd).
const (
	tableBase = physmem.Address(0x10_0000)
	tableEnd  = physmem.Address(0x1_0000_0000)
)

var everywhere = physmem.Ranges{{Start: 0, End: physmem.MaxAddress}}

// tables 4.. of DDI 0487 D8.2.3: the first level for a granule and a number of
// virtual address bits.
func startLevel(page, virtualBits int) int {
	level, covered := 4, page
	for covered < virtualBits {
		level, covered = level-1, covered+page-3
	}
	return level
}

func newTables(t testing.TB, paging arm64.Paging) *tables {
	page := bits.Len(uint(paging.Granule)) - 1
	s := &tables{t: t, memory: physmem.NewSparse(everywhere), paging: paging, page: page, next: tableBase}
	s.start = startLevel(page, paging.VirtualBits)
	s.paging.Root = s.frame()
	return s
}

func (s *tables) frame() physmem.Address {
	s.next += physmem.Address(s.paging.Granule)
	return s.next - physmem.Address(s.paging.Granule)
}

func (s *tables) shift(level int) int   { return s.page + (3-level)*(s.page-3) }
func (s *tables) size(level int) uint64 { return 1 << s.shift(level) }

func (s *tables) index(va uint64, level int) int {
	return int(va & (1<<s.paging.VirtualBits - 1) >> s.shift(level) & (1<<(s.page-3) - 1))
}

// address puts an address into an entry.
func (s *tables) address(a physmem.Address) arm64.Entry {
	switch {
	case s.paging.LPA2:
		return arm64.Entry(a&0x3_ffff_ffff_ffff | a>>50<<8)
	case s.paging.PhysicalBits > 48:
		return arm64.Entry(a&0xffff_ffff_ffff | a>>48<<12)
	}
	return arm64.Entry(a)
}

func (s *tables) get(table physmem.Address, index int) arm64.Entry {
	var b [8]byte
	_, err := s.memory.ReadPhysical(b[:], table+physmem.Address(index)*8)
	require.NoError(s.t, err)
	return arm64.Entry(binary.LittleEndian.Uint64(b[:]))
}

func (s *tables) put(table physmem.Address, index int, entry arm64.Entry) {
	_, err := s.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, uint64(entry)), table+physmem.Address(index)*8)
	require.NoError(s.t, err)
}

// table is the one at level on the way to va, made where missing. Table
// addresses here are low, so that no format splits them.
func (s *tables) table(va uint64, level int) physmem.Address {
	table := s.paging.Root
	for at := s.start; at < level; at++ {
		entry := s.get(table, s.index(va, at))
		if !entry.Present() {
			entry = arm64.EntryPage | arm64.Entry(s.frame())
			s.put(table, s.index(va, at), entry)
		}
		table = physmem.Address(entry & 0xffff_ffff_f000)
	}
	return table
}

// leaf maps va at level. The entry's address and attributes are as given.
func (s *tables) leaf(va uint64, level int, entry arm64.Entry) {
	entry |= arm64.EntryValid
	if level == 3 {
		entry |= arm64.EntryTable
	}
	s.put(s.table(va, level), s.index(va, level), entry)
}

func (s *tables) walker() *arm64.Walker {
	w, err := arm64.NewWalker(s.memory, nil, s.paging)
	require.NoError(s.t, err)
	return w
}

// half is va brought into the half of the address space.
func (s *tables) half(va uint64) uint64 {
	va &= 1<<s.paging.VirtualBits - 1
	if s.paging.Upper {
		va |= ^uint64(0) << s.paging.VirtualBits
	}
	return va
}

// blocks are the levels of leaves, from table D8-13.
func blocks(paging arm64.Paging) []int {
	switch paging.Granule {
	case arm64.Granule4K:
		if paging.LPA2 {
			return []int{3, 2, 1, 0}
		}
		return []int{3, 2, 1}
	case arm64.Granule16K:
		if paging.LPA2 {
			return []int{3, 2, 1}
		}
	default:
		if paging.PhysicalBits > 48 {
			return []int{3, 2, 1}
		}
	}
	return []int{3, 2}
}

type place struct {
	level int
	page  uint64
}

// random maps leaves of all sizes at random places. It keeps the truth about
// each, worked out from what it chose and not from what it wrote.
func (s *tables) random(random *rand.Rand, count int) {
	entries := map[place]arm64.Entry{}
	levels := slices.DeleteFunc(blocks(s.paging), func(level int) bool { return level < s.start })
	for range count {
		level := levels[random.IntN(len(levels))]
		// Few values in each index, so that tables are shared.
		va := uint64(0)
		for at := s.start; at <= 3; at++ {
			va |= uint64(random.IntN(4)*random.IntN(700)&(1<<(s.page-3)-1)) << s.shift(at)
		}
		va = s.half(va) &^ (s.size(level) - 1)
		if s.free(entries, va, level) {
			s.randomLeaf(random, entries, va, level)
		}
	}
	slices.SortFunc(s.leaves, func(a, b arm64.Mapping) int {
		if a.Virtual < b.Virtual {
			return -1
		}
		return 1
	})
}

func (s *tables) free(entries map[place]arm64.Entry, va uint64, level int) bool {
	for at := s.start; at < level; at++ {
		if e, ok := entries[place{at, va >> s.shift(at)}]; ok && e&arm64.EntryTable == 0 {
			return false
		}
	}
	_, taken := entries[place{level, va >> s.shift(level)}]
	return !taken
}

func (s *tables) randomLeaf(random *rand.Rand, entries map[place]arm64.Entry, va uint64, level int) {
	m := arm64.Mapping{Virtual: va, Size: s.size(level), Level: level}
	ro, user, pxn, uxn := false, true, false, false
	table := s.paging.Root
	for at := s.start; at <= level; at++ {
		key := place{at, va >> s.shift(at)}
		entry, ok := entries[key]
		switch {
		case !ok && at < level:
			frame := s.frame()
			entry = arm64.EntryPage | s.address(frame) | arm64.Entry(random.Uint64()&random.Uint64())&0xf800_0000_0000_0000
		case !ok:
			m.Physical = physmem.Address(random.Uint64()>>(64-s.paging.PhysicalBits)) &^ physmem.Address(m.Size-1)
			// AF, nG, SH, AttrIndx, AP; GP, DBM, contiguous, XN and what is ignored.
			entry = arm64.EntryValid | s.address(m.Physical) | arm64.Entry(random.Uint64())&0xfffc_0000_0000_0cdc
			if !s.paging.LPA2 {
				entry |= arm64.Entry(random.Uint64()) & 0x300
			}
			if level == 3 {
				entry |= arm64.EntryTable
			} else {
				entry |= arm64.Entry(random.Uint64()) & arm64.EntryNT
			}
			m.Entry = entry
			ro, user = ro || entry>>7&1 != 0, user && entry>>6&1 != 0
			pxn, uxn = pxn || entry>>53&1 != 0, uxn || entry>>54&1 != 0
		}
		if !ok {
			entries[key] = entry
			s.put(table, s.index(va, at), entry)
		}
		if at < level {
			if !s.paging.HierarchyOff {
				ro, user = ro || entry>>62&1 != 0, user && entry>>61&1 == 0
				pxn, uxn = pxn || entry>>59&1 != 0, uxn || entry>>60&1 != 0
			}
			table = physmem.Address(entry & 0xffff_ffff_0000)
			if s.page < 16 {
				table = physmem.Address(entry & 0xffff_ffff_f000)
			}
		}
	}
	m.Writable, m.User = !ro, user
	m.Executable = !uxn || !pxn && (ro || !user)
	s.leaves = append(s.leaves, m)
}
