//go:build !amd64 && !arm64

package device

import "unsafe"

// Programs that drive devices run on amd64 and arm64; elsewhere these serve the
// tests. A call that is not inlined keeps its access.

// at is a pointer to what is no Go object.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

//go:noinline
func load8(address uintptr) uint8 { return *at[uint8](address) }

//go:noinline
func load16(address uintptr) uint16 { return *at[uint16](address) }

//go:noinline
func load32(address uintptr) uint32 { return *at[uint32](address) }

//go:noinline
func load64(address uintptr) uint64 { return *at[uint64](address) }

//go:noinline
func store8(address uintptr, v uint8) { *at[uint8](address) = v }

//go:noinline
func store16(address uintptr, v uint16) { *at[uint16](address) = v }

//go:noinline
func store32(address uintptr, v uint32) { *at[uint32](address) = v }

//go:noinline
func store64(address uintptr, v uint64) { *at[uint64](address) = v }
