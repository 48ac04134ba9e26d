package device

import "unsafe"

// addressOf is the virtual address of a slice's first byte. Memory for DMA is
// not the garbage collector's, or is kept by the Region: it does not move.
func addressOf(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }
