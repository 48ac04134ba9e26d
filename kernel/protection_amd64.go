//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// lowMemory belongs to firmware and boot loader.
const lowMemory = 1 << 20

// firstMapped is the lowest address of RAM that the first tables map.
//
//go:nosplit
func firstMapped() uintptr { return 0 }

// initProtection takes ring 3's right to write to the descriptor tables, at the
// image's address and in the direct map.
//
//go:nosplit
func initProtection() {
	start := (addressOf(&control) + controlGDT) &^ (pageSize - 1)
	end := roundUp(addressOf(&control) + controlProtectedEnd)
	for a := start; a < end; a += pageSize {
		if p, ok := physicalOf(a); ok {
			protectDirect(p, p+pageSize, false)
		}
		setWritable(leaf(a, false), false)
	}
	if handoff.Role(k.role) == handoff.RoleHost {
		for a := k.symbols.text &^ (pageSize - 1); a < k.symbols.erodata; a += pageSize {
			if p, ok := physicalOf(a); ok {
				protectDirect(p, p+pageSize, false)
			}
		}
	}
	flush()
}
