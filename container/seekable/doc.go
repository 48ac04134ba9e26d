// Package seekable writes and reads seekable zstd: one stream of content, cut
// into frames that each decode on their own, so that any byte is had by
// decoding one frame. It is for dumps: what was written stays readable when
// the rest is cut off, and every frame tells whether it is damaged.
//
// # The format
//
// Stock zstd unpacks it: it is standard frames (RFC 8878) with skippable
// frames between them, which decoders pass over.
//
//	record, zstd frame, record, zstd frame, ... record, seek table
//
// Numbers are little-endian, sizes are bytes. Each zstd frame has its content
// size in its header and ends in a content checksum (XXH64, low 32 bits). The
// content is cut every FrameSize bytes, counted from the start or the last
// FlushFrame. Such chunks that are all zero are put together, up to
// [MaxZeroRun], in one frame of run-length blocks, which costs a seventh of a
// byte a page.
//
// A record stands before each zstd frame and before the seek table. It is a
// skippable frame of 40 bytes:
//
//	 0  u32  0x184D2A5C, the magic of a skippable frame
//	 4  u32  32, the bytes that follow
//	 8  u32  0x31464B53, "SKF1"
//	12  u32  stream: the same number in all records of one stream
//	16  u64  content offset: of the frame's first byte
//	24  u32  content size of the frame; 0 before the seek table
//	28  u32  compressed size: bytes of the frame that follows; 0 for "no seek table"
//	32  u32  CRC-32C of the compressed frame that follows
//	36  u32  CRC-32C of bytes 0 to 35
//
// So a file without its end is read by going from record to record, and one
// with holes in it by looking for the next record: it says what is missing.
// The stream number keeps apart what an older stream left on the same disk.
//
// The seek table is the standard one (zstd contrib/seekable_format): a
// skippable frame 0x184D2A5E with an entry (u32 compressed size, u32 content
// size) for every frame before it, records included, without checksums of its
// own, and the footer u32 number of entries, u8 0, u32 0x8F92EAB1.
//
// # Writing
//
// [Writer] is an io.WriteCloser. With one worker it runs in the caller's
// goroutine, with one encoder, in memory that does not grow but for about
// three bytes a frame for the seek table; with more it compresses frames in
// parallel and gives the same bytes. Whatever has reached the underlying
// writer stays usable, whole frames at a time.
//
// # Reading
//
// [Reader] is an io.ReaderAt that decodes one frame at most for an access
// within one frame, and keeps a few decoded frames. It also reads files of
// other writers: with a seek table, or of several frames that tell their
// content size. Every byte of ours that it returns has been checked by CRC-32C
// or by the frame's content checksum, every byte of others' by the checksums
// that they have; a byte that is missing or damaged is a *[FrameError]. A large
// zstd file of a single frame is [ErrNotSeekable].
package seekable
