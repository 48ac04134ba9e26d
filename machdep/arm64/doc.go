// Package arm64 knows what an arm64 processor sees: page tables, exception
// vectors, registers and features. Its sibling machdep/amd64 has the same
// files and the same exported shape.
//
// # Page tables
//
// [Walker] translates virtual addresses through the tables of VMSAv8-64 stage
// 1 (Arm ARM, DDI 0487 D8): granules of 4, 16 and 64 KiB, either half of the
// address space, 25 to 52 bits of virtual address, 48 or 52 bits of physical
// address (FEAT_LPA for 64 KiB, FEAT_LPA2 for the others). Levels count as the
// architecture does, from -1 or 0 to 3, whose entries map pages. The tables of
// the EL1&0 and, with VHE, the EL2&0 regimes have this form. 128-bit
// descriptors and permission indirection are not known here.
//
// [SectionWalker] translates through the page-table section of a FreeBSD
// minidump. [Builder] writes page tables.
//
// Tables are not trusted. A walk takes as many steps as there are levels and
// no more, whatever the tables hold, reads only where it is allowed to, and
// gives no address that the processor would not give: an entry that is not
// valid, has bits set that must be clear, leaves memory or closes a cycle is a
// [*WalkError] that names the level, the table's address, the index and the
// entry. Where the architecture lets a processor pass over a bit that must be
// zero, the bit is still an error here.
//
// A cycle is an entry that points to the table that it is in, or to one that
// the walk came through. Processors follow it, and some kernels use one on
// purpose, as a window on their own tables. Here it is an error unless
// Walker.FollowCycles is set: through it a damaged table shows up as memory.
//
// A Walker keeps scratch space so that a translation allocates nothing. Use
// one for each goroutine.
//
// # What runs here
//
// Everything in the package is data and arithmetic and builds on every
// architecture, but for [Snapshot], which reads the running processor's ID
// registers (at EL1, or at EL0 where the kernel allows it). Code that writes
// system registers belongs to trampoline and kernel, which take the bit names
// from here.
//
// Addresses are in bytes; all structures in memory are little-endian.
package arm64
