// Package emulated runs machines in Go itself: on any computer, without
// privileges, the same way every time.
//
// The machine has RAM where the Config says (default: one range from 0, split
// at 3 GiB with the rest from 4 GiB on), a 16550 at 0x3f8, debug exit at 0xf4,
// pvpanic at 0x505, resets at 0xcf9 and 0x64, and the Config's Devices. There
// is no firmware: an ELF64 boot image is entered by the Linux 64-bit protocol,
// or by PVH where the Boot asks for it. CPUs other than 0 are started by INIT
// and SIPI where there is an interrupt controller (a local APIC for each), or
// by SetState. Halted means that every CPU waits and nothing can wake it.
//
// # What only an emulator can do
//
// The machine that New gives is a [*Machine], which has more than
// machine.Machine: [Machine.Trace] shows every instruction, [Machine.Watch]
// tells of accesses to physical memory and can drop stores, [Machine.At] does
// something at an exact instruction, and [Machine.Instructions] counts.
//
// Time is virtual: one nanosecond an instruction. Two runs from the same state
// are equal in every byte, unless the test process interferes at moments that
// it takes from a clock of its own.
package emulated
