package reserve

import (
	"errors"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// mostTables bounds the page tables of a plan: 4 KiB for each GiB of the
// direct map, and as much again.
const mostTables = 2 * handoff.DirectMapLimit / gib * handoff.PageSize

var errNoFrame = errors.New("no frame is left for a page table")

// frames gives the frames of a range, one after the other.
type frames struct {
	physmem.Range
	next physmem.Address
}

// AllocateTable implements amd64.Allocator. The range is aligned to a page,
// and tables of amd64 have no other size.
func (f *frames) AllocateTable(size uint64) (physmem.Address, error) {
	if uint64(f.End-f.next) < size {
		return 0, errNoFrame
	}
	f.next += physmem.Address(size)
	return f.next - physmem.Address(size), nil
}

// countTables builds the tables in memory of their own, at the addresses that
// they will have, and says how many bytes they take.
func (p *planner) countTables() (uint64, error) {
	start := p.at(handoff.PartTables).Start
	r := physmem.Range{Start: start, End: start + physmem.Address(mostTables)}
	f := &frames{r, start}
	_, err := p.mapAll(physmem.NewSparse(physmem.NewRanges(r)), f)
	return uint64(f.next - start), err
}

// buildTables builds the tables where they will lie, and says in the block
// where their roots are.
func (p *planner) buildTables(tables []byte) error {
	where := p.at(handoff.PartTables)
	memory := physmem.NewBytes(where.Start, tables)
	paging, err := p.mapAll(memory, &frames{where, where.Start})
	if err != nil {
		return err
	}
	b := &p.plan.block
	b.Tables.Root4 = uint64(paging.Root - p.Reservation.Start)
	if paging.Levels < 5 {
		return nil
	}
	// All that is mapped lies in the lower 47 bits. So one entry of the root
	// for 5 levels is in use, and points to the root for 4.
	walker, err := amd64.NewWalker(memory, physmem.NewRanges(where), paging)
	if err != nil {
		return err
	}
	root, err := walker.Lookup(0, amd64.LevelPML5E)
	if err != nil {
		return err
	}
	b.Tables.Root5 = b.Tables.Root4
	b.Tables.Root4 = uint64(root.Entry.Address(root.Level) - p.Reservation.Start)
	return nil
}

// mapAll maps the address space.
func (p *planner) mapAll(memory physmem.Memory, f *frames) (amd64.Paging, error) {
	builder, err := amd64.NewBuilder(memory, f, amd64.Paging{Levels: p.PagingLevels, GigabytePagesOff: !p.GigabytePages})
	if err != nil {
		return amd64.Paging{}, err
	}
	for _, m := range p.mappings() {
		var permissions amd64.Permissions
		for _, right := range []struct {
			granted    bool
			permission amd64.Permissions
		}{{m.writable, amd64.Write}, {m.executable, amd64.Execute}, {!m.supervisor, amd64.User}} {
			if right.granted {
				permissions |= right.permission
			}
		}
		largest := uint64(0)
		if m.small {
			largest = amd64.PageSize
		}
		if err := builder.Map(m.physical, m.virtual, permissions, largest); err != nil {
			return amd64.Paging{}, err
		}
	}
	return builder.Paging(), nil
}
