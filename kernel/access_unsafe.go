package kernel

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Plain loads and stores at addresses. The kernel keeps addresses as uintptr:
// a pointer in its state would mean write barriers, and the garbage collector
// does not run here. natively these serve the tests.

//go:nosplit
//go:nocheckptr
func load8(p uintptr) byte { return *(*byte)(unsafe.Pointer(p)) }

//go:nosplit
//go:nocheckptr
func load32(p uintptr) uint32 { return *(*uint32)(unsafe.Pointer(p)) }

//go:nosplit
//go:nocheckptr
func load64(p uintptr) uintptr { return uintptr(*(*uint64)(unsafe.Pointer(p))) }

//go:nosplit
//go:nocheckptr
func store8(p uintptr, v byte) { *(*byte)(unsafe.Pointer(p)) = v }

//go:nosplit
//go:nocheckptr
func store32(p uintptr, v uint32) { *(*uint32)(unsafe.Pointer(p)) = v }

//go:nosplit
//go:nocheckptr
func store64(p, v uintptr) { *(*uint64)(unsafe.Pointer(p)) = uint64(v) }

// addressOf is the address of a variable that does not move: one of the
// kernel's globals.
//
//go:nosplit
func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// stringAddress is the address of a string's bytes.
//
//go:nosplit
func stringAddress(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s))) }

// element is &a[i] without a bounds check, which would call Go code that must
// not run here. The caller has checked i.
//
//go:nosplit
func element[T any](first *T, i uintptr) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(first), i*unsafe.Sizeof(*first)))
}

// pointer is the variable at an address that is no Go object's.
//
//go:nosplit
//go:nocheckptr
func pointer[T any](p uintptr) *T { return (*T)(unsafe.Pointer(p)) }

// bytesAt is the memory at an address that is no Go object's.
//
//go:nocheckptr
func bytesAt(p, n uintptr) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), n) }

// sizeOf is the size of a type.
//
//go:nosplit
func sizeOf[T any]() uintptr {
	var v T
	return unsafe.Sizeof(v)
}

// functionValue is the address of what a func value points to: the code's
// address, and what a closure has.
func functionValue(f func()) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// functionAddress is functionValue for a notifier.
//
//go:nosplit
func functionAddress(f func(*handoff.Notice)) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }
