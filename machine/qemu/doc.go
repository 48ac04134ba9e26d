// Package qemu runs machines in QEMU: the second opinion, and real device
// models. New makes the board of the Config's architecture with QEMU's own
// emulation; [Options] choose another board, CPU or accelerator.
//
// The machine's RAM is a file in memory that QEMU and this process both map.
// The CPUs are stopped, read and set through QEMU's GDB stub, resets and
// events come through QMP: sockets that no directory knows, as the serial port is
// a pipe. A machine
// that is closed, or whose process dies, leaves no QEMU and no file behind.
//
// QEMU's emulation keeps translated code and does not see that Memory was
// written to; it is told when the machine runs again. So code that was written
// while the machine runs may be executed as it was before.
//
// # amd64
//
// Board q35. An ELF64 boot image is entered by PVH (QEMU does not know the
// Linux 64-bit protocol for ELF files), after SeaBIOS. Where RAM is follows
// from its size: to 0xb0000000, or to 2 GiB and the rest from 4 GiB on; 0xa0000
// to 1 MiB is not RAM. Debug exit ends the QEMU process: RAM can still be
// read, CPU states are gone (ErrUnsupported, and nil in a snapshot) until
// Reset. A triple fault is seen as a reset. Halted is looked for every 50 ms.
//
// State has no TSC, XCR0, x87 and SSE registers, and does not know of pending NMIs.
// SetState sets general registers, RIP, RFLAGS, CR0, CR2, CR3, CR4, CR8, EFER,
// and the bases of FS and GS. On the first CPU of a machine that has not run yet
// it sets all the rest too, by code in borrowed memory, so that a snapshot of
// another machine can be restored; later, a segment, descriptor table or debug
// register other than the CPU has already is ErrUnsupported.
//
// # arm64
//
// Board virt, RAM from 1 GiB on, disks on virtio-mmio. The boot image is an arm64 Image; the guest
// turns the machine off and resets it by PSCI. Halted is not seen. State has X0
// to X30, SP, PC, PSTATE and the system registers that QEMU's GDB stub knows; SetState sets all but the system registers.
//
// # UEFI
//
// With [Options].UEFI a machine of either architecture boots by UEFI: the firmware
// of Debian's packages ovmf and qemu-efi-aarch64. Memory map and tables are the
// firmware's then. On amd64 its variables last as long as the machine.
//
// # Elsewhere
//
// New needs qemu-system-x86_64 or qemu-system-aarch64 in PATH; QEMU missing or
// a system that is no Unix is machine.ErrUnavailable.
package qemu
