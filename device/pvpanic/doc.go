// Package pvpanic defines the paravirtual panic device, and reports to it: a
// guest writes event bits to its one register and the hypervisor knows that the
// guest panicked.
//
// Source: QEMU docs/specs/pvpanic.txt. The ISA form is one byte at an I/O
// port. A read gives the events that the device understands.
package pvpanic

// Port is the ISA device's I/O port (QEMU's default, found by ACPI as QEMU0001).
const Port = 0x505

// Events, as bits.
const (
	Panicked    = 1 << 0 // the guest panicked and will not go on
	CrashLoaded = 1 << 1 // the guest panicked and a crash kernel takes over
)
