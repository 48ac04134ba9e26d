//go:build amd64 || arm64

package device

// One load or store each, of just that width, in the order that the package's
// documentation says. The address must be mapped and aligned.

//go:noescape
func load8(address uintptr) uint8

//go:noescape
func load16(address uintptr) uint16

//go:noescape
func load32(address uintptr) uint32

//go:noescape
func load64(address uintptr) uint64

//go:noescape
func store8(address uintptr, v uint8)

//go:noescape
func store16(address uintptr, v uint16)

//go:noescape
func store32(address uintptr, v uint32)

//go:noescape
func store64(address uintptr, v uint64)
