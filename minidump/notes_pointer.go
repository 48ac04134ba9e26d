package minidump

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// NotesPointerOffset is where the pointer to the dump notes is in a dump: on
// the header's page, whose rest is zero in FreeBSD's dumps and read by nobody.
const NotesPointerOffset = 1024

// NotesPointerSize is the size of an encoded NotesPointer.
const NotesPointerSize = 40

const notesPointerMagic = "RKDNOTEP"

// NotesPointer says where in the dumped machine's memory the dump notes are.
// Little-endian:
//
//	 0 u64 magic "RKDNOTEP"
//	 8 u32 version, 1
//	12 u32 size of the pointer, 40
//	16 u64 physical address of the notes, at a page
//	24 u64 size of their area in bytes
//	32 u32 flags, 0
//	36 u32 CRC-32C of bytes 0 to 35
type NotesPointer struct {
	Address physmem.Address
	Size    uint64
}

// Range is the physical memory that the notes' area takes.
func (p NotesPointer) Range() physmem.Range {
	r, _ := physmem.NewRange(p.Address, p.Size)
	return r
}

// AppendBinary appends the encoded pointer to b.
func (p NotesPointer) AppendBinary(b []byte) ([]byte, error) {
	if p.Size > MaxNotesSize || p.Range().IsEmpty() {
		return b, fmt.Errorf("dump notes' pointer: %d bytes at %v: %w (%d)", p.Size, p.Address, ErrTooLarge, MaxNotesSize)
	}
	start := len(b)
	b = append(b, notesPointerMagic...)
	b = binary.LittleEndian.AppendUint32(b, NotesVersion)
	b = binary.LittleEndian.AppendUint32(b, NotesPointerSize)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Address))
	b = binary.LittleEndian.AppendUint64(b, p.Size)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli)), nil
}

// ParseNotesPointer parses the pointer at the start of data. It fails with
// ErrNoNotes where there is none, with ErrDamaged where there is one that
// cannot be believed.
func ParseNotesPointer(data []byte) (NotesPointer, error) {
	if len(data) < NotesPointerSize || string(data[:8]) != notesPointerMagic {
		return NotesPointer{}, ErrNoNotes
	}
	end := NotesPointerSize - 4
	if sum, want := crc32.Checksum(data[:end], castagnoli), binary.LittleEndian.Uint32(data[end:]); sum != want {
		return NotesPointer{}, fmt.Errorf("dump notes' pointer: CRC-32C %#x, want %#x: %w", sum, want, ErrDamaged)
	}
	if version := binary.LittleEndian.Uint32(data[8:]); version != NotesVersion {
		return NotesPointer{}, fmt.Errorf("dump notes' pointer: version %d: %w", version, ErrUnsupported)
	}
	p := NotesPointer{
		Address: physmem.Address(binary.LittleEndian.Uint64(data[16:])),
		Size:    binary.LittleEndian.Uint64(data[24:]),
	}
	if p.Size < notesHeaderSize || p.Size > MaxNotesSize || p.Range().IsEmpty() {
		return NotesPointer{}, fmt.Errorf("dump notes' pointer: %d bytes at %v: %w", p.Size, p.Address, ErrDamaged)
	}
	return p, nil
}
