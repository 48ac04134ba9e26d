package bootimage

import (
	"encoding/binary"
	"slices"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Numbers of a PE32+ file (Microsoft PE and COFF Specification, 2 to 6; what EFI
// takes of it: UEFI 2.10, 2.1.1).
const (
	peAlignment = 4096 // of sections, in the file and in memory

	peSignature      = 0x40
	peOptional       = peSignature + 24
	peOptionalSize   = 112 + 16*8
	peSections       = peOptional + peOptionalSize
	peSectionSize    = 40
	peMachineAMD64   = 0x8664
	peMachineARM64   = 0xaa64
	peExecutable     = 0x0002 | 0x0004 | 0x0008 | 0x0020 | 0x0200 // no line numbers, symbols, debug information; any address
	peMagic          = 0x20b                                      // PE32+
	peApplication    = 10                                         // subsystem
	peNoExecute      = 0x100                                      // data need not be executable
	peDirectoryBases = 5
	peRelocation64   = 10 // IMAGE_REL_BASED_DIR64

	peCode          = 0x00000020
	peData          = 0x00000040
	peUninitialized = 0x00000080
	peDiscardable   = 0x02000000
	peExecute       = 0x20000000
	peRead          = 0x40000000
	peWrite         = 0x80000000
)

// peSection is one section: [start, end) of what lies in memory, as offsets from
// the block.
type peSection struct {
	name       string
	start, end uint64
	flags      uint32
}

// encodePE makes the file. In it as in memory the headers come first and then, page
// by page, the payload, so that offsets in both are the same.
func (w *efiWriter) encodePE() []byte {
	l := &w.layout
	relocations := encodeRelocations(w.fixups)
	sections := []peSection{
		{".block", 0, l.code, peData | peRead | peWrite},
		{".text", l.code, l.stack, peCode | peRead | peExecute},
		{".data", l.stack, l.area, peData | peRead | peWrite},
		{".bss", l.area, l.end, peUninitialized | peRead | peWrite},
		{".reloc", l.end, l.end + uint64(len(relocations)), peData | peRead | peDiscardable},
	}
	file := make([]byte, efiHeaders, efiHeaders+int(l.area)+len(relocations)+peAlignment)
	w.putHeaders(file, sections)
	for i, s := range sections {
		h := file[peSections+i*peSectionSize:]
		copy(h[:8], s.name)
		order := binary.LittleEndian
		order.PutUint32(h[8:], uint32(s.end-s.start))
		order.PutUint32(h[12:], uint32(efiHeaders+s.start))
		order.PutUint32(h[36:], s.flags)
		switch {
		case s.flags&peUninitialized != 0:
		case s.start == l.end: // behind the payload, which has no area
			order.PutUint32(h[16:], uint32(roundUp(uint64(len(relocations)))))
			order.PutUint32(h[20:], uint32(efiHeaders+l.area))
		default:
			order.PutUint32(h[16:], uint32(s.end-s.start))
			order.PutUint32(h[20:], uint32(efiHeaders+s.start))
		}
	}
	file = append(append(file, w.payload...), relocations...)
	return append(file, make([]byte, -len(file)&(peAlignment-1))...)
}

// putHeaders writes what precedes the section table.
func (w *efiWriter) putHeaders(h []byte, sections []peSection) {
	l, order := &w.layout, binary.LittleEndian
	last := sections[len(sections)-1]
	machine := map[handoff.Architecture]uint16{handoff.AMD64: peMachineAMD64, handoff.ARM64: peMachineARM64}[w.image.Architecture]
	copy(h, "MZ")
	order.PutUint32(h[0x3c:], peSignature)
	copy(h[peSignature:], "PE\x00\x00")
	order.PutUint16(h[peSignature+4:], machine)
	order.PutUint16(h[peSignature+6:], uint16(len(sections)))
	order.PutUint16(h[peSignature+20:], peOptionalSize)
	order.PutUint16(h[peSignature+22:], peExecutable)

	o := h[peOptional:]
	order.PutUint16(o, peMagic)
	order.PutUint32(o[4:], uint32(l.stack-l.code))
	order.PutUint32(o[8:], uint32(l.area-l.stack+l.code))
	order.PutUint32(o[12:], uint32(l.end-l.area))
	order.PutUint32(o[16:], uint32(efiHeaders+l.code)) // the entry
	order.PutUint32(o[20:], uint32(efiHeaders+l.code))
	order.PutUint32(o[32:], peAlignment)
	order.PutUint32(o[36:], peAlignment)
	order.PutUint32(o[56:], uint32(efiHeaders+roundUp(last.end)))
	order.PutUint32(o[60:], efiHeaders)
	order.PutUint16(o[68:], peApplication)
	order.PutUint16(o[70:], peNoExecute)
	order.PutUint32(o[108:], 16) // directories
	directory := o[112+8*peDirectoryBases:]
	order.PutUint32(directory, uint32(efiHeaders+last.start))
	order.PutUint32(directory[4:], uint32(last.end-last.start))
}

// encodeRelocations is the contents of .reloc: for each page a header and a list of
// offsets in it (PE and COFF 5.6).
func encodeRelocations(fixups []uint64) []byte {
	fixups = slices.Clone(fixups)
	slices.Sort(fixups)
	order := binary.LittleEndian
	var all []byte
	for len(fixups) > 0 {
		page := fixups[0] &^ (peAlignment - 1)
		n := 0
		for n < len(fixups) && fixups[n] < page+peAlignment {
			n++
		}
		size := (8 + 2*n + 3) &^ 3
		all = order.AppendUint32(all, uint32(efiHeaders+page))
		all = order.AppendUint32(all, uint32(size))
		for _, f := range fixups[:n] {
			all = order.AppendUint16(all, peRelocation64<<12|uint16(f-page))
		}
		if n%2 != 0 {
			all = order.AppendUint16(all, 0)
		}
		fixups = fixups[n:]
	}
	return all
}
