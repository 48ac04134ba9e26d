package arm64

import (
	"encoding/binary"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/emulator"
)

// at is n bytes of a page. The caller has made sure that they are inside.
func at(p *emulator.Page, offset uint64, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(p), offset)), n)
}

func page64(p *emulator.Page, o uint64) uint64 { return binary.LittleEndian.Uint64(at(p, o, 8)) }
func page32(p *emulator.Page, o uint64) uint32 { return binary.LittleEndian.Uint32(at(p, o, 4)) }
func page16(p *emulator.Page, o uint64) uint16 { return binary.LittleEndian.Uint16(at(p, o, 2)) }

func putPage64(p *emulator.Page, o uint64, v uint64) { binary.LittleEndian.PutUint64(at(p, o, 8), v) }
func putPage32(p *emulator.Page, o uint64, v uint32) { binary.LittleEndian.PutUint32(at(p, o, 4), v) }
func putPage16(p *emulator.Page, o uint64, v uint16) { binary.LittleEndian.PutUint16(at(p, o, 2), v) }
