package record

import (
	"sync/atomic"
	"unsafe"
)

// What is in this file and in the other files named _unsafe runs while a host
// panics: it is nosplit, allocates nothing, and reaches memory by pointer and
// offset, because a bounds check may panic.

// pointer makes a pointer of an address in the direct map, which is no memory
// of Go's.
//
//go:nosplit
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

//go:nosplit
func load8(p unsafe.Pointer, at uintptr) byte { return *(*byte)(unsafe.Add(p, at)) }

//go:nosplit
func load32(p unsafe.Pointer, at uintptr) uint32 { return *(*uint32)(unsafe.Add(p, at)) }

//go:nosplit
func load64(p unsafe.Pointer, at uintptr) uint64 { return *(*uint64)(unsafe.Add(p, at)) }

//go:nosplit
func store8(p unsafe.Pointer, at uintptr, v byte) { *(*byte)(unsafe.Add(p, at)) = v }

//go:nosplit
func store32(p unsafe.Pointer, at uintptr, v uint32) { *(*uint32)(unsafe.Add(p, at)) = v }

//go:nosplit
func store64(p unsafe.Pointer, at uintptr, v uint64) { *(*uint64)(unsafe.Add(p, at)) = v }

// publish32 stores v after all that was stored before.
//
//go:nosplit
func publish32(p unsafe.Pointer, at uintptr, v uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Add(p, at)), v)
}

//go:nosplit
func word64(p unsafe.Pointer, at uintptr) *uint64 { return (*uint64)(unsafe.Add(p, at)) }

//go:nosplit
func word32(p unsafe.Pointer, at uintptr) *uint32 { return (*uint32)(unsafe.Add(p, at)) }

//go:nosplit
func copyMemory(to unsafe.Pointer, at uintptr, from unsafe.Pointer, n uintptr) {
	for i := uintptr(0); i < n; i++ {
		store8(to, at+i, load8(from, i))
	}
}

// crcNibbles is the CRC-32C of each value of four bits.
var crcNibbles = [16]uint32{
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
}

// crc32C is the CRC-32C (Castagnoli) of n bytes.
//
//go:nosplit
func crc32C(p unsafe.Pointer, at, n uintptr) uint32 {
	crc := ^uint32(0)
	for i := uintptr(0); i < n; i++ {
		crc ^= uint32(load8(p, at+i))
		crc = crc>>4 ^ crcNibbles[crc&15]
		crc = crc>>4 ^ crcNibbles[crc&15]
	}
	return ^crc
}

// View is memory that a record is made of: an address and a length. Unlike a
// string it is made without any check.
type View struct {
	start  unsafe.Pointer
	length uintptr
}

// ViewAt is length bytes at an address, which may be outside of Go's memory.
//
//go:nosplit
func ViewAt(address, length uintptr) View { return View{pointer(address), length} }

// ViewString is the bytes of s.
//
//go:nosplit
func ViewString(s string) View {
	return View{unsafe.Pointer(unsafe.StringData(s)), uintptr(len(s))}
}

// ViewBytes is the bytes of b.
//
//go:nosplit
func ViewBytes(b []byte) View {
	return View{unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b))}
}

// Address is where the view's first byte is.
//
//go:nosplit
func (v View) Address() uintptr { return uintptr(v.start) }

// Len is the number of bytes.
//
//go:nosplit
func (v View) Len() uintptr { return v.length }

// At is byte i, or 0 beyond the end.
//
//go:nosplit
func (v View) At(i uintptr) byte {
	if i >= v.length {
		return 0
	}
	return load8(v.start, i)
}

// CRC32C is the bytes' CRC-32C (Castagnoli).
//
//go:nosplit
func (v View) CRC32C() uint32 { return crc32C(v.start, 0, v.length) }
