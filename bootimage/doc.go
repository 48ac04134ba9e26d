// Package bootimage wraps a program for package kernel as a file that boots.
//
// The program is an ELF file as the Go toolchain makes it when it is linked for
// the kernel window ("rescue build" does, or
//
//	go build -ldflags '-E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000'
//
// with GOOS=linux CGO_ENABLED=0). Such a file cannot be booted as it is: its
// addresses are virtual. [Wrap] puts it behind a stub that can, in a file that is
// loaded at a fixed physical address:
//
//	block       the boot block: package handoff, role host
//	boot area   who booted it and what was handed over; written by the stub
//	stub        the two entries
//	stack       what the image is entered with
//	page tables for this address, as package handoff describes them
//	image       the file-backed pages of the program in link order
//	module      a file for the program, if Options has one
//
// amd64: the file is ELF64 of one segment. It can be entered in two ways. e_entry is in long mode with RSI the
// address of struct boot_params: the 64-bit boot protocol of Linux
// (Documentation/arch/x86/boot.rst), as gokvm and Firecracker have it. The PVH
// note (XEN_ELFNOTE_PHYS32_ENTRY) is in protected mode with EBX the address of
// struct hvm_start_info, as with QEMU's -kernel. Both leave the state that
// package handoff documents and jump to the program's entry.
//
// arm64: the file is an Image (Documentation/arch/arm64/booting.rst) whose first
// page is the header. It is entered at EL1 or EL2 with the MMU off and X0 the
// address of the device tree. A loader puts it text_offset above the beginning of
// RAM, which is where it was wrapped for if RAM begins at a multiple of 1 GiB, as
// on the virt boards of QEMU and others; at any other place the stub stops the
// CPU. The stub's page is package trampoline's: what leaves a host for a rescue
// program leaves firmware for a host.
//
// # EFI applications
//
// [WrapEFI] makes a file for UEFI firmware of either architecture (UEFI 2.10, 2.1.1:
// PE32+, machine 8664h or AA64h). It has no address: firmware loads it where it has
// room below 512 GiB and applies its base relocations, which are also those of block
// and page tables; so the image runs where it was loaded, and nothing is copied. No
// section is both writable and executable.
//
// The entry (internal/source, one page, no stack of its own) writes to the EFI area
// of package handoff: system table and runtime services, the configuration tables,
// the load options, on arm64 the time (GetTime), and at last the memory map, with
// which it calls ExitBootServices. If that refuses because the map has changed it
// tries again, 8 times. If there is no room for the map (64 KiB) it says so on ConOut
// and returns EFI_OUT_OF_RESOURCES. Then it completes the tables: its own page at
// its address; the direct map, on amd64 the first 4 GiB and the image's, on arm64
// each GiB that has cacheable memory; and enters the program as above. It depends
// on the specification alone: tests run it under OVMF and ArmVirt.
//
// Boot services memory is the host's then, the program's own is a part of what the
// map calls loader code. Runtime services stay where they are and can be called in
// ring 0 or EL1 with their memory mapped at its physical addresses:
// SetVirtualAddressMap was not called.
//
// # Memory
//
// The prebuilt direct map of other files has the first GiB, on arm64 that of the image,
// whatever is there; package kernel replaces it once it knows where RAM is. The same program gives the same file,
// to the byte. All numbers are little-endian; Wrap runs on every architecture.
package bootimage
