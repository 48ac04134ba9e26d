// Package pci reads and sets up functions of PCI devices through their
// configuration space.
//
// [Open] takes one function by its [Address], as a dump's target records it, at
// the cost of one register read. [Scan] finds those that nobody has recorded,
// bus by bus, and reads no further than its caller's loop: where an I/O port costs
// a trip through a hypervisor, a whole scan is seconds. [Find] does the one and,
// if that fails, the other.
//
// Configuration space is reached by the two I/O ports of a PC ([NewPorts]; each
// access is two port accesses) or memory-mapped ([ECAM]). Nothing is cached but the
// list of capabilities: the function may have been left in any state by a kernel
// that crashed.
//
// [Assign] gives addresses to functions of a board without firmware. Nothing else here
// changes what firmware has set up. The package reads what a device says with
// bounds: lists that loop end, bridges that lead backwards are not followed.
package pci
