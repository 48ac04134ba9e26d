// Package emulated runs machines in Go itself: on any computer, without
// privileges, the same way every time.
//
// # amd64
//
// The machine has RAM where the Config says (default: one range from 0, split
// at 3 GiB with the rest from 4 GiB on), a 16550 at 0x3f8, debug exit at 0xf4,
// pvpanic at 0x505, resets at 0xcf9 and 0x64, and the Config's Devices. There
// is no firmware: an ELF64 boot image is entered by the Linux 64-bit protocol,
// or by PVH where the Boot asks for it. CPUs other than 0 are started by INIT
// and SIPI where there is an interrupt controller (a local APIC for each), or
// by SetState.
//
// # arm64
//
// [NewARM64], or [Options] with more to choose: the board is QEMU's virt, with
// everything that hosts use of it at the same addresses and interrupts. RAM is
// from 1 GiB on; there are a GIC of version 2 or 3, a PL011, a PL031, 32 slots for
// virtio on MMIO with the Config's disks from the last one down, and a PCI
// Express host bridge with ECAM, with pvpanic on it, and the disks where Options
// say so. The boot image is an arm64 Image, loaded to where QEMU has it, entered
// with X0 the address of a device tree that says all this. Firmware is PSCI 1.1,
// by HVC, or by SMC where the machine has EL2: it starts CPUs, turns the
// machine off, and resets it. It leaves a GIC's system registers off (ICC_SRE_EL2):
// who runs at EL2 turns them on. NMI is an SError.
//
// # Both
//
// Halted means that every CPU waits and nothing can wake it. A snapshot has all
// of a CPU's state and none of the devices'.
//
// # What only an emulator can do
//
// The machine that New gives is a [*Machine], which has more than
// machine.Machine: [Machine.Trace] shows every instruction, [Machine.Watch]
// tells of accesses to physical memory and can drop stores, [Machine.At] does
// something at an exact instruction, [Machine.Inject] has something go wrong
// there, [Machine.Guard] notes who writes to memory that is evidence, and
// [Machine.Instructions] counts.
//
// Time is virtual: one nanosecond an instruction. (arm64's counter has 62.5 MHz,
// as QEMU's: it goes on by one each 16 of them.) Two runs from the same state
// are equal in every byte, unless the test process interferes at moments that
// it takes from a clock of its own.
package emulated
