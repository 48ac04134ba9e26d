package main

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Board is what a bare-metal Go runtime and its board support have to give.
type Board interface {
	// Architecture of the CPU.
	Architecture() handoff.Architecture

	// RAM is all memory; Used is what the runtime has of it: its text, data, heap,
	// stacks, DMA buffers and page tables. (Most such runtimes have both as linker
	// symbols or variables.)
	RAM() physmem.Ranges
	Used() physmem.Ranges

	// Window is where the CPU sees a physical range, mapped as one piece. On most
	// such runtimes addresses are the physical ones.
	Window(r physmem.Range) (uintptr, error)

	// Root is the page tables' root: CR3, or TTBR0_EL1.
	Root() physmem.Address

	// What the MMU code does: make pages read-only or writable in the window, map
	// pages at their own addresses for execution or writing, and undo it.
	Protect(r physmem.Range, writable bool) error
	MapIdentity(r physmem.Range, executable bool) error
	UnmapIdentity(r physmem.Range) error

	// Counter is the CPU's: RDTSC, CNTVCT_EL0; Kilohertz is how fast it counts, and
	// Wall the time at which it was 0, in nanoseconds since 1970.
	Counter() uint64
	Kilohertz() uint64
	Wall() int64

	// Enter jumps to a physical address, in ring 0 or EL1, interrupts off, on the
	// page tables of Root. It does not return. Reset resets the machine.
	Enter(c *handoff.PanicContext, to physmem.Address)
	Reset()
}
