package main

import "unsafe"

// at8 is the byte at an address that is no memory of Go's.
func at8(address uintptr) *byte { return *(**byte)(unsafe.Pointer(&address)) }
