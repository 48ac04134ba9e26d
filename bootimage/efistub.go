package bootimage

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// Fields of the code's page, by offset, u64 each where it does not say otherwise.
// internal/source has the same numbers. Those that are addresses are moved by the
// firmware with the image.
const (
	efiArea       = 0x800
	efiBoot       = 0x808
	efiBlock      = 0x810
	efiLast       = 0x818 // the image's last byte
	efiRoot4      = 0x820
	efiRoot5      = 0x828
	efiIdentity   = 0x830 // three
	efiEntry      = 0x848 // amd64
	efiTrampoline = 0x848 // arm64: package trampoline's page
	efiStack      = 0x850 // amd64
	efiDirect     = 0x858
	efiSpare      = 0x860 // amd64: two
	efiAttributes = 0x860 // arm64: of entries of 1 GiB in the direct map
	efiPage       = 0x868 // arm64: of the trampoline's page
	efiDirectBase = 0x870 // amd64
	efiGUID       = 0x880 // 16 bytes
	efiMessage    = 0x890 // UCS-2
	efiGDTR       = 0x96e // amd64: u16 limit, then u64 base, aligned
	efiCapacity   = 0x988
	efiTable      = 0x9a0 // amd64: descriptors
)

// loadedImageGUID is EFI_LOADED_IMAGE_PROTOCOL_GUID (UEFI 2.10, 9.1):
// 5b1b31a1-9562-11d2-8e3f-00a0c969723b.
const loadedImageGUID = "\xa1\x31\x1b\x5b\x62\x95\xd2\x11\x8e\x3f\x00\xa0\xc9\x69\x72\x3b"

// efiRefusal is what firmware prints where the image cannot go on.
const efiRefusal = "rescue: no memory map, or loaded above 512 GiB; not started\r\n"

// putCode puts the entry's page in, and what it jumps to.
func (w *efiWriter) putCode(tables *efiTables) error {
	l := &w.layout
	page := w.payload[l.code:][:amd64.PageSize]
	code := map[handoff.Architecture]string{handoff.AMD64: efiCodeAMD64, handoff.ARM64: efiCodeARM64}[w.image.Architecture]
	if len(code) > efiArea {
		return fmt.Errorf("the code of %d bytes reaches into its fields", len(code))
	}
	copy(page, code)
	copy(page[efiGUID:], loadedImageGUID)
	for i, unit := range utf16.Encode([]rune(efiRefusal + "\x00")) {
		binary.LittleEndian.PutUint16(page[efiMessage+2*i:], unit)
	}
	w.address(efiArea, efiBase+physmem.Address(l.area))
	w.address(efiBoot, efiBase+physmem.Address(l.boot))
	w.address(efiBlock, efiBase)
	w.address(efiLast, efiBase+physmem.Address(l.end-1))
	w.address(efiRoot4, tables.root4)
	w.address(efiRoot5, tables.root5)
	for i, table := range tables.identity {
		w.address(efiIdentity+8*i, table)
	}
	w.address(efiDirect, tables.direct)
	w.number(efiCapacity, handoff.EFIMaxMap)
	if w.image.Architecture == handoff.ARM64 {
		return w.putTrampoline(tables)
	}
	w.address(efiSpare, tables.spare[0])
	w.address(efiSpare+8, tables.spare[1])
	w.number(efiEntry, w.image.Entry)
	w.number(efiStack, handoff.EntryStackTop)
	w.number(efiDirectBase, handoff.DirectMapBase)
	w.number(efiTable+8, 0x00af9b000000ffff) // selector 8: 64-bit code, ring 0, accessed
	binary.LittleEndian.PutUint16(page[efiGDTR:], 15)
	w.address(efiGDTR+2, efiBase+physmem.Address(l.code+efiTable))
	return nil
}

// number sets a field of the code's page.
func (w *efiWriter) number(field int, v uint64) {
	binary.LittleEndian.PutUint64(w.payload[w.layout.code+uint64(field):], v)
}

// address sets a field that is an address in the image.
func (w *efiWriter) address(field int, v physmem.Address) {
	w.number(field, uint64(v))
	w.fixups = append(w.fixups, w.layout.code+uint64(field))
}

// Attributes of arm64's entries that the code makes: as package kernel has them.
const (
	efiNormal      = arm64.EntryValid | arm64.EntryAF | arm64.EntryNG | arm64.EntryInnerShareable // index 0 of MAIR
	efiBlockRights = efiNormal | arm64.EntryUser | arm64.EntryPXN | arm64.EntryUXN
	efiPageRights  = efiNormal | arm64.EntryPage | arm64.EntryRO | arm64.EntryUXN
)

// putTrampoline puts package trampoline's page in: what leaves a host for a rescue
// program leaves firmware for a host.
func (w *efiWriter) putTrampoline(tables *efiTables) error {
	page := efiBase + physmem.Address(w.layout.stub)
	code, err := trampoline.PatchARM64(trampoline.ARM64{
		Page: page, Root: tables.root4, Entry: w.image.Entry, EntryStack: handoff.EntryStackTop,
		Block: efiBase, BlockVA: handoff.DirectMapBase + uint64(efiBase),
	})
	if err != nil {
		return err
	}
	copy(w.payload[w.layout.stub:], code)
	for _, field := range trampoline.ARM64Addresses() {
		w.fixups = append(w.fixups, w.layout.stub+uint64(field))
	}
	w.address(efiTrampoline, page)
	w.number(efiAttributes, uint64(efiBlockRights))
	w.number(efiPage, uint64(efiPageRights))
	return nil
}
