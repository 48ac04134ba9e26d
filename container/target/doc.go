// Package target is the place on a disk that a crash dump may be written to: an
// extent of a device, marked by a label that is put there while all is well,
// and the order in which a dump is written into it.
//
// # An extent
//
// Offsets count from the start of the extent, which is often the whole device.
//
//	0         64 KiB, untouched: a disk label, a swap header (kerneldump.ReservedSize)
//	64 KiB    the label, one block
//	then      the early record: a block of header, then its sections
//	then      leading header, dump, and in the last sector the trailing header
//
// A block is 4 KiB, which is also the largest sector. From the dump's
// headers on it is FreeBSD's on-device dump that has taken all the room there
// is (package kerneldump), which its own tools find from the end of the extent;
// they never look at what lies before. All numbers of ours are little-endian,
// sizes are bytes. The label:
//
//	  0  16 bytes "RescueDumpTarget"
//	 16  u32 version, 1
//	 20  u32 sector size
//	 24  16 bytes of randomness: the identity
//	 40  u64 start of the extent on the device
//	 48  u64 length of the extent
//	 56  u64 size of the device
//	 64  u64 offset of the early record
//	 72  u64 size of the early record
//	 80  i64 nanoseconds since 1970 UTC, when it was prepared
//	508  u32 CRC-32C of bytes 0 to 507
//
// # The early record
//
// Small things first: what must survive whatever cuts the dump is written before
// the dump's first block, each section with its own checksum. Its header:
//
//	  0  8 bytes "RKEARLY\n"
//	  8  u32 version, 1
//	 12  u32 number of sections
//	 16  u32 stream: kerneldump.Header.Identity of the dump that it belongs to
//	 20  u32 0
//	 24  i64 nanoseconds since 1970 UTC
//	 32  16 bytes: the label's identity
//	 48  sections of 32 bytes: u32 kind, u32 CRC-32C of the bytes, u64 offset in
//	     the early record, u64 length, u64 address of the first byte in the host
//	508  u32 CRC-32C of bytes 0 to 507
//
// A section that is replaced gets a new place, and the header, one sector, is
// written after it: the old one stays good until then.
//
// # Order
//
// Prepare writes the label, Read finds it. Writer.Begin checks the label again,
// writes the fault record into the early record, takes an older dump's headers
// away and writes the leading header, marked incomplete; then come the rest of the
// early record, the data, and both final headers last.
// A dump that was cut at whichever write is found by its leading header and
// never taken for whole, and an older one is never taken for it.
//
// The package links no cryptography and no reflection beside fmt's: a rescue
// program can link it.
package target
