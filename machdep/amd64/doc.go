// Package amd64 knows what an amd64 processor sees: page tables, descriptor
// tables, registers and features. Its sibling machdep/arm64 has the same files
// and the same exported shape.
//
// # Page tables
//
// [Walker] translates virtual addresses through page tables in physical
// memory, as processors do with 4 and 5 levels (Intel SDM 3A 4.5). Levels count
// from 5 (PML5) down to 1 (the page table). [SectionWalker] does the same
// through the page-table section of a FreeBSD minidump. [Builder] writes page
// tables.
//
// Tables are not trusted. A walk takes as many steps as there are levels and
// no more, whatever the tables hold, reads only where it is allowed to, and
// gives no address that the processor would not give: an entry that is not
// present, has a reserved bit set, leaves memory or closes a cycle is a
// [*WalkError] that names the level, the table's address, the index and the
// entry.
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
// architecture, but for [Snapshot], which asks the running processor (CPUID
// needs no privilege). Code that loads control registers belongs to trampoline
// and kernel, which take the bit names from here.
//
// Addresses are in bytes; all structures in memory are little-endian.
package amd64
