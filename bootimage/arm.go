package bootimage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// DefaultBaseARM64 is where an arm64 Image is loaded unless Options says
// otherwise: RAM of the virt machines that are common begins at 1 GiB.
const DefaultBaseARM64 physmem.Address = 1<<30 + 2<<20

// ARM64HeaderSize is how much of an Image its header takes: a page. The boot
// block comes behind it.
const ARM64HeaderSize = arm64.Granule4K

// Fields of the header of an Image (Linux Documentation/arch/arm64/booting.rst).
const (
	armHeader      = ARM64HeaderSize
	armTextOffset  = 8  // u64
	armImageSize   = 16 // u64
	armFlags       = 24 // u64
	armMagicOffset = 56
	armFlagPages4K = 1 << 1 // little-endian, and not anywhere in memory
	armMagic       = "ARM\x64"
)

// wrapARM64 makes an Image. Loaders put it at the beginning of RAM plus its
// text_offset. The page tables hold physical addresses, so the stub goes on only
// where the image was wrapped for; elsewhere it stops.
func wrapARM64(image *reserve.Image, options Options) ([]byte, error) {
	base := options.Base
	if base == 0 {
		base = DefaultBaseARM64
	}
	if !base.IsAligned(arm64.Granule4K) || uint64(base) >= handoff.DirectMapLimit-firstMap {
		return nil, fmt.Errorf("wrap at %v: %w: want a multiple of %#x below 16 TiB", base, ErrBase, arm64.Granule4K)
	}
	data, err := image.Bytes()
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	block := base + armHeader
	tables, _, err := buildTablesARM64(image, block, plan(0, 0, 0))
	if err != nil {
		return nil, fmt.Errorf("wrap at %v: %w", base, err)
	}
	l := plan(uint64(len(tables)), uint64(len(data)), uint64(len(options.Module)))
	if end := uint64(base) + armHeader + l.end; end > firstEnd(base) {
		return nil, fmt.Errorf("wrap at %v: %w: it ends at %#x, in another GiB", base, ErrBase, end)
	}
	payload, err := encodeARM64(image, data, options.Module, block, l)
	if err != nil {
		return nil, fmt.Errorf("wrap at %v: %w", base, err)
	}
	header := make([]byte, armHeader, armHeader+len(payload))
	order := binary.LittleEndian
	order.PutUint32(header, 0x14000000|uint32(armHeader+l.stub+trampoline.ARM64Free)/4) // B to the stub
	order.PutUint64(header[armTextOffset:], uint64(base)%firstMap)
	order.PutUint64(header[armImageSize:], armHeader+l.end)
	order.PutUint64(header[armFlags:], armFlagPages4K)
	copy(header[armMagicOffset:], armMagic)
	return append(header, payload...), nil
}

// firstEnd is the end of what the prebuilt direct map of an image at base has.
func firstEnd(base physmem.Address) uint64 { return uint64(base.AlignDown(firstMap)) + firstMap }

// buildTablesARM64 is buildTables for arm64.
func buildTablesARM64(image *reserve.Image, base physmem.Address, l layout) ([]byte, uint64, error) {
	at := func(offset, size uint64) physmem.Range {
		start := base + physmem.Address(offset)
		return physmem.Range{Start: start, End: start + physmem.Address(size)}
	}
	where := at(l.tables, mostTables)
	memory := physmem.NewSparse(physmem.NewRanges(where))
	frames := &allocator{where.Start, where.End}
	b, err := arm64.NewBuilder(memory, frames, arm64.Paging{})
	if err != nil {
		return nil, 0, err
	}
	for _, s := range image.Segments {
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
		err = errors.Join(err, b.Map(at(l.image+s.Start-image.Layout().LinkBase, pages), s.Start, rights, arm64.Granule4K))
	}
	end := physmem.Address(firstEnd(base))
	err = errors.Join(err,
		b.Map(at(l.stack, entryStack), handoff.EntryStackTop-entryStack, arm64.Write|arm64.User, arm64.Granule4K),
		b.MapIdentity(at(l.stub, arm64.Granule4K), arm64.Execute, arm64.Granule4K),
		b.Map(physmem.Range{Start: end - firstMap, End: end}, handoff.DirectMapBase+uint64(end)-firstMap, arm64.Write|arm64.User, largest))
	if err != nil {
		return nil, 0, err
	}
	tables := make([]byte, frames.next-where.Start)
	if _, err := memory.ReadPhysical(tables, where.Start); err != nil {
		return nil, 0, err
	}
	return tables, uint64(b.Paging().Root - base), nil
}

// encodeARM64 returns the bytes behind the header: block, stub, tables, image.
func encodeARM64(image *reserve.Image, data, module []byte, base physmem.Address, l layout) ([]byte, error) {
	tables, root, err := buildTablesARM64(image, base, l)
	if err != nil {
		return nil, err
	}
	block := describe(image, base, l, roots{four: root})
	block.Architecture = handoff.ARM64
	block.Space.DirectMapEnd = handoff.DirectMapBase + firstEnd(base)
	if len(module) > 0 {
		block.Parts[handoff.PartMetadata] = handoff.Extent{Offset: l.module, Size: l.end - l.module, Length: uint32(len(module))}
	}
	payload, err := block.AppendBinary(make([]byte, 0, l.end))
	if err != nil {
		return nil, err
	}
	page := base + physmem.Address(l.stub)
	stub, err := trampoline.PatchARM64(trampoline.ARM64{
		Page: page, Root: base + physmem.Address(root), Entry: image.Entry, EntryStack: handoff.EntryStackTop,
		Block: base, BlockVA: handoff.DirectMapBase + uint64(base),
	})
	if err != nil {
		return nil, err
	}
	putStubARM64(stub, page, base+physmem.Address(l.boot))
	payload = payload[:l.end]
	copy(payload[l.stub:], stub)
	copy(payload[l.tables:], tables)
	copy(payload[l.image:], data)
	copy(payload[l.module:], module)
	return payload, nil
}

// putStubARM64 writes the entry into the free place of the trampoline's page: it
// fills in the boot area and goes on as a hand-off. It is entered at EL1 or EL2
// with the MMU off and X0 the address of the device tree.
func putStubARM64(page []byte, at, boot physmem.Address) {
	const literals = trampoline.ARM64Free + 0x80
	order := binary.LittleEndian
	code := page[trampoline.ARM64Free:trampoline.ARM64Free]
	emit := func(word uint32) { code = order.AppendUint32(code, word) }
	here := func() int { return trampoline.ARM64Free + len(code) }
	literal := func(register uint32, offset int) { // LDR Xn, the literal
		emit(0x58000000 | uint32(offset-here())/4<<5 | register)
	}
	emit(0xd5033fdf)                              // ISB
	emit(0xd53be041)                              // MRS X1, CNTVCT_EL0
	literal(2, literals)                          // X2: the boot area
	literal(3, literals+8)                        // X3: where this page should be
	emit(0x10000004)                              // ADR X4, this instruction
	emit(0x9274cc84)                              // AND X4, X4, #~0xfff
	emit(0xeb03009f)                              // CMP X4, X3
	emit(0x54000041)                              // B.NE 8 bytes on
	emit(0x14000003)                              // B 12 bytes on
	emit(0xd503205f)                              // WFE
	emit(0x17ffffff)                              // B to it: the image is where it cannot run
	emit(0x52800003 | uint32(handoff.BootFDT)<<5) // MOV W3, #BootFDT
	emit(0xb9000043 | handoff.BootOffsetProtocol/4<<10)
	emit(0xf9000040 | handoff.BootOffsetPointer/8<<10) // STR X0
	emit(0xf9000041 | handoff.BootOffsetTime/8<<10)    // STR X1
	emit(0xd5033f9f)                                   // DSB SY
	emit(0xd5087622)                                   // DC IVAC, X2: the loader may have left a line there
	emit(0xd5033f9f)                                   // DSB SY
	emit(0x14000000 | uint32(trampoline.FreezePoint-here())/4&0x3ffffff)
	order.PutUint64(page[literals:], uint64(boot))
	order.PutUint64(page[literals+8:], uint64(at))
}
