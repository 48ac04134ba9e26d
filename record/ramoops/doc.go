// Package ramoops keeps fault records in memory where Linux looks for its own:
// the region of its driver ramoops, whose contents the next kernel shows in
// /sys/fs/pstore. So whoever boots Linux after a crash, and systemd-pstore, find
// the record without any tool of ours; and we read what Linux left there.
//
// # The region
//
// It is divided as Linux 6.1 does (fs/pstore/ram.c, ramoops_probe): dumps of
// RecordSize each, in what the other zones leave; the console; traces, one zone a
// CPU; user messages. Sizes are rounded down to powers of two. A zone is a ring
// (fs/pstore/ram_core.c): u32 signature "DBGC", u32 start, u32 size, data, all
// little-endian; the zones of traces have the kernel's version in their
// signature, so they are recognised by the rest. Error-correcting codes are not
// supported: with ramoops.ecc a zone ends earlier, and Linux finds ours broken.
//
// A dump begins with a line "====SECONDS.MICROSECONDS-D", or -C where the rest is
// compressed by deflate.
//
// # A record in a dump
//
// Ours are text, so that a person can read what happened, with the CBOR of package
// record in base64 at the end:
//
//	Rescue host.fault.panic host: runtime error: nil pointer dereference
//	Rescue-Record 1 LENGTH CRC-32C-in-hexadecimal BASE64
//
// # On the panic path
//
// Put and PutPanic are nosplit, allocate nothing and take no lock: a notifier that
// comes before the hand-off (rescue.Config.Notifiers) calls PutPanic with addresses
// that were fixed when arming. The region is not memory that a dump is made of. Put
// writes the zone's size
// last; a dump that was cut off is empty to Linux, and one that was changed since is
// told by its checksum.
package ramoops
