// Package savecore takes a kernel dump off a device and into a crash
// directory, as FreeBSD's savecore does.
//
// A crash directory holds, for each dump number N,
//
//	info.N                    what the dump's header says, as text
//	vmcore.N                  the dump; .gz or .zst where the device's is compressed
//	vmcore_encrypted.N key.N  an encrypted dump and its key block
//	textdump.tar.N            a text dump
//	bounds                    the next number
//	*.last                    links to the newest ones
//
// Save checks both headers, copies exactly the dump between them and leaves
// the device as it was, unless Options.Clear asks for the mark that savecore
// leaves. A dump is known by the digest of its header, which info.N keeps, and
// is not saved twice.
//
// A dump that was cut while it was written is salvaged: what is there is saved
// and info.N says that it is incomplete. What is there ends, in seekable zstd,
// with the last whole frame of this very dump. Of another dump it is as much as
// the leading header tells, or, where that tells no length, the whole extent,
// whose end then is what lay on the device before. The same holds for a copy that was
// cut, because the disk was full or the context was cancelled: what was copied
// is kept, the error is a *CutError, and the device is never cleared then.
package savecore
