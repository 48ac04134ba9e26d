package capture

import "unsafe"

// words is a view of memory as words of the machine; nil if it is not aligned.
func words(view []byte) []uint64 {
	if len(view) < 8 || uintptr(unsafe.Pointer(&view[0]))%8 != 0 {
		return nil
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(&view[0])), len(view)/8)
}
