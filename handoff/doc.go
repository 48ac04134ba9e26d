// Package handoff is the ABI between a host and its rescue program: the
// hand-off block, the panic area, the environment, the address space, and the
// state in which an image is entered. Host and rescue program may be built at
// different times; this package's constants and golden bytes are what they
// agree on.
//
// It has codecs only. Who places and seals the parts is package reserve; who
// jumps is package trampoline; who runs in the image is package kernel.
//
// # Numbers
//
// All numbers are little-endian. Offsets in the block count bytes from the
// start of the reservation, which is where the block is, and physical
// addresses occur only where host memory is meant; so a reservation means the
// same wherever it is mapped. The header's fields lie at fixed, naturally
// aligned offsets (the Offset constants) for code that runs before Go has a
// heap: it needs plain loads only. Behind the header come sections: u32 type,
// u32 length, payload, padding to 8 bytes. Type 0 and zeros fill up the part.
//
// # Versions
//
// A reader takes blocks of its own major version. A newer minor version may
// lengthen the header, append fields to a section and add sections; a reader
// skips what it does not know, unless bit 31 of a section's type says that it
// must not be skipped. In a block of its own minor version a reader takes
// nothing that it does not know. testdata holds the bytes of each version.
//
// # The block's checksums
//
// All are CRC-32C (Castagnoli, reflected, initial and final inversion: what
// the CRC32 instructions of both architectures compute between two
// inversions). Three steps lead from one word to all that the jump relies on:
//
//  1. the word at OffsetHeaderCRC is that of the header's bytes before it and
//     after it, up to the header's length, as one stream;
//  2. the header holds the seal table: OffsetSealCount entries at OffsetSeals.
//     Entry 0 is that of the block after its header;
//  3. the other entries are those of trampoline, page tables and image.
//
// The panic path checks them before the jump with plain loads and writes what
// it found to PanicOffsetBrokenSeals. After the jump the rescue program checks
// the SHA-256 list, which is the block's last section, because its page tables
// and data change as it runs. The panic area, the stacks and the records have
// no seal.
//
// # Address space
//
// DirectMapBase + PA is the direct map, KernelBase the one window that holds
// image, Go heap, mmap area and stacks. In the tables of a rescue image:
//
//	PartImage at LinkBase     each ELF segment with its own access, 4 KiB pages, W^X
//	FileEnd to MemoryEnd      nothing: zero pages on demand
//	PartEntryStack            below EntryStackTop, writable
//	direct map, host RAM      Block.Memory, read-only, no-execute
//	direct map, reservation   by each part's Access, no-execute
//	VA = PA                   PartTrampoline executable, PartTrampolineRAM writable; supervisor
//
// All but the last are user pages (amd64 U/S = 1), because Go runs in ring 3.
// No page is writable and executable at one address. Two addresses of one
// frame differ where they must: the image's data is writable at its link
// address and in the direct map, its text in neither. Tables have accessed and
// dirty bits set, so the CPU does not write to what is sealed.
//
// A host image's tables have the same shape. Its direct map is all RAM,
// writable; bootimage builds them for the physical address at which it will be
// loaded.
//
// # Entry state, amd64
//
// The first instruction of an image, host or rescue, runs in this state:
//
//   - ring 0, 64-bit mode; RFLAGS is 2: interrupts off, direction up
//   - CR3 is Root4, or Root5 where the CPU was found with 5 levels (LA57
//     cannot be changed in long mode); PCID 0
//   - CR0: PE, MP, ET, NE, WP, PG; CR4: PAE, PSE, OSFXSR, OSXMMEXCPT, and LA57
//     as found; off are PGE, PCIDE, SMEP, SMAP, CET, PKE, UMIP, OSXSAVE, MCE;
//     VMXE is as found, since it cannot be cleared in VMX operation
//   - EFER: LME, LMA, NXE, SCE
//   - the PAT is as found; its entry 0, which all tables here use, must be
//     write-back, as it is after a reset and in every known kernel
//   - RIP is Image.Entry; RSP is Space.StackTop
//   - RDI is the physical address of the block; RSI the same in the direct map
//   - the other general registers are 0; x87 and SSE state is not defined
//   - CS is a flat 64-bit code segment, SS DS ES FS GS are flat or null. GDTR
//     and IDTR point into PartTrampoline (host: into the stub) or IDTR's limit
//     is 0: the image loads its own tables before it takes an exception
//   - NMIs may be blocked until the first IRET
//   - no other CPU runs code in the reservation
//
// # Entry state, arm64
//
// As on amd64 where that applies, with:
//
//   - EL1 on its own stack pointer, whatever level the host ran at; PSTATE has
//     D, A, I and F masked and all else zero (PAN, too)
//   - the MMU on with TTBR0_EL1 of Root4 (4 KiB granule, 48 bits, walks
//     cacheable); TTBR1_EL1 is 0 and not walked; MAIR_EL1 is
//     machdep/arm64.MAIRValue; TCR_EL1.IPS what the CPU has, at most 48 bits
//   - SCTLR_EL1 is trampoline.EntrySCTLR; VBAR_EL1 points into PartTrampoline
//     (host: into the stub), to vectors that reset the machine where there is
//     PSCI; MDSCR_EL1 is 0
//   - where the host ran at EL2: VHE off, no traps, no virtual offset of the
//     counter, the GIC's system registers not kept from EL1 (ICC_SRE_EL2)
//   - X0 is the physical address of the block, X1 the same in the direct map,
//     the other general registers are 0, SP is Space.StackTop; SIMD and
//     floating point are not defined and may trap
//   - code, block, image and tables are cleaned to the point of coherency (who
//     populates a reservation does so); no stale translations or instructions
//
// The header's OffsetConsole and OffsetConduit say how to reach console and PSCI,
// because a rescue program reads no device tree.
//
// # Panic area
//
// See the PanicOffset constants. The host's panic path fills it in this order:
// reason, CPU, message (state 1); registers, root, message buffer position
// (2); seals held (3). A time stamp goes with each. What is there on the other
// side is a panicking host's word: ParsePanicArea clamps every length.
//
// # Regions of the host
//
// Page bitmap, dump_avail and message buffer are lists of up to 64 physical
// extents, resolved and sealed when arming, so that no pointer of the host is
// followed after the panic. Every extent must lie in Block.Memory or in the
// reservation.
//
// # Host images
//
// A host image that bootimage wrapped is entered with a block of RoleHost:
// Reservation is the physical memory that the wrapped image occupies (so its
// frames are not free), PartImage, PartTables, PartEntryStack and PartBlock
// are there, PartProgram is what may be used at once if the boot protocol's
// memory map is not yet read, and PartPanicArea is the boot area, which the
// stub fills in (BootOffset constants); where it is an EFI application, that points
// to the EFI area (EFIOffset constants), which lies in the reservation, too.
// PartMetadata is its first module, PartEnvironment the beginning of its command line. Host, Memory and the other lists are
// empty: a host finds its RAM in what the boot protocol hands over.
package handoff
