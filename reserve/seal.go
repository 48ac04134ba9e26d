package reserve

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// build makes the trampoline and the page tables, which need all addresses.
func (p *planner) build() error {
	b := &p.plan.block
	tables := make([]byte, b.Parts[handoff.PartTables].Size)
	if err := p.buildTables(tables); err != nil {
		return err
	}
	p.plan.content[handoff.PartTables] = tables
	b.Tables.Used = uint64(len(tables))
	return p.buildTrampoline()
}

func (p *planner) buildTrampoline() error {
	b := &p.plan.block
	code, data := b.Parts[handoff.PartTrampoline], b.Parts[handoff.PartTrampolineRAM]
	codeSize, dataSize, _ := p.Trampoline.Sizes()
	at := func(offset uint64) physmem.Address { return p.Reservation.Start + physmem.Address(offset) }
	addresses := TrampolineAddresses{
		Code: at(code.Offset), Data: at(data.Offset), StackTop: at(data.End()),
		Root4: at(b.Tables.Root4), Block: at(0), BlockVirtual: handoff.DirectMapBase + uint64(at(0)),
		Entry: b.Image.Entry, EntryStack: b.Space.StackTop,
	}
	if b.Tables.Root5 != 0 {
		addresses.Root5 = at(b.Tables.Root5)
	}
	codeBytes, dataBytes, entry, err := p.Trampoline.Build(addresses)
	if err != nil {
		return fmt.Errorf("trampoline: %w", err)
	}
	if len(codeBytes) != codeSize || len(dataBytes) != dataSize || entry < 0 || entry >= max(codeSize, 1) {
		return fmt.Errorf("trampoline: %d bytes of code and %d of data, entry at %d; announced were %d and %d", len(codeBytes), len(dataBytes), entry, codeSize, dataSize)
	}
	// Sealed to the end of their pages: there, too, is code to the CPU.
	p.plan.content[handoff.PartTrampoline] = pad(codeBytes, code.Size)
	p.plan.content[handoff.PartTrampolineRAM] = pad(dataBytes, alignUp(uint64(dataSize), handoff.PageSize))
	b.Parts[handoff.PartTrampolineRAM].Length = uint32(len(p.plan.content[handoff.PartTrampolineRAM]))
	b.TrampolineEntry = code.Offset + uint64(entry)
	return nil
}

func pad(data []byte, size uint64) []byte {
	return append(data, make([]byte, size-uint64(len(data)))...)
}

// seal computes both stages' checksums and encodes the block. The digest of the
// dump parameters covers all sections before the digests, so it comes last.
func (p *planner) seal() error {
	b := &p.plan.block
	for _, part := range []handoff.Part{handoff.PartTrampoline, handoff.PartTrampolineRAM, handoff.PartTables, handoff.PartImage} {
		p.sealFirst(part)
	}
	for _, s := range p.Image.Segments {
		kind := handoff.DigestReadOnly
		switch {
		case s.Writable:
			continue
		case s.Executable:
			kind = handoff.DigestText
		}
		start, end := s.pages()
		base := b.Image.LinkBase
		p.sealSecond(handoff.PartImage, kind, start-base, p.plan.content[handoff.PartImage][start-base:end-base])
	}
	p.sealSecond(handoff.PartEnvironment, handoff.DigestEnvironment, 0, p.plan.content[handoff.PartEnvironment])
	p.sealSecond(handoff.PartMetadata, handoff.DigestMetadata, 0, p.plan.content[handoff.PartMetadata])
	parameters := b.ParametersLength()
	p.sealSecond(handoff.PartBlock, handoff.DigestParameters, handoff.HeaderLength, make([]byte, parameters))
	encoded, err := b.AppendBinary(nil)
	if err != nil {
		return err
	}
	last := &b.Digests[len(b.Digests)-1]
	last.SHA256 = sha256.Sum256(encoded[handoff.HeaderLength:][:parameters])
	p.plan.content[handoff.PartBlock], err = b.AppendBinary(nil)
	return err
}

func (p *planner) sealFirst(part handoff.Part) {
	sealed := p.plan.content[part]
	if len(sealed) == 0 {
		return
	}
	b := &p.plan.block
	crc := crc32.Checksum(sealed, crc32.MakeTable(crc32.Castagnoli))
	b.Seals = append(b.Seals, handoff.Seal{Part: part, Offset: b.Parts[part].Offset, Length: uint64(len(sealed)), CRC: crc})
}

// sealSecond adds the digest of bytes that lie at an offset in a part.
func (p *planner) sealSecond(part handoff.Part, kind handoff.DigestKind, offset uint64, sealed []byte) {
	if len(sealed) == 0 {
		return
	}
	b := &p.plan.block
	b.Digests = append(b.Digests, handoff.Digest{
		Part: part, Kind: kind, Offset: b.Parts[part].Offset + offset, Length: uint64(len(sealed)), SHA256: sha256.Sum256(sealed),
	})
}
