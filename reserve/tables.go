package reserve

import (
	"errors"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
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

// AllocateTable implements the allocator of both architectures' builders. The
// range is aligned to a page, and no table has another size.
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
	err := p.mapAll(physmem.NewSparse(physmem.NewRanges(r)), f)
	return uint64(f.next - start), err
}

// buildTables builds the tables where they will lie, and says in the block
// where their roots are.
func (p *planner) buildTables(tables []byte) error {
	where := p.at(handoff.PartTables)
	memory := physmem.NewBytes(where.Start, tables)
	if err := p.mapAll(memory, &frames{where, where.Start}); err != nil {
		return err
	}
	b := &p.plan.block
	b.Tables.Root4 = uint64(where.Start - p.Reservation.Start) // a builder's first table
	if p.Image.Architecture == handoff.ARM64 || p.PagingLevels < 5 {
		return nil
	}
	// All that is mapped lies in the lower 47 bits. So one entry of the root
	// for 5 levels is in use, and points to the root for 4.
	walker, err := amd64.NewWalker(memory, physmem.NewRanges(where), amd64.Paging{Root: where.Start, Levels: p.PagingLevels})
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

// mapper maps one range of the address space.
type mapper func(m mapping, largest uint64) error

// mapAll maps the address space.
func (p *planner) mapAll(memory physmem.Memory, f *frames) error {
	newMapper := p.mapperAMD64
	if p.Image.Architecture == handoff.ARM64 {
		newMapper = p.mapperARM64
	}
	add, err := newMapper(memory, f)
	if err != nil {
		return err
	}
	for _, m := range p.mappings() {
		largest := uint64(0)
		if m.small {
			largest = handoff.PageSize
		}
		if err := add(m, largest); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) mapperAMD64(memory physmem.Memory, f *frames) (mapper, error) {
	builder, err := amd64.NewBuilder(memory, f, amd64.Paging{Levels: p.PagingLevels, GigabytePagesOff: !p.GigabytePages})
	return func(m mapping, largest uint64) error {
		rights := choose(m, amd64.Write, amd64.Execute, amd64.User)
		return builder.Map(m.physical, m.virtual, rights, largest)
	}, err
}

func (p *planner) mapperARM64(memory physmem.Memory, f *frames) (mapper, error) {
	builder, err := arm64.NewBuilder(memory, f, arm64.Paging{})
	return func(m mapping, largest uint64) error {
		rights := choose(m, arm64.Write, arm64.Execute, arm64.User)
		return builder.Map(m.physical, m.virtual, rights, largest)
	}, err
}

// choose is the permissions of a mapping.
func choose[P ~uint8](m mapping, write, execute, user P) (rights P) {
	if m.writable {
		rights |= write
	}
	if m.executable {
		rights |= execute
	}
	if !m.supervisor {
		rights |= user
	}
	return rights
}
