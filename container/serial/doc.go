// Package serial carries a crash dump over a serial line, or any stream of bytes
// that loses and garbles some and that a console shares.
//
// What is sent is cut into frames that stand for themselves: a receiver that
// comes late or lost bytes finds the next frame, knows from it where its bytes
// belong, and tells in the end what is missing. Between frames there may be
// text. A frame begins with bytes that no UTF-8 text has. Numbers are
// little-endian:
//
//	 0  4 bytes 9E 52 D5 46
//	 4  u8 kind, u8 0
//	 6  u16 length of the payload, at most 4096
//	 8  u32 sequence number, from 0
//	12  u32 stream: the same in all frames of one dump
//	16  u64 offset of the payload in the content, or in its section
//	24  u32 number of the section; else 0
//	28  u32 CRC-32C of bytes 0 to 27
//	32  the payload
//	    u32 CRC-32C of the payload
//
// Kinds:
//
//	1  start: payload is what the sender says of the dump, a FreeBSD kernel dump
//	   header (package kerneldump); sent twice
//	2  section: u32 kind, u32 CRC-32C, u64 length, u64 address of what is sent
//	   ahead of the dump (package target has the kinds)
//	3  bytes of a section
//	4  bytes of the content
//	5  end: u64 length of the content, u32 its CRC-32C, u32 1 if the dump is
//	   whole; sent three times
//
// There is no way back: nothing is sent again, and lost frames stay lost. A dump
// that is compressed by package seekable and lacks some frames is read as far as
// they allow.
package serial
