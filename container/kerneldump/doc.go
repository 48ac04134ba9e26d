// Package kerneldump reads and writes FreeBSD's on-device kernel dump: two
// 512-byte headers around an extent of a disk, with the dump, and in front of
// it an optional block of key material, between them.
//
// From the end of the device, with sectors of 512 or 4096 bytes:
//
//	untouched (64 KiB at least) | leading header | key block | extent | trailing header
//
// Each header takes one sector, padded with zeros. The trailing header lies in
// the last sector, so whoever looks for a dump reads that one; the leading one
// must be its twin. Numbers in a header are big-endian on every architecture,
// sizes are bytes, and the XOR of the header's 32-bit words is zero (FreeBSD
// sys/kerneldump.h, kern_shutdown.c).
//
// # Writing
//
// [NewWriter] checks everything and writes nothing, so it can run when a
// machine arms itself. Begin, Write and Close then follow one order:
//
//  1. the trailing header of an older dump is invalidated, and the first sector
//     of data,
//  2. the leading header is written, with length 0 and marked incomplete,
//  3. the data blocks, each a whole number of sectors,
//  4. both final headers, the trailing one last.
//
// So a dump that was cut, at whichever write, has no trailing header: nobody
// takes it for whole, and [Find] salvages it by its leading header.
//
// # Reading
//
// [Find] locates a dump on a device or in an image of one. It does not look
// into the dump: package container opens what is inside.
//
// The package needs a device only as an io.ReaderAt and io.WriterAt with a size
// and a sector size. It uses no reflection and no cryptography, so that a
// rescue program can link it. An extent of a larger device is an
// io.SectionReader and an io.OffsetWriter.
package kerneldump
