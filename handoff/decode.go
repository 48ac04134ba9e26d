package handoff

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Parse reads a block from the bytes at the start of a reservation; what
// follows the block is ignored. It checks both of the block's checksums and
// every value: what it returns can be relied on, but for the contents of the
// parts, which their seals tell. Errors are *BlockError.
func Parse(data []byte) (*Block, error) {
	header, total, err := parseLengths(data)
	if err != nil {
		return nil, err
	}
	b := &Block{Minor: binary.LittleEndian.Uint16(header[OffsetVersionMinor:])}
	b.parseHeader(header)
	if size := b.Parts[PartBlock].Size; size != uint64(total) {
		return nil, invalid("total length", "%#x, the part has %#x", total, size)
	}
	if err := b.parseSeals(header, data[len(header):total]); err != nil {
		return nil, err
	}
	count := binary.LittleEndian.Uint32(header[OffsetSectionCount:])
	if err := b.parseSections(data[len(header):total], count); err != nil {
		return nil, err
	}
	if err := b.validate(); err != nil {
		return nil, err
	}
	return b, nil
}

// Length reads the total length from the first bytes of a block, so that its
// reader knows how much to read for Parse. It checks magic and version alone.
func Length(start []byte) (uint64, error) {
	if len(start) < HeaderLength {
		return 0, &BlockError{"header", fmt.Errorf("%d bytes: %w", len(start), ErrTruncated)}
	}
	if magic := binary.LittleEndian.Uint64(start[OffsetMagic:]); magic != Magic {
		return 0, &BlockError{"magic", fmt.Errorf("%#x, want %#x: %w", magic, Magic, ErrMagic)}
	}
	if major := binary.LittleEndian.Uint16(start[OffsetVersionMajor:]); major != VersionMajor {
		return 0, &BlockError{"version", fmt.Errorf("%d, want %d: %w", major, VersionMajor, ErrVersion)}
	}
	total := uint64(binary.LittleEndian.Uint32(start[OffsetTotalLength:]))
	if total < HeaderLength || total > MaxBlockLength {
		return 0, &BlockError{"total length", fmt.Errorf("%d, want %d to %d: %w", total, HeaderLength, MaxBlockLength, ErrTooLarge)}
	}
	return total, nil
}

// parseLengths checks all that must hold before anything else is looked at.
func parseLengths(data []byte) (header []byte, total int, err error) {
	length, err := Length(data)
	if err != nil {
		return nil, 0, err
	}
	if length > uint64(len(data)) {
		return nil, 0, &BlockError{"total length", fmt.Errorf("%d of %d bytes: %w", len(data), length, ErrTruncated)}
	}
	headerLength := binary.LittleEndian.Uint32(data[OffsetHeaderLength:])
	minor := binary.LittleEndian.Uint16(data[OffsetVersionMinor:])
	if headerLength < HeaderLength || uint64(headerLength) > length || headerLength%8 != 0 ||
		minor <= VersionMinor && headerLength != HeaderLength {
		return nil, 0, invalid("header length", "%d", headerLength)
	}
	header = data[:headerLength]
	if got, want := headerCRC(header), binary.LittleEndian.Uint32(header[OffsetHeaderCRC:]); got != want {
		return nil, 0, &BlockError{"header", fmt.Errorf("CRC-32C %#x, want %#x: %w", got, want, ErrChecksum)}
	}
	return header, int(length), nil
}

func (b *Block) parseHeader(h []byte) {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(h[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(h[at:]) }
	b.Architecture = Architecture(u32(OffsetArchitecture))
	b.Role = Role(u32(OffsetRole))
	// A range that wraps ends up empty, which validate refuses.
	start := physmem.Address(u64(OffsetReservation))
	b.Reservation, _ = physmem.NewRange(start, u64(OffsetSize))
	b.Image = Image{u64(OffsetEntry), u64(OffsetLinkBase), u64(OffsetFileEnd), u64(OffsetMemoryEnd)}
	b.Tables = Tables{u64(OffsetRoot4), u64(OffsetRoot5), u64(OffsetTablesUsed)}
	b.Space = Space{u64(OffsetStackTop), u64(OffsetDirectMap), u64(OffsetDirectMapEnd), u64(OffsetWindow), u64(OffsetWindowEnd)}
	b.Limits = Limits{u64(OffsetMemoryLimit), u32(OffsetGCPercent), u32(OffsetZstdWindow)}
	b.Clock = Clock{u64(OffsetTSCKilohertz), u64(OffsetTSC), int64(u64(OffsetWallClock))}
	b.TrampolineEntry = u64(OffsetTrampoline)
	b.CPUs = u32(OffsetCPUs)
	b.PagingLevels = u32(OffsetPagingLevels)
	copy(b.Seed[:], h[OffsetSeed:])
	b.Calls = FirmwareCalls{physmem.Address(u64(OffsetConsole)), Conduit(u32(OffsetConduit))}
	for p := range b.Parts {
		slot := Part(p).slot()
		b.Parts[p] = Extent{
			Offset: u64(slot + OffsetPartOffset),
			Size:   u64(slot + OffsetPartSize),
			Length: u32(slot + OffsetPartLength),
			Access: Access(u32(slot + OffsetPartAccess)),
		}
	}
}

// parseSeals reads the seal table and checks its first entry, the block's own.
func (b *Block) parseSeals(header, body []byte) error {
	count := binary.LittleEndian.Uint32(header[OffsetSealCount:])
	if count < 1 || count > MaxSeals {
		return invalid("seals", "%d, want 1 to %d", count, MaxSeals)
	}
	for i := range int(count) {
		slot := header[OffsetSeals+i*SealSlotSize:]
		seal := Seal{
			Offset: binary.LittleEndian.Uint64(slot[OffsetSealOffset:]),
			Length: binary.LittleEndian.Uint64(slot[OffsetSealLength:]),
			CRC:    binary.LittleEndian.Uint32(slot[OffsetSealCRC:]),
			Part:   Part(binary.LittleEndian.Uint32(slot[OffsetSealPart:])),
		}
		if i > 0 {
			b.Seals = append(b.Seals, seal)
			continue
		}
		own := b.Parts[PartBlock].Offset + uint64(len(header))
		if seal.Part != PartBlock || seal.Offset != own || seal.Length != uint64(len(body)) {
			return invalid("seal of the sections", "%v at %#x, %d bytes; want %#x, %d bytes", seal.Part, seal.Offset, seal.Length, own, len(body))
		}
		if got := castagnoli(body); got != seal.CRC {
			return &BlockError{"sections", fmt.Errorf("CRC-32C %#x, want %#x: %w", got, seal.CRC, ErrChecksum)}
		}
	}
	return nil
}

func (b *Block) parseSections(body []byte, count uint32) error {
	var seen uint32
	for i := range count {
		if len(body) < sectionHeaderSize {
			return &BlockError{"sections", fmt.Errorf("%d of %d: %w", i, count, ErrTruncated)}
		}
		kind := binary.LittleEndian.Uint32(body)
		length := uint64(binary.LittleEndian.Uint32(body[4:]))
		body = body[sectionHeaderSize:]
		if length > uint64(len(body)) {
			return &BlockError{sectionName(kind), fmt.Errorf("%d of %d bytes: %w", len(body), length, ErrTruncated)}
		}
		if kind < 32 {
			if seen&(1<<kind) != 0 {
				return invalid(sectionName(kind), "there are two")
			}
			seen |= 1 << kind
		}
		if err := b.parseSection(kind, body[:length]); err != nil {
			return err
		}
		body = body[min((length+7)&^7, uint64(len(body))):]
	}
	for _, c := range body {
		if c != 0 {
			return invalid("padding", "it is not zero")
		}
	}
	return nil
}

func (b *Block) parseSection(kind uint32, payload []byte) error {
	newer := b.Minor > VersionMinor
	d := &decoder{data: payload}
	switch kind {
	case sectionHost:
		b.Host = d.host()
	case sectionDumpAvail:
		b.DumpAvail = d.region()
	case sectionBitmap:
		b.Bitmap = d.region()
	case sectionMessageBuffer:
		b.MessageBuffer = d.region()
	case sectionMemory:
		b.Memory = d.ranges(MaxRanges)
	case sectionRedactions:
		b.Redactions = d.ranges(MaxRanges)
	case sectionTargets:
		b.Targets = decodeList(d, MaxTargets, (*decoder).target)
	case sectionFirmware:
		b.Firmware = decodeList(d, MaxFirmware, (*decoder).firmware)
	case sectionPCI:
		b.PCI = decodeList(d, MaxPCI, (*decoder).pci)
	case sectionInterrupts:
		b.Interrupts = decodeList(d, MaxInterruptTables, (*decoder).interruptTable)
	case sectionDigests:
		b.Digests = decodeList(d, MaxDigests, (*decoder).digest)
	default:
		if newer && kind&sectionRequired == 0 {
			return nil
		}
		return invalid(sectionName(kind), "unknown in version %d.%d", VersionMajor, VersionMinor)
	}
	if d.err == nil && len(d.data) != 0 && !newer {
		d.err = fmt.Errorf("%w: %d bytes too many", ErrInvalid, len(d.data))
	}
	if d.err != nil {
		return &BlockError{sectionName(kind), d.err}
	}
	return nil
}

func sectionName(kind uint32) string {
	names := [...]string{"end", "host", "dump_avail", "bitmap", "message buffer", "memory", "redactions", "targets", "firmware", "digests", "PCI", "interrupt tables"}
	if uint64(kind) < uint64(len(names)) {
		return names[kind]
	}
	return fmt.Sprintf("section %#x", kind)
}
