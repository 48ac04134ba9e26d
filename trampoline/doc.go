// Package trampoline is the code that leaves a host and enters a rescue image.
//
// The code is a page of bytes, assembled from Go assembly in internal/source
// by go generate. It is position-independent and the same on every computer;
// what differs from one arming to the next are fields in the same page, which
// [PatchAMD64] fills in together with the descriptor tables, and [PatchARM64]
// with exception vectors. Any program on any
// architecture can so prepare, inspect and trace the hand-off of either.
//
// # What the host does
//
// It places the page in the reservation, and another page for the stack, at
// VA = PA in its own page tables: the code readable and executable for the
// supervisor, not for the user (SMEP); the stack writable. At the panic it jumps to
// the page's first byte in ring 0 of 64-bit mode. That is the freeze point:
// what a dump is compared with is the state before this instruction. Registers
// and flags may be anything. The jump may be an indirect branch under CET.
// LASS must be off: it forbids ring 0 the lower half, where the page is.
//
// # What the code does, amd64
//
// In this order: interrupts off; stack of its own; a descriptor table
// whose NMI, #DB and #MC gates just return; breakpoints off; CR4 to what
// package handoff says, which ends PCID, global pages, SMEP, SMAP, CET and
// protection keys; own segments; CR0; EFER; CR3 to the tables for as many
// levels as the CPU has on; the registers of the entry state; the jump. 55
// instructions, no loop, general purpose registers only.
//
// It reads and writes nothing but its two pages until CR3 is loaded, and no host
// memory after. The exception is an NMI in the six instructions before
// LIDT: that is delivered through the host's table. On a host whose code selector is
// not 0x10 (Linux and package kernel have that) an NMI between LIDT and LGDT
// shuts the CPU down. #DF and every other exception have no gate: they come
// only from sealed pages that are broken, and a CPU that shuts down resets the
// machine, where one that spun would hang it.
//
// # What the code does, arm64
//
// It may be entered at EL1 or EL2, with or without VHE, with the MMU on or off,
// with any granule, from a kernel in either half: all that counts is that its
// page is at VA = PA. It begins with BTI. In this order: D, A, I and F masked;
// the fields into registers; its own code cleaned to the point of coherency. From
// EL2: that level's MMU off, VHE off, its traps off, a GIC's system registers on
// for EL1 where there are some, and on at EL1. There: vectors of its own, which
// reset the machine by PSCI; breakpoints off; the MMU off; TLB and instruction
// cache invalidated; MAIR, TCR, TTBR0 of the rescue image; the MMU on; the
// registers of the entry state; ERET to the image. 182 instructions at most with
// cache lines of 64 bytes, general purpose registers only, no stack.
//
// It reads its page until the MMU is off, and no memory after; it writes none. The
// image, its tables and the page must be clean to the point of coherency by then:
// who writes a reservation (package kernel: every write to physical memory)
// cleans it. EL2 must be that of the host: a hypervisor's guest begins at EL1.
//
// Differences of amd64 from the entry state in package handoff: CR4.VMXE stays as found,
// since a CPU in VMX operation refuses to clear it; GDTR and IDTR point into
// the trampoline's page until the image loads its own; SS is null where an
// NMI came late.
//
// SDM is the Intel Software Developer's Manual, order number 325462; DDI 0487 is
// the Arm Architecture Reference Manual.
package trampoline
