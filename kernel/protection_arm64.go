//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// lowMemory: nothing is left alone.
const lowMemory = 0

// firstMapped is the lowest address of RAM that the first tables map: the GiB
// that the image lies in (package bootimage).
//
//go:nosplit
func firstMapped() uintptr { return k.reservation[0] &^ (1<<30 - 1) }

// initProtection takes EL0's right to write to the program's text, the vectors
// with it, in a host's direct map (a rescue program's has none), and finds
// console and firmware.
//
//go:nosplit
func initProtection() {
	k.conduit = uintptr(k.facts.calls.Conduit)
	if handoff.Role(k.role) == handoff.RoleHost {
		for a := k.symbols.text &^ (pageSize - 1); a < k.symbols.erodata; a += pageSize {
			if p, ok := physicalOf(a); ok {
				protectDirect(p, p+pageSize, false)
			}
		}
		flush()
	}
	initConsole(uintptr(k.facts.calls.Console))
}
