// Package minidump reads, writes, converts and verifies dumps of a machine's
// memory in FreeBSD's formats: minidumps of amd64 (versions 1 to 3) and arm64
// (1 to 3, pages of 4 and 16 KiB), and full dumps, which are ELF core files.
// Of minidumps of other architectures it reads all but virtual addresses.
//
// # A minidump
//
// A minidump has the pages of physical memory whose bits are set in a page
// bitmap that the kernel keeps. Its sections follow one another, each rounded
// up to pages (FreeBSD minidump.h, minidump_machdep.c):
//
//	header          one page
//	message buffer  the kernel's log, a ring
//	dump_avail      the ranges of physical memory that the bits run over
//	page bitmap     bit n: is the n-th page of dump_avail in the dump
//	page tables     the kernel's part of virtual memory
//	pages           one for each set bit, in order
//
// [Header], [DumpAvail] and [Layout] are these, [PageBitmap] is the bitmap as
// a host keeps it and [BitmapSnapshot] one that no longer changes, which knows
// the rank of every bit and so the place of every page.
//
// # Reading
//
// [Open] takes any io.ReaderAt. A [Reader] is a physmem.Reader of the dumped
// machine and reads kernel virtual addresses too. It may be used by several
// goroutines. A file that was cut or damaged opens with what there is:
// Reader.Holes lists the memory whose content should be there and is not, and
// reading it is a *[MissingError] that says why. What a dump says of itself is
// not believed: sizes are capped before memory is taken, and no table can make
// a translation hang or leave the dump. [Reader.Verify] checks everything that
// can be checked.
//
// # Writing
//
// A [Dumper] is one logical minidump file over a [Source], which describes a
// host: read at random, in sequence or in parallel it gives the same bytes.
//
// # Dump notes
//
// What the format has no place for travels in [Notes]: registers, the fault
// record, the build id, what was not to be trusted, and holes: pages that are
// zero in the dump and were not in truth. They lie in pages of the dump; at
// offset 1024 of the header's page, which is zero in FreeBSD's dumps and read
// by nobody, a [NotesPointer] says in which. To other readers they are
// ordinary memory.
//
// # Units
//
// Addresses and sizes are in bytes. Numbers in a dump are in the byte order of
// the dumped machine, in the notes little-endian.
package minidump
