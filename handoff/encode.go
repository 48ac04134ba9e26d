package handoff

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Section types. A reader skips types it does not know in a block of a newer
// minor version, unless sectionRequired is set.
const (
	sectionEnd           = 0
	sectionHost          = 1
	sectionDumpAvail     = 2
	sectionBitmap        = 3
	sectionMessageBuffer = 4
	sectionMemory        = 5
	sectionRedactions    = 6
	sectionTargets       = 7
	sectionFirmware      = 8
	sectionDigests       = 9 // comes last: DigestParameters ends where it begins
	sectionPCI           = 10
	sectionInterrupts    = 11

	sectionRequired   = 1 << 31
	sectionHeaderSize = 8 // u32 type, u32 bytes of payload; the payload is padded to 8
)

// castagnoli is CRC-32C, which both architectures have an instruction for and
// which all first-stage seals use.
func castagnoli(p []byte) uint32 { return crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)) }

// AppendBinary appends the block in the form that Parse reads: the header,
// the sections, and zeros up to the size of PartBlock. The same block gives
// the same bytes.
func (b *Block) AppendBinary(dst []byte) ([]byte, error) {
	if err := b.validate(); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, make([]byte, HeaderLength)...)
	dst, sections := b.appendSections(dst, start)
	length := len(dst) - start
	size := b.Parts[PartBlock].Size
	if size > MaxBlockLength || uint64(length) > size {
		return dst[:start], invalid("length", "%d bytes do not fit the part of %d (at most %d)", length, size, MaxBlockLength)
	}
	dst = append(dst, make([]byte, int(size)-length)...)
	block := dst[start:]
	b.putHeader(block, sections)
	b.putSeals(block)
	binary.LittleEndian.PutUint32(block[OffsetHeaderCRC:], headerCRC(block[:HeaderLength]))
	return dst, nil
}

// EncodedLength is the number of bytes that AppendBinary needs at least.
func (b *Block) EncodedLength() uint64 {
	sections, _ := b.appendSections(nil, 0)
	return HeaderLength + uint64(len(sections))
}

// headerCRC is CRC-32C over the header without the checksum's own bytes.
func headerCRC(header []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, table, header[:OffsetHeaderCRC])
	return crc32.Update(crc, table, header[OffsetHeaderCRC+4:])
}

func (b *Block) putHeader(h []byte, sections int) {
	u32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(h[at:], v) }
	u64 := func(at int, v uint64) { binary.LittleEndian.PutUint64(h[at:], v) }
	u64(OffsetMagic, Magic)
	u32(OffsetVersionMajor, VersionMajor|VersionMinor<<16)
	u32(OffsetHeaderLength, HeaderLength)
	u32(OffsetTotalLength, uint32(len(h)))
	u32(OffsetArchitecture, uint32(b.Architecture))
	u32(OffsetRole, uint32(b.Role))
	u64(OffsetReservation, uint64(b.Reservation.Start))
	u64(OffsetSize, b.Reservation.Size())
	u64(OffsetEntry, b.Image.Entry)
	u64(OffsetLinkBase, b.Image.LinkBase)
	u64(OffsetFileEnd, b.Image.FileEnd)
	u64(OffsetMemoryEnd, b.Image.MemoryEnd)
	u64(OffsetRoot4, b.Tables.Root4)
	u64(OffsetRoot5, b.Tables.Root5)
	u64(OffsetTablesUsed, b.Tables.Used)
	u64(OffsetStackTop, b.Space.StackTop)
	u64(OffsetTrampoline, b.TrampolineEntry)
	u64(OffsetDirectMap, b.Space.DirectMap)
	u64(OffsetDirectMapEnd, b.Space.DirectMapEnd)
	u64(OffsetWindow, b.Space.Window)
	u64(OffsetWindowEnd, b.Space.WindowEnd)
	u64(OffsetMemoryLimit, b.Limits.Memory)
	u32(OffsetGCPercent, b.Limits.GCPercent)
	u32(OffsetZstdWindow, b.Limits.ZstdWindow)
	u32(OffsetCPUs, b.CPUs)
	u32(OffsetPagingLevels, b.PagingLevels)
	u64(OffsetTSCKilohertz, b.Clock.Kilohertz)
	u64(OffsetTSC, b.Clock.Counter)
	u64(OffsetWallClock, uint64(b.Clock.Wall))
	copy(h[OffsetSeed:], b.Seed[:])
	u64(OffsetConsole, uint64(b.Calls.Console))
	u32(OffsetConduit, uint32(b.Calls.Conduit))
	u32(OffsetSectionCount, uint32(sections))
	for p, extent := range b.Parts {
		slot := Part(p).slot()
		u64(slot+OffsetPartOffset, extent.Offset)
		u64(slot+OffsetPartSize, extent.Size)
		u32(slot+OffsetPartLength, extent.Length)
		u32(slot+OffsetPartAccess, uint32(extent.Access))
	}
}

// putSeals writes the seal of the block's own sections and the others.
func (b *Block) putSeals(block []byte) {
	body := block[HeaderLength:]
	own := Seal{PartBlock, b.Parts[PartBlock].Offset + HeaderLength, uint64(len(body)), castagnoli(body)}
	binary.LittleEndian.PutUint32(block[OffsetSealCount:], uint32(len(b.Seals)+1))
	for i, seal := range append([]Seal{own}, b.Seals...) {
		slot := block[OffsetSeals+i*SealSlotSize:]
		binary.LittleEndian.PutUint64(slot[OffsetSealOffset:], seal.Offset)
		binary.LittleEndian.PutUint64(slot[OffsetSealLength:], seal.Length)
		binary.LittleEndian.PutUint32(slot[OffsetSealCRC:], seal.CRC)
		binary.LittleEndian.PutUint32(slot[OffsetSealPart:], uint32(seal.Part))
	}
}

// appendSections appends every section that has something to say.
func (b *Block) appendSections(dst []byte, start int) ([]byte, int) {
	e := &encoder{data: dst, start: start}
	e.section(sectionHost, b.Host != Host{}, func() { e.host(&b.Host) })
	for _, s := range []struct {
		kind   uint32
		region *Region
	}{{sectionDumpAvail, &b.DumpAvail}, {sectionBitmap, &b.Bitmap}, {sectionMessageBuffer, &b.MessageBuffer}} {
		e.section(s.kind, s.region.Length != 0 || len(s.region.Extents) != 0, func() {
			e.u64(s.region.Length)
			e.ranges(s.region.Extents)
		})
	}
	e.section(sectionMemory, len(b.Memory) != 0, func() { e.ranges(b.Memory) })
	e.section(sectionRedactions, len(b.Redactions) != 0, func() { e.ranges(b.Redactions) })
	e.section(sectionTargets, len(b.Targets) != 0, func() {
		e.count(len(b.Targets))
		for i := range b.Targets {
			e.target(&b.Targets[i])
		}
	})
	e.section(sectionFirmware, len(b.Firmware) != 0, func() {
		e.count(len(b.Firmware))
		for _, f := range b.Firmware {
			e.u32(uint32(f.Kind), f.Version, f.EntrySize, 0)
			e.u64(f.Offset, f.Length, uint64(f.Address))
		}
	})
	e.section(sectionPCI, len(b.PCI) != 0, func() { e.pci(b.PCI) })
	e.section(sectionInterrupts, len(b.Interrupts) != 0, func() { e.interrupts(b.Interrupts) })
	e.section(sectionDigests, len(b.Digests) != 0, func() {
		e.count(len(b.Digests))
		for _, d := range b.Digests {
			e.u32(uint32(d.Part), uint32(d.Kind))
			e.u64(d.Offset, d.Length)
			e.data = append(e.data, d.SHA256[:]...)
		}
	})
	return e.data, e.sections
}

// ParametersLength is the number of bytes of the block, counted from
// HeaderLength on, that DigestParameters covers: all sections but the digests.
func (b *Block) ParametersLength() uint64 {
	without := *b
	without.Digests = nil
	return without.EncodedLength() - HeaderLength
}

// encoder appends fields; start is where the block begins.
type encoder struct {
	data     []byte
	start    int
	sections int
}

func (e *encoder) section(kind uint32, present bool, payload func()) {
	if !present {
		return
	}
	header := len(e.data)
	e.u32(kind, 0)
	payload()
	binary.LittleEndian.PutUint32(e.data[header+4:], uint32(len(e.data)-header-sectionHeaderSize))
	for (len(e.data)-e.start)%8 != 0 {
		e.data = append(e.data, 0)
	}
	e.sections++
}

func (e *encoder) u32(values ...uint32) {
	for _, v := range values {
		e.data = binary.LittleEndian.AppendUint32(e.data, v)
	}
}

func (e *encoder) u64(values ...uint64) {
	for _, v := range values {
		e.data = binary.LittleEndian.AppendUint64(e.data, v)
	}
}

// count writes the length of a list, and pads so that its entries are aligned.
func (e *encoder) count(n int) { e.u32(uint32(n), 0) }

func (e *encoder) ranges(ranges []physmem.Range) {
	e.count(len(ranges))
	for _, r := range ranges {
		e.u64(uint64(r.Start), r.Size())
	}
}

func (e *encoder) text(texts ...string) {
	for _, text := range texts {
		e.data = append(e.data, byte(len(text)))
		e.data = append(e.data, text...)
	}
}

func (e *encoder) host(h *Host) {
	e.u32(h.PageSize, h.CPUs)
	e.u64(h.KernelBase, h.KernelEnd, h.DirectMapBase, h.DirectMapEnd, h.DirectMapPhysical)
	e.text(h.Name, h.Version, h.BuildID, h.Architecture)
}

func (e *encoder) target(t *Target) {
	e.u32(uint32(t.Kind), uint32(t.Bus))
	e.u64(t.Address, t.DeviceSize, t.Start, t.Length)
	e.data = append(e.data, t.Label[:]...)
	e.u32(t.Flags, t.Speed)
}
