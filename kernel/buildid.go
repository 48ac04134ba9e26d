package kernel

import (
	"encoding/binary"
	"encoding/hex"
)

// gnuBuildID finds the GNU build ID in the first page of an ELF64 file as it is
// loaded, in hexadecimal; empty if there is none in that page. page may be
// anything.
func gnuBuildID(page []byte) string {
	order := binary.LittleEndian
	const header, program, note = 64, 56, 4 // note: PT_NOTE
	if len(page) < header || string(page[:4]) != "\x7fELF" {
		return ""
	}
	count := int(order.Uint16(page[56:]))
	for i := range count {
		at := order.Uint64(page[32:]) + uint64(i)*program
		if at > uint64(len(page)-program) {
			return ""
		}
		p := page[at:]
		offset := order.Uint64(p[8:])
		if order.Uint32(p) != note || offset > uint64(len(page)) {
			continue
		}
		// Not only what the segment has: Go's linker puts its own note there and
		// GNU's right behind it, up to the end of the page (cmd/link, elf.go).
		if id := findNote(page[offset:]); id != "" {
			return id
		}
	}
	return ""
}

// findNote looks for NT_GNU_BUILD_ID in a list of notes (System V ABI 5, Note
// Section).
func findNote(notes []byte) string {
	order := binary.LittleEndian
	const gnuBuildIDType = 3
	for len(notes) >= 12 {
		name, size := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:]))
		kind := order.Uint32(notes[8:])
		start := 12 + (name+3)&^3
		end := start + (size+3)&^3
		if end > uint64(len(notes)) || start+size > uint64(len(notes)) {
			return ""
		}
		if kind == gnuBuildIDType && string(notes[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(notes[start : start+size])
		}
		notes = notes[end:]
	}
	return ""
}
