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
// The prebuilt direct map has the first GiB, on arm64 that of the image,
// whatever is there; package kernel replaces it once it knows where RAM is. The same program gives the same file,
// to the byte. All numbers are little-endian; Wrap runs on every architecture.
package bootimage
