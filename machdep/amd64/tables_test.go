package amd64_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// tables is page tables in memory, written entry by entry and apart from the
// package's Builder.
type tables struct {
	t      testing.TB
	memory *physmem.Sparse
	paging amd64.Paging
	next   physmem.Address // frame for the next table
	leaves []amd64.Mapping // what was mapped: the truth that walks are compared with
}

// Tables lie in [tableBase, tableEnd); what they map is above.
const (
	tableBase = physmem.Address(0x10_0000)
	tableEnd  = physmem.Address(0x200_0000)
)

var everywhere = physmem.Ranges{{Start: 0, End: physmem.MaxAddress}}

func newTables(t testing.TB, levels int) *tables {
	s := &tables{t: t, memory: physmem.NewSparse(everywhere), next: tableBase}
	s.paging = amd64.Paging{Root: s.frame(), Levels: levels, PhysicalBits: 46}
	return s
}

func (s *tables) frame() physmem.Address {
	s.next += amd64.PageSize
	return s.next - amd64.PageSize
}

func (s *tables) get(table physmem.Address, index int) amd64.Entry {
	var b [8]byte
	_, err := s.memory.ReadPhysical(b[:], table+physmem.Address(index)*8)
	require.NoError(s.t, err)
	return amd64.Entry(binary.LittleEndian.Uint64(b[:]))
}

func (s *tables) put(table physmem.Address, index int, entry amd64.Entry) {
	_, err := s.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, uint64(entry)), table+physmem.Address(index)*8)
	require.NoError(s.t, err)
}

func index(va uint64, level int) int { return int(va >> (3 + 9*level) & 511) }

// table is the one at level on the way to va, made with entries of the given
// bits where missing.
func (s *tables) table(va uint64, level int, bits amd64.Entry) physmem.Address {
	table := s.paging.Root
	for at := s.paging.Levels; at > level; at-- {
		entry := s.get(table, index(va, at))
		if !entry.Present() {
			entry = bits | amd64.Entry(s.frame())
			s.put(table, index(va, at), entry)
		}
		table = physmem.Address(entry & 0x000f_ffff_ffff_f000)
	}
	return table
}

// leaf maps va at level to an address, with the rights of all entries open.
func (s *tables) leaf(va uint64, level int, entry amd64.Entry) {
	if level > amd64.LevelPTE {
		entry |= amd64.EntryLarge
	}
	s.put(s.table(va, level, open), index(va, level), entry)
}

func (s *tables) walker() *amd64.Walker {
	w, err := amd64.NewWalker(s.memory, nil, s.paging)
	require.NoError(s.t, err)
	return w
}

const open = amd64.EntryPresent | amd64.EntryWritable | amd64.EntryUser

// random maps leaves of all sizes at random places. It keeps the truth about
// each, worked out from what it chose and not from what it wrote.
func (s *tables) random(random *rand.Rand, count int) {
	taken := map[uint64]bool{} // 1 GiB regions: true where a leaf of 1 GiB is
	regions := map[uint64]bool{}
	rights := map[[2]uint64]amd64.Entry{} // rights of the entry of {level, va >> shift}
	for len(s.leaves) < count {
		va := random.Uint64() >> (64 - s.paging.VirtualBits()) // dense enough to share tables
		va = va&0x3_ff1f_ffff | va>>(s.paging.VirtualBits()-2)<<(s.paging.VirtualBits()-2)
		shift := 64 - s.paging.VirtualBits()
		va = uint64(int64(va<<shift) >> shift)
		level := 1 + random.IntN(3)
		size := uint64(1) << (3 + 9*level)
		va &^= size - 1
		gigabyte, megabytes := va>>30, va>>21
		switch {
		case taken[gigabyte], level == 3 && regions[gigabyte]:
			continue
		case level < 3 && rights[[2]uint64{2, megabytes}] != 0 && level == 2,
			level == 1 && rights[[2]uint64{2, megabytes}]&amd64.EntryLarge != 0,
			rights[[2]uint64{uint64(level), va >> (3 + 9*level)}] != 0:
			continue
		}
		taken[gigabyte] = level == 3
		regions[gigabyte] = true
		s.randomLeaf(random, rights, va, level)
	}
	slices.SortFunc(s.leaves, func(a, b amd64.Mapping) int {
		if a.Virtual < b.Virtual {
			return -1
		}
		return 1
	})
}

func (s *tables) randomLeaf(random *rand.Rand, rights map[[2]uint64]amd64.Entry, va uint64, level int) {
	size := uint64(1) << (3 + 9*level)
	m := amd64.Mapping{Virtual: va, Size: size, Level: level, Writable: true, User: true, Executable: true}
	table := s.paging.Root
	for at := s.paging.Levels; at >= level; at-- {
		key := [2]uint64{uint64(at), va >> (3 + 9*at)}
		entry, ok := rights[key]
		if !ok {
			entry = amd64.EntryPresent | amd64.Entry(random.Uint64())&(amd64.EntryWritable|amd64.EntryUser|amd64.EntryAccessed|0xe00)
			if random.IntN(4) == 0 {
				entry |= amd64.EntryNoExecute
			}
			if at == level {
				m.Physical = physmem.Address(random.Uint64()>>20) &^ physmem.Address(size-1) // 44 bits
				entry |= amd64.Entry(m.Physical) | amd64.EntryGlobal
				if at > 1 {
					entry |= amd64.EntryLarge | amd64.Entry(random.Uint64())&amd64.EntryLargePAT
				} else {
					entry |= amd64.Entry(random.Uint64()) & amd64.EntryPAT
				}
				m.Entry = entry
			} else {
				entry |= amd64.Entry(s.frame())
			}
			rights[key] = entry
			s.put(table, int(va>>(3+9*at)&511), entry)
		}
		m.Writable = m.Writable && entry&2 != 0
		m.User = m.User && entry&4 != 0
		m.Executable = m.Executable && entry>>63 == 0
		table = physmem.Address(entry & 0x000f_ffff_ffff_f000)
	}
	s.leaves = append(s.leaves, m)
}
