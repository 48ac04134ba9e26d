package bootimage

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// tables builds page tables for a known physical address. Accessed and dirty
// bits are set, so that the processor writes nothing to them.
type tables struct {
	base physmem.Address // of the first table
	data []byte          // the tables, the root first
}

const (
	tableEntry = amd64.EntryPresent | amd64.EntryWritable | amd64.EntryUser | amd64.EntryAccessed
	pageEntry  = amd64.EntryPresent | amd64.EntryAccessed | amd64.EntryDirty
)

func newTables(base physmem.Address) *tables {
	return &tables{base: base, data: make([]byte, amd64.PageSize)}
}

// next returns the offset of a new empty table.
func (t *tables) next() int {
	t.data = append(t.data, make([]byte, amd64.PageSize)...)
	return len(t.data) - amd64.PageSize
}

// set maps the page of a level at va.
func (t *tables) set(va uint64, level int, entry amd64.Entry) {
	table := 0
	for l := amd64.LevelPML4E; l > level; l-- {
		at := table + 8*int(va>>(3+9*l)&511)
		e := amd64.Entry(binary.LittleEndian.Uint64(t.data[at:]))
		if !e.Present() {
			e = amd64.Entry(t.base) + amd64.Entry(t.next()) | tableEntry
			binary.LittleEndian.PutUint64(t.data[at:], uint64(e))
		}
		table = int(e.Address(l) - t.base)
	}
	binary.LittleEndian.PutUint64(t.data[table+8*int(va>>(3+9*level)&511):], uint64(entry))
}

// mapPages maps size bytes in 4 KiB pages.
func (t *tables) mapPages(va uint64, pa physmem.Address, size uint64, flags amd64.Entry) {
	for o := uint64(0); o < size; o += amd64.PageSize {
		t.set(va+o, amd64.LevelPTE, amd64.Entry(uint64(pa)+o)|pageEntry|flags)
	}
}

// root5 adds a table on top of the root, for processors with five levels, and
// returns its offset.
func (t *tables) root5() int {
	at := t.next()
	binary.LittleEndian.PutUint64(t.data[at:], uint64(t.base)|uint64(tableEntry))
	return at
}
