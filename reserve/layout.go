package reserve

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// layOut gives every part its place, and the program memory what is left. How
// many page tables there are depends on where the parts lie, and the other way
// round: it begins with none and repeats until they fit.
func (p *planner) layOut() error {
	for {
		p.place()
		tables, err := p.countTables()
		if err != nil {
			return err
		}
		if tables <= p.tables {
			break
		}
		p.tables = tables
	}
	p.report()
	if r := p.plan.report; r.Size < r.Least {
		return &TooSmallError{r}
	}
	return nil
}

// sizes of all parts but the program memory.
func (p *planner) sizes() [handoff.MaxParts]uint64 {
	content := &p.plan.content
	code, data, stack := p.Trampoline.Sizes()
	page := func(n uint64) uint64 { return alignUp(n, handoff.PageSize) }
	sizes := [handoff.MaxParts]uint64{
		handoff.PartBlock:         page(p.blockLength()),
		handoff.PartRecords:       p.RecordsSize,
		handoff.PartTrampoline:    page(uint64(max(code, 1))),
		handoff.PartTrampolineRAM: page(uint64(data)) + page(uint64(max(stack, 1))),
		handoff.PartTables:        p.tables,
		handoff.PartEntryStack:    entryStackSize,
		handoff.PartPanicStack:    p.PanicStackSize,
		handoff.PartISTStacks:     p.ISTStackSize * ISTStacks * uint64(p.CPUs),
		handoff.PartBitmap:        page(p.Bitmap.Length),
		handoff.PartIndex:         page(indexSize(p.Bitmap.Length)),
	}
	for _, part := range []handoff.Part{handoff.PartPanicArea, handoff.PartEnvironment, handoff.PartMetadata, handoff.PartImage} {
		sizes[part] = page(uint64(len(content[part])))
	}
	return sizes
}

// place lays the parts out one after the other. Where the reservation is too
// small the program memory reaches beyond it, so that the report can say what
// would be needed.
func (p *planner) place() {
	block := &p.plan.block
	block.Reservation = p.Reservation
	block.Parts = [handoff.MaxParts]handoff.Extent{}
	sizes := p.sizes()
	offset := uint64(0)
	for _, part := range layoutOrder {
		size := sizes[part]
		if part == handoff.PartProgram {
			size = minProgram
			if total := p.Reservation.Size(); total > offset+minProgram {
				size = total - offset
			}
		}
		if size == 0 {
			continue
		}
		used := uint32(len(p.plan.content[part]))
		if uint64(used) == size || part == handoff.PartRecords {
			used = 0
		}
		block.Parts[part] = handoff.Extent{Offset: offset, Size: size, Length: used, Access: access[part]}
		offset += size
	}
}

// blockLength is the size of the block with every list that it will have.
func (p *planner) blockLength() uint64 {
	lists := handoff.Block{
		Host: p.Host, DumpAvail: p.DumpAvail, Bitmap: p.Bitmap, MessageBuffer: p.MessageBuffer,
		Memory: p.memory, Redactions: p.Redactions, Targets: p.Targets, PCI: p.PCI, Interrupts: p.Interrupts,
		Firmware: make([]handoff.Firmware, len(p.Firmware)),
		Digests:  make([]handoff.Digest, len(p.Image.Segments)+3),
	}
	return lists.EncodedLength()
}

func (p *planner) report() {
	parts := p.plan.block.Parts
	r := Report{Size: p.Reservation.Size(), PageTables: int(p.tables / handoff.PageSize)}
	r.HostMemory = p.memory.Union(physmem.NewRanges(p.Reservation)).Size()
	for _, part := range layoutOrder {
		if e := parts[part]; e.Size != 0 {
			r.Parts = append(r.Parts, Cost{part, e.Offset, e.Size, e.Used()})
		}
	}
	need := parts[handoff.PartProgram].Offset + minProgram
	r.Least = max(LeastSize(r.HostMemory), need)
	r.MemoryLimit = p.limits().Memory
	p.plan.report = r
}

// limits are those of the request, filled up from the program memory's size.
func (p *planner) limits() handoff.Limits {
	l := limits(p.plan.block.Parts[handoff.PartProgram].Size)
	if p.Limits.Memory != 0 {
		l.Memory = p.Limits.Memory
	}
	if p.Limits.GCPercent != 0 {
		l.GCPercent = p.Limits.GCPercent
	}
	if p.Limits.ZstdWindow != 0 {
		l.ZstdWindow = p.Limits.ZstdWindow
	}
	return l
}

// describe fills in the block but for what building and sealing find out.
func (p *planner) describe() error {
	b := &p.plan.block
	end := max(p.memory.Bounds().End, p.Reservation.End)
	b.Minor, b.Architecture, b.Role = handoff.VersionMinor, p.Image.Architecture, handoff.RoleRescue
	b.Image = p.Image.Layout()
	b.Space = handoff.Space{
		StackTop:     handoff.EntryStackTop,
		DirectMap:    handoff.DirectMapBase,
		DirectMapEnd: handoff.DirectMapBase + alignUp(uint64(end), gib),
		Window:       handoff.KernelBase,
		WindowEnd:    p.windowEnd(),
	}
	b.Limits = p.limits()
	b.Clock, b.Seed, b.Calls = p.Clock, p.Seed, p.Calls
	b.CPUs, b.PagingLevels = uint32(p.CPUs), uint32(p.PagingLevels)
	b.Host = p.Host
	b.DumpAvail, b.Bitmap, b.MessageBuffer = p.DumpAvail, p.Bitmap, p.MessageBuffer
	b.Memory, b.Redactions, b.Targets, b.Interrupts = p.memory, p.Redactions, p.Targets, p.Interrupts
	b.PCI = p.PCI
	offset := b.Parts[handoff.PartMetadata].Offset
	for _, f := range p.Firmware {
		entry := handoff.Firmware{Kind: f.Kind, Version: f.Version, EntrySize: f.EntrySize, Address: f.Address}
		if len(f.Data) > 0 {
			entry.Offset, entry.Length = offset, uint64(len(f.Data))
			offset += uint64(len(align16(f.Data)))
		}
		b.Firmware = append(b.Firmware, entry)
	}
	if memoryEnd := b.Image.MemoryEnd; memoryEnd > b.Space.WindowEnd {
		return fmt.Errorf("image ends at %#x, the window at %#x", memoryEnd, b.Space.WindowEnd)
	}
	return nil
}

// windowEnd is the end of a window of at most RAM + 4 GiB, whose RAM is the
// reservation.
func (p *planner) windowEnd() uint64 {
	return handoff.KernelBase + min(alignUp(p.Reservation.Size()+handoff.WindowSlack, gib), handoff.MaxWindow)
}
