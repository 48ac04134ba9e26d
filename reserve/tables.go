package reserve

import (
	"encoding/binary"
	"errors"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// mostTables bounds the page tables of a plan: 4 KiB for each GiB of the
// direct map, and as much again.
const mostTables = 2 * handoff.DirectMapLimit / gib * handoff.PageSize

var errNoFrame = errors.New("no frame is left for a page table")

// countTables builds the tables in memory of their own, at the addresses that
// they will have, and says how many bytes they take.
func (p *planner) countTables() (uint64, error) {
	start := p.at(handoff.PartTables).Start
	frames := physmem.Range{Start: start, End: start + physmem.Address(mostTables)}
	t, err := p.mapAll(physmem.NewSparse(physmem.NewRanges(frames)), frames)
	if err != nil {
		return 0, err
	}
	return uint64(t.next - start), nil
}

// buildTables builds the tables where they will lie, and says in the block
// where their roots are.
func (p *planner) buildTables(tables []byte) error {
	where := p.at(handoff.PartTables)
	t, err := p.mapAll(physmem.NewBytes(where.Start, tables), where)
	if err != nil {
		return err
	}
	b := &p.plan.block
	b.Tables.Root4 = uint64(t.root4 - p.Reservation.Start)
	if t.root5 != 0 {
		b.Tables.Root5 = uint64(t.root5 - p.Reservation.Start)
	}
	return nil
}

// mapAll maps the address space. A host with 5 levels gets a root on top.
func (p *planner) mapAll(memory physmem.Memory, frames physmem.Range) (*tables, error) {
	t := &tables{memory: memory, frames: frames, next: frames.Start, gigabytePages: p.GigabytePages}
	var err error
	if t.root4, err = t.frame(); err != nil {
		return nil, err
	}
	if p.PagingLevels == 5 {
		if t.root5, err = t.frame(); err != nil {
			return nil, err
		}
		// All that is mapped lies in the lower 47 bits: below one entry.
		if err := t.put(t.root5, amd64.Entry(t.root4)|tableEntry); err != nil {
			return nil, err
		}
	}
	for _, m := range p.mappings() {
		if err := t.mapRange(m); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// tables are page tables that take their frames one after the other.
type tables struct {
	memory        physmem.Memory
	frames        physmem.Range
	next          physmem.Address
	root4, root5  physmem.Address
	gigabytePages bool
}

// Accessed and dirty bits are set, so that the processor writes nothing to
// what is sealed. Rights are the leaves' alone.
const (
	tableEntry = amd64.EntryPresent | amd64.EntryWritable | amd64.EntryUser | amd64.EntryAccessed
	leafEntry  = amd64.EntryPresent | amd64.EntryAccessed | amd64.EntryDirty
)

func (t *tables) frame() (physmem.Address, error) {
	if t.next >= t.frames.End {
		return 0, errNoFrame
	}
	t.next += amd64.PageSize
	return t.next - amd64.PageSize, nil
}

func (t *tables) put(at physmem.Address, entry amd64.Entry) error {
	_, err := t.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, uint64(entry)), at)
	return err
}

// mapRange maps a range in the largest pages that fit.
func (t *tables) mapRange(m mapping) error {
	entry := leafEntry
	if m.writable {
		entry |= amd64.EntryWritable
	}
	if !m.executable {
		entry |= amd64.EntryNoExecute
	}
	if !m.supervisor {
		entry |= amd64.EntryUser
	}
	for pa, va := m.physical.Start, m.virtual; pa < m.physical.End; {
		level := t.level(m, pa, va)
		at, err := t.entry(va, level)
		if err != nil {
			return err
		}
		leaf := amd64.Entry(pa) | entry
		if level > amd64.LevelPTE {
			leaf |= amd64.EntryLarge
		}
		if err := t.put(at, leaf); err != nil {
			return err
		}
		pa += physmem.Address(amd64.PageSizeAt(level))
		va += amd64.PageSizeAt(level)
	}
	return nil
}

// level is that of the largest page that maps va to pa and stays in the range.
func (t *tables) level(m mapping, pa physmem.Address, va uint64) int {
	level := amd64.LevelPDPTE
	if !t.gigabytePages {
		level = amd64.LevelPDE
	}
	if m.small {
		return amd64.LevelPTE
	}
	for ; level > amd64.LevelPTE; level-- {
		size := amd64.PageSizeAt(level)
		if va%size == 0 && pa.IsAligned(size) && uint64(m.physical.End-pa) >= size {
			break
		}
	}
	return level
}

// entry is where the entry for va at a level is; tables above it are made.
func (t *tables) entry(va uint64, level int) (physmem.Address, error) {
	table := t.root4
	for l := amd64.LevelPML4E; ; l-- {
		at := table + physmem.Address(va>>(3+9*l)&511*8)
		if l == level {
			return at, nil
		}
		var b [8]byte
		if _, err := t.memory.ReadPhysical(b[:], at); err != nil {
			return 0, err
		}
		e := amd64.Entry(binary.LittleEndian.Uint64(b[:]))
		if !e.Present() {
			frame, err := t.frame()
			if err != nil {
				return 0, err
			}
			e = amd64.Entry(frame) | tableEntry
			if err := t.put(at, e); err != nil {
				return 0, err
			}
		}
		table = e.Address(l)
	}
}
