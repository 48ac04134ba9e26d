package virtio

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// word is flags and index of a ring. newRing has its memory on a page's start.
func (r *ring) word(offset uint64) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory.Memory[offset : offset+4][0]))
}

func (r *ring) loadWord(offset uint64) uint32 {
	return littleEndian(atomic.LoadUint32(r.word(offset)))
}

func (r *ring) storeWord(offset uint64, v uint32) {
	atomic.StoreUint32(r.word(offset), littleEndian(v))
}

// littleEndian converts a word between memory's order and the CPU's; it is
// nothing where they are the same.
func littleEndian(v uint32) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	return binary.LittleEndian.Uint32(b[:])
}
