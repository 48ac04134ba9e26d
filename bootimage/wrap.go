package bootimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrImage says that a file is not an image that package kernel can run.
var ErrImage = errors.New("not an image for package kernel")

// DefaultBase is where a wrapped image is loaded unless Options says otherwise.
const DefaultBase physmem.Address = 2 << 20

// firstMap is how much physical memory the prebuilt direct map has. The image
// must lie in it; package kernel maps the rest once it knows where RAM is.
const firstMap = 1 << 30

const entryStack = 4 * amd64.PageSize

// Options are what a wrapped image can be given. The zero value is useful.
type Options struct {
	// Base is the physical address that the image is loaded at, a multiple of
	// 4 KiB; 0 is DefaultBase. All of the wrapped image must end below 1 GiB.
	Base physmem.Address
}

// layout is where the parts of a wrapped image are, as offsets from its base.
type layout struct {
	block, boot, stub, stack, tables, image, end uint64
}

// Wrap reads an image and returns it as a bootable ELF file.
func Wrap(r io.ReaderAt, options Options) ([]byte, error) {
	i, err := readImage(r)
	if err != nil {
		return nil, err
	}
	base := options.Base
	if base == 0 {
		base = DefaultBase
	}
	if !base.IsAligned(amd64.PageSize) || base < 1<<20 || base >= firstMap {
		return nil, fmt.Errorf("wrap at %v: want a multiple of %#x in [1 MiB, 1 GiB)", base, amd64.PageSize)
	}
	// The tables' size does not depend on where they are.
	l := plan(i, 0)
	l = plan(i, uint64(len(build(i, base, l).data)))
	if uint64(base)+l.end > firstMap {
		return nil, fmt.Errorf("wrap at %v: %d bytes end above 1 GiB", base, l.end)
	}
	payload, err := i.payload(base, l)
	if err != nil {
		return nil, fmt.Errorf("wrap at %v: %w", base, err)
	}
	return encodeELF(uint64(base), payload, l.stub), nil
}

func plan(i *image, tables uint64) (l layout) {
	l.boot = amd64.PageSize
	l.stub = l.boot + handoff.BootAreaSize
	l.stack = l.stub + amd64.PageSize
	l.tables = l.stack + entryStack
	l.image = l.tables + tables
	l.end = l.image + uint64(len(i.data))
	return l
}

// build makes the page tables: see package handoff for their shape.
func build(i *image, base physmem.Address, l layout) *tables {
	at := func(offset uint64) physmem.Address { return base + physmem.Address(offset) }
	t := newTables(at(l.tables))
	for _, s := range i.segments {
		t.mapPages(s.start, at(l.image+s.start-i.linkBase), s.end-s.start, s.flags)
	}
	const data = amd64.EntryUser | amd64.EntryWritable | amd64.EntryNoExecute
	t.mapPages(handoff.EntryStackTop-entryStack, at(l.stack), entryStack, data)
	t.mapPages(uint64(at(l.stub)), at(l.stub), amd64.PageSize, 0)
	for pa := uint64(0); pa < firstMap; pa += amd64.PageSizeAt(amd64.LevelPDE) {
		t.set(handoff.DirectMapBase+pa, amd64.LevelPDE, amd64.Entry(pa)|pageEntry|data|amd64.EntryLarge)
	}
	return t
}

// payload is the bytes that are loaded at base.
func (i *image) payload(base physmem.Address, l layout) ([]byte, error) {
	t := build(i, base, l)
	root5 := l.tables + uint64(t.root5())
	if uint64(len(t.data)) > l.image-l.tables {
		grown := plan(i, uint64(len(t.data)))
		return i.payload(base, grown)
	}
	block := handoff.Block{
		Architecture:    handoff.AMD64,
		Role:            handoff.RoleHost,
		Reservation:     physmem.Range{Start: base, End: base + physmem.Address(l.end)},
		Image:           handoff.Image{Entry: i.entry, LinkBase: i.linkBase, FileEnd: i.fileEnd, MemoryEnd: i.memoryEnd},
		Tables:          handoff.Tables{Root4: l.tables, Root5: root5, Used: uint64(len(t.data))},
		TrampolineEntry: l.stub,
		Space: handoff.Space{
			StackTop: handoff.EntryStackTop, DirectMap: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + firstMap,
			Window: handoff.KernelBase, WindowEnd: handoff.KernelBase + handoff.WindowSlack,
		},
	}
	extent := func(offset, size uint64, access handoff.Access) handoff.Extent {
		return handoff.Extent{Offset: offset, Size: size, Access: access}
	}
	block.Parts[handoff.PartBlock] = extent(0, l.boot, 0)
	block.Parts[handoff.PartPanicArea] = extent(l.boot, handoff.BootAreaSize, handoff.AccessWrite)
	block.Parts[handoff.PartTrampoline] = extent(l.stub, amd64.PageSize, handoff.AccessExecute|handoff.AccessSupervisor|handoff.AccessIdentity)
	block.Parts[handoff.PartEntryStack] = extent(l.stack, entryStack, handoff.AccessWrite)
	block.Parts[handoff.PartTables] = extent(l.tables, uint64(len(t.data)), handoff.AccessWrite)
	block.Parts[handoff.PartImage] = extent(l.image, uint64(len(i.data)), handoff.AccessWrite)
	payload, err := block.AppendBinary(make([]byte, 0, l.end))
	if err != nil {
		return nil, err
	}
	s := stub{
		page: uint32(base) + uint32(l.stub), boot: uint32(base) + uint32(l.boot), block: uint32(base),
		root4: uint32(base) + uint32(l.tables), root5: uint32(base) + uint32(root5),
		entry: i.entry, stackTop: handoff.EntryStackTop, blockAlias: handoff.DirectMapBase + uint64(base),
	}
	payload = payload[:l.end]
	copy(payload[l.stub:], s.encode())
	copy(payload[l.tables:], t.data)
	copy(payload[l.image:], i.data)
	return payload, nil
}

// Sizes and types of the ELF file around the payload (gABI; PVH in Xen
// include/public/elfnote.h).
const (
	elfHeader     = 64
	elfProgram    = 56
	elfNoteOffset = elfHeader + 2*elfProgram
	elfData       = 4096

	notePhysicalEntry = 18 // XEN_ELFNOTE_PHYS32_ENTRY
)

// encodeELF makes an ELF64 file of one segment, loaded where it is linked, with
// both entries into the stub.
func encodeELF(base uint64, payload []byte, stub uint64) []byte {
	order := binary.LittleEndian
	note := order.AppendUint32(nil, 4) // name
	note = order.AppendUint32(note, 4) // descriptor
	note = order.AppendUint32(note, notePhysicalEntry)
	note = append(note, "Xen\x00"...)
	note = order.AppendUint32(note, uint32(base+stub+stub32))

	h := make([]byte, elfData, elfData+len(payload))
	copy(h, "\x7fELF\x02\x01\x01")
	order.PutUint16(h[16:], 2)  // ET_EXEC
	order.PutUint16(h[18:], 62) // EM_X86_64
	order.PutUint32(h[20:], 1)
	order.PutUint64(h[24:], base+stub+stub64)
	order.PutUint64(h[32:], elfHeader) // program headers
	order.PutUint16(h[52:], elfHeader)
	order.PutUint16(h[54:], elfProgram)
	order.PutUint16(h[56:], 2)
	program := func(p []byte, kind, flags uint32, offset, address, size, align uint64) {
		order.PutUint32(p, kind)
		order.PutUint32(p[4:], flags)
		for i, v := range []uint64{offset, address, address, size, size, align} {
			order.PutUint64(p[8+8*i:], v)
		}
	}
	program(h[elfHeader:], 1, 7, elfData, base, uint64(len(payload)), elfData)
	program(h[elfHeader+elfProgram:], 4, 4, elfNoteOffset, 0, uint64(len(note)), 4)
	copy(h[elfNoteOffset:], note)
	return append(h, payload...)
}
