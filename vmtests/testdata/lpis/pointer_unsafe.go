package main

import "unsafe"

// word is the register or the memory at an address.
func word(at uintptr) *uint64 { return (*uint64)(*(*unsafe.Pointer)(unsafe.Pointer(&at))) }

func half(at uintptr) *uint32 { return (*uint32)(*(*unsafe.Pointer)(unsafe.Pointer(&at))) }

// set writes a register, and gives what it holds then.
//
//go:noinline
func set(register *uint64, value uint64) uint64 {
	*register = value
	return read(register)
}

//go:noinline
func read(register *uint64) uint64 { return *register }
