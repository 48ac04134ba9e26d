package bootimage

import "encoding/binary"

// Sizes and types of the ELF file around the payload (System V ABI chapters 4
// and 5; the PVH note is in Xen's include/public/elfnote.h).
const (
	elfHeader     = 64
	elfProgram    = 56
	elfNoteOffset = elfHeader + 2*elfProgram
	elfData       = 4096 // where the payload begins in the file

	elfExecutable = 2  // ET_EXEC
	elfAMD64      = 62 // EM_X86_64
	elfLoad       = 1  // PT_LOAD
	elfNote       = 4  // PT_NOTE
	elfAllRights  = 7

	notePhysicalEntry = 18 // XEN_ELFNOTE_PHYS32_ENTRY
)

// encodeELF makes an ELF64 file of one segment, loaded at base, with two entries.
func encodeELF(base uint64, payload []byte, entry64, entry32 uint64) []byte {
	order := binary.LittleEndian
	note := order.AppendUint32(nil, 4) // bytes of name
	note = order.AppendUint32(note, 4) // bytes of value
	note = order.AppendUint32(note, notePhysicalEntry)
	note = append(note, "Xen\x00"...)
	note = order.AppendUint32(note, uint32(entry32))

	h := make([]byte, elfData, elfData+len(payload))
	copy(h, "\x7fELF\x02\x01\x01") // 64 bits, little-endian, version 1
	order.PutUint16(h[16:], elfExecutable)
	order.PutUint16(h[18:], elfAMD64)
	order.PutUint32(h[20:], 1)
	order.PutUint64(h[24:], entry64)
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
	program(h[elfHeader:], elfLoad, elfAllRights, elfData, base, uint64(len(payload)), elfData)
	program(h[elfHeader+elfProgram:], elfNote, 4, elfNoteOffset, 0, uint64(len(note)), 4)
	copy(h[elfNoteOffset:], note)
	return append(h, payload...)
}
