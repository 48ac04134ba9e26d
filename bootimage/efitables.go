package bootimage

import (
	"encoding/binary"
	"errors"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// efiLow is how much the prebuilt direct map of an EFI application has on amd64.
// The GiBs of the image are added by the code if they lie above.
const efiLow = 4 << 30

// efiMapped is the size of the direct map that an image begins with. On arm64 it
// has holes: it is made by the code, of the firmware's memory map.
func efiMapped(a handoff.Architecture) uint64 {
	if a == handoff.ARM64 {
		return 512 << 30
	}
	return efiLow
}

// efiTables are page tables for an image at one place, and the tables in them that
// the code fills in when it knows the place.
type efiTables struct {
	bytes        []byte
	root4, root5 physmem.Address
	identity     [3]physmem.Address // below the root, for the code's page at its own address
	direct       physmem.Address    // the direct map's table of 1 GiB entries
	spare        [2]physmem.Address // for 2 MiB entries of it; amd64
}

// tableBuilder makes them, one of each architecture.
type tableBuilder struct {
	frames *allocator
	memory physmem.Memory
	err    error
}

func (b *tableBuilder) note(err error) { b.err = errors.Join(b.err, err) }

func (b *tableBuilder) newTable() physmem.Address {
	at, err := b.frames.AllocateTable(amd64.PageSize)
	b.note(err)
	return at
}

// put writes one entry.
func (b *tableBuilder) put(table physmem.Address, index int, entry uint64) {
	_, err := b.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, entry), table+physmem.Address(8*index))
	b.note(err)
}

// tables makes the tables for an image at base.
func (w *efiWriter) tables(l efiLayout, base physmem.Address) (*efiTables, error) {
	at := func(offset, size uint64) physmem.Range {
		start := base + physmem.Address(offset)
		return physmem.Range{Start: start, End: start + physmem.Address(size)}
	}
	where := at(l.tables, mostTables)
	b := &tableBuilder{frames: &allocator{where.Start, where.End}, memory: physmem.NewSparse(physmem.NewRanges(where))}
	t := &efiTables{}
	stack := at(l.stack, entryStack)
	part := func(start, pages uint64) physmem.Range {
		return at(l.image+start-w.image.Layout().LinkBase, pages)
	}
	if w.image.Architecture == handoff.ARM64 {
		w.tablesARM64(b, t, stack, part)
	} else {
		w.tablesAMD64(b, t, stack, part)
	}
	if b.err != nil {
		return nil, b.err
	}
	t.bytes = make([]byte, b.frames.next-where.Start)
	_, err := b.memory.ReadPhysical(t.bytes, where.Start)
	return t, err
}

func (w *efiWriter) tablesAMD64(b *tableBuilder, t *efiTables, stack physmem.Range, part func(start, pages uint64) physmem.Range) {
	builder, err := amd64.NewBuilder(b.memory, b.frames, amd64.Paging{Levels: 5})
	if err != nil {
		b.note(err)
		return
	}
	for _, s := range w.image.Segments {
		if pages := roundUp(s.FileEnd) - s.Start; pages != 0 {
			b.note(builder.Map(part(s.Start, pages), s.Start, permissions(s), amd64.PageSize))
		}
	}
	b.note(builder.Map(stack, handoff.EntryStackTop-entryStack, amd64.Write|amd64.User, amd64.PageSize))
	b.note(builder.Map(physmem.Range{End: efiLow}, handoff.DirectMapBase, amd64.Write|amd64.User, largest))
	walker, err := amd64.NewWalker(b.memory, nil, builder.Paging())
	if err != nil {
		b.note(err)
		return
	}
	top, err := walker.Lookup(handoff.DirectMapBase, amd64.LevelPML5E)
	b.note(err)
	direct, err := walker.Lookup(handoff.DirectMapBase, amd64.LevelPDPTE)
	b.note(err)
	t.root5, t.root4, t.direct = builder.Paging().Root, top.Entry.Address(top.Level), direct.Table
	for _, table := range []*physmem.Address{&t.identity[0], &t.identity[1], &t.identity[2], &t.spare[0], &t.spare[1]} {
		*table = b.newTable()
	}
	b.put(t.root4, 0, uint64(t.identity[0])|uint64(amd64.EntryPresent|amd64.EntryWritable|amd64.EntryUser|amd64.EntryAccessed))
}

func (w *efiWriter) tablesARM64(b *tableBuilder, t *efiTables, stack physmem.Range, part func(start, pages uint64) physmem.Range) {
	builder, err := arm64.NewBuilder(b.memory, b.frames, arm64.Paging{})
	if err != nil {
		b.note(err)
		return
	}
	for _, s := range w.image.Segments {
		pages := roundUp(s.FileEnd) - s.Start
		if pages == 0 {
			continue
		}
		rights := arm64.User
		if s.Writable {
			rights |= arm64.Write
		}
		if s.Executable {
			rights |= arm64.Execute
		}
		b.note(builder.Map(part(s.Start, pages), s.Start, rights, arm64.Granule4K))
	}
	b.note(builder.Map(stack, handoff.EntryStackTop-entryStack, arm64.Write|arm64.User, arm64.Granule4K))
	t.root4, t.root5 = builder.Paging().Root, builder.Paging().Root
	for _, table := range []*physmem.Address{&t.identity[0], &t.identity[1], &t.identity[2], &t.direct} {
		*table = b.newTable()
	}
	b.put(t.root4, 0, uint64(t.identity[0])|uint64(arm64.EntryPage))
	b.put(t.root4, int(handoff.DirectMapBase>>39&511), uint64(t.direct)|uint64(arm64.EntryPage))
}
