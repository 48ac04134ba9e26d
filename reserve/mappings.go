package reserve

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// mapping is one range of the rescue program's address space.
type mapping struct {
	virtual    uint64
	physical   physmem.Range
	writable   bool
	executable bool
	supervisor bool
	small      bool // 4 KiB pages only
}

// mappings lists all of the rescue program's address space, as package
// handoff's documentation says it.
func (p *planner) mappings() []mapping {
	list := p.imageMappings()
	if stack := p.at(handoff.PartEntryStack); !stack.IsEmpty() {
		list = append(list, mapping{virtual: handoff.EntryStackTop - stack.Size(), physical: stack, writable: true, small: true})
	}
	list = append(list, p.directMap()...)
	return append(list,
		mapping{virtual: uint64(p.at(handoff.PartTrampoline).Start), physical: p.at(handoff.PartTrampoline), executable: true, supervisor: true, small: true},
		mapping{virtual: uint64(p.at(handoff.PartTrampolineRAM).Start), physical: p.at(handoff.PartTrampolineRAM), writable: true, supervisor: true, small: true},
	)
}

// at is where a part lies.
func (p *planner) at(part handoff.Part) physmem.Range {
	return p.plan.block.Range(part)
}

// imageMappings are the image's segments where they are linked. Gaps between
// them stay unmapped, and so do the zero pages after the last.
func (p *planner) imageMappings() []mapping {
	var list []mapping
	for _, s := range p.Image.Segments {
		physical := p.segment(s)
		if physical.IsEmpty() {
			continue
		}
		list = append(list, mapping{
			virtual: s.Start, physical: physical,
			writable: s.Writable, executable: s.Executable, small: true,
		})
	}
	return list
}

// segment is where the file-backed pages of a segment lie.
func (p *planner) segment(s Segment) physmem.Range {
	start, end := s.pages()
	base := p.at(handoff.PartImage).Start - physmem.Address(p.Image.linkBase())
	return physmem.Range{Start: base + physmem.Address(start), End: base + physmem.Address(end)}
}

// directMap are host memory, read-only, and the reservation, each frame by
// what its part may be used for; nothing there is executable.
func (p *planner) directMap() []mapping {
	writable := p.plan.block.WithAccess(handoff.AccessWrite)
	for _, s := range p.Image.Segments {
		if s.Writable {
			writable = append(writable, p.segment(s))
		}
	}
	writable = physmem.NewRanges(writable...)
	// The program memory of a reservation that is too small reaches beyond it;
	// see place.
	end := max(p.Reservation.End, p.at(handoff.PartProgram).End)
	all := physmem.NewRanges(physmem.Range{Start: p.Reservation.Start, End: end})
	var list []mapping
	add := func(ranges physmem.Ranges, writable bool) {
		for _, r := range ranges {
			list = append(list, mapping{virtual: handoff.DirectMapBase + uint64(r.Start), physical: r, writable: writable})
		}
	}
	add(p.memory.Minus(all), false)
	add(all.Minus(writable), false)
	add(writable, true)
	return list
}
