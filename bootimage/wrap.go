package bootimage

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// ErrImage says that a file is not an image that package kernel can run.
var ErrImage = reserve.ErrImage

// ErrBase says that an image cannot be loaded where Options wants it.
var ErrBase = errors.New("not an address for a boot image")

// ErrOption says that an option is not one that an image can have.
var ErrOption = errors.New("option out of range")

// DefaultBase is where a wrapped image is loaded unless Options says otherwise.
const DefaultBase physmem.Address = 2 << 20

// firstMap is how much physical memory the prebuilt direct map has. A wrapped
// image must lie in it.
const firstMap = 1 << 30

const entryStack = 4 * amd64.PageSize

// Options are what a wrapped image can be given. The zero value is useful.
type Options struct {
	// Base is the physical address that the image is loaded at, a multiple of
	// 4 KiB; 0 is DefaultBase or DefaultBaseARM64. On amd64 it is 1 MiB or
	// more, and all of the wrapped image must end below 1 GiB; on arm64 all of
	// it must lie in one GiB of RAM that begins at a multiple of 1 GiB.
	Base physmem.Address

	// Module is a file that the program finds as its first boot module, before
	// those of the boot loader: its rescue image, say. Empty: there is none.
	Module []byte
}

// layout is where the parts of a wrapped image are, as offsets from its base.
type layout struct {
	boot, stub, stack, tables, image, module, end uint64
}

func plan(tables, image, module uint64) (l layout) {
	l.boot = amd64.PageSize // after the block
	l.stub = l.boot + handoff.BootAreaSize
	l.stack = l.stub + amd64.PageSize
	l.tables = l.stack + entryStack
	l.image = l.tables + tables
	l.module = l.image + image
	l.end = l.module + roundUp(module)
	return l
}

// Wrap reads an image and returns it as a file that boots: an ELF file for amd64,
// an Image for arm64. It reads r to the end of the image's last segment.
func Wrap(r io.ReaderAt, options Options) ([]byte, error) {
	image, err := reserve.OpenImage(r)
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	if image.Architecture == handoff.ARM64 {
		return wrapARM64(image, options)
	}
	base := options.Base
	if base == 0 {
		base = DefaultBase
	}
	if !base.IsAligned(amd64.PageSize) || base < 1<<20 || base >= firstMap {
		return nil, fmt.Errorf("wrap at %v: %w: want a multiple of %#x in [1 MiB, 1 GiB)", base, ErrBase, amd64.PageSize)
	}
	data, err := image.Bytes()
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	tables, _, err := buildTables(image, base, plan(0, 0, 0))
	if err != nil {
		return nil, fmt.Errorf("wrap at %v: %w", base, err)
	}
	l := plan(uint64(len(tables)), uint64(len(data)), uint64(len(options.Module)))
	if uint64(base)+l.end > firstMap {
		return nil, fmt.Errorf("wrap at %v: %w: %#x bytes end above 1 GiB", base, ErrBase, l.end)
	}
	payload, err := encode(image, data, options.Module, base, l)
	if err != nil {
		return nil, fmt.Errorf("wrap at %v: %w", base, err)
	}
	stub := uint64(base) + l.stub
	return encodeELF(uint64(base), payload, stub+stub64, stub+stub32), nil
}

// encode returns the bytes that are loaded at base.
func encode(image *reserve.Image, data, module []byte, base physmem.Address, l layout) ([]byte, error) {
	tables, roots, err := buildTables(image, base, l)
	if err != nil {
		return nil, err
	}
	block := describe(image, base, l, roots)
	if len(module) > 0 {
		block.Parts[handoff.PartMetadata] = handoff.Extent{Offset: l.module, Size: l.end - l.module, Length: uint32(len(module))}
	}
	payload, err := block.AppendBinary(make([]byte, 0, l.end))
	if err != nil {
		return nil, err
	}
	payload = payload[:l.end]
	s := stub{
		page: uint32(base) + uint32(l.stub), boot: uint32(base) + uint32(l.boot), block: uint32(base),
		root4: uint32(base) + uint32(roots.four), root5: uint32(base) + uint32(roots.five),
		entry: image.Entry, stackTop: handoff.EntryStackTop, blockAlias: handoff.DirectMapBase + uint64(base),
	}
	copy(payload[l.stub:], s.encode())
	copy(payload[l.tables:], tables)
	copy(payload[l.image:], data)
	copy(payload[l.module:], module)
	return payload, nil
}

// describe is the boot block.
func describe(image *reserve.Image, base physmem.Address, l layout, roots roots) *handoff.Block {
	tables := l.image - l.tables
	b := &handoff.Block{
		Architecture:    handoff.AMD64,
		Role:            handoff.RoleHost,
		Reservation:     physmem.Range{Start: base, End: base + physmem.Address(l.end)},
		Image:           image.Layout(),
		Tables:          handoff.Tables{Root4: roots.four, Root5: roots.five, Used: tables},
		TrampolineEntry: l.stub,
		Space: handoff.Space{
			StackTop: handoff.EntryStackTop, DirectMap: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + firstMap,
			Window: handoff.KernelBase, WindowEnd: handoff.KernelBase + handoff.WindowSlack,
		},
	}
	set := func(part handoff.Part, offset, size uint64, access handoff.Access) {
		b.Parts[part] = handoff.Extent{Offset: offset, Size: size, Access: access}
	}
	set(handoff.PartBlock, 0, l.boot, 0)
	set(handoff.PartPanicArea, l.boot, handoff.BootAreaSize, handoff.AccessWrite)
	set(handoff.PartTrampoline, l.stub, amd64.PageSize, handoff.AccessExecute|handoff.AccessSupervisor|handoff.AccessIdentity)
	set(handoff.PartEntryStack, l.stack, entryStack, handoff.AccessWrite)
	set(handoff.PartTables, l.tables, tables, handoff.AccessWrite)
	set(handoff.PartImage, l.image, l.module-l.image, handoff.AccessWrite)
	return b
}
