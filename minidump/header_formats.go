package minidump

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// magicPrefix begins every minidump of FreeBSD; the architecture follows.
const magicPrefix = "minidump FreeBSD/"

// headerFormat is one architecture's header (its minidump.h).
type headerFormat struct {
	architecture   Architecture
	magic          string
	magicSize      int // NUL-padded
	versionOffset  int
	size           int
	lastVersion    uint32
	dumpAvailSince uint32
	bigEndian      bool
	eitherEndian   bool // the kernel ELF would tell
	fields         []headerField
}

// headerField is one number of a header: word or long says where it goes.
type headerField struct {
	offset int
	since  uint32 // the first version that has it
	word   func(*Header) *uint32
	long   func(*Header) *uint64
}

// Where the fields live in a Header.
func messageBufferSize(h *Header) *uint32 { return &h.MessageBufferSize }
func bitmapSize(h *Header) *uint32        { return &h.BitmapSize }
func pageTableSize(h *Header) *uint32     { return &h.PageTableSize }
func dumpAvailSize(h *Header) *uint32     { return &h.DumpAvailSize }
func flags(h *Header) *uint32             { return &h.Flags }
func kernelBase(h *Header) *uint64        { return &h.KernelBase }
func directMapPhysical(h *Header) *uint64 { return &h.DirectMapPhysical }
func directMapBase(h *Header) *uint64     { return &h.DirectMapBase }
func directMapEnd(h *Header) *uint64      { return &h.DirectMapEnd }

// sizeFields are the three sizes that follow the version everywhere.
func sizeFields(offset int, more ...headerField) []headerField {
	return append([]headerField{
		{offset: offset, word: messageBufferSize},
		{offset: offset + 4, word: bitmapSize},
		{offset: offset + 8, word: pageTableSize},
	}, more...)
}

// directMapFields are the four addresses of arm64 and riscv.
func directMapFields(more ...headerField) []headerField {
	return sizeFields(28, append([]headerField{
		{offset: 40, long: kernelBase},
		{offset: 48, long: directMapPhysical},
		{offset: 56, long: directMapBase},
		{offset: 64, long: directMapEnd},
	}, more...)...)
}

// addressFields are the three addresses of amd64 and mips.
func addressFields(more ...headerField) []headerField {
	return sizeFields(28, append([]headerField{
		{offset: 40, long: kernelBase},
		{offset: 48, long: directMapBase},
		{offset: 56, long: directMapEnd},
	}, more...)...)
}

// headerFormats holds the architectures' headers: sys/<arch>/include/minidump.h.
// It is never written.
var headerFormats = []headerFormat{
	{
		architecture: AMD64, magic: magicPrefix + "amd64", magicSize: 24, versionOffset: 24, size: 72,
		lastVersion: 3, dumpAvailSince: 3,
		fields: addressFields(headerField{offset: 64, since: 3, word: dumpAvailSize}),
	}, {
		architecture: ARM64, magic: magicPrefix + "arm64", magicSize: 24, versionOffset: 24, size: 80,
		lastVersion: 3, dumpAvailSince: 2,
		fields: directMapFields(
			headerField{offset: 72, since: 2, word: dumpAvailSize},
			headerField{offset: 76, since: 3, word: flags}),
	}, {
		architecture: RISCV, magic: magicPrefix + "riscv", magicSize: 24, versionOffset: 24, size: 80,
		lastVersion: 2, dumpAvailSince: 2,
		fields: directMapFields(headerField{offset: 72, since: 2, word: dumpAvailSize}),
	}, {
		architecture: I386, magic: magicPrefix + "i386", magicSize: 24, versionOffset: 24, size: 52,
		lastVersion: 2, dumpAvailSince: 2,
		fields: sizeFields(28,
			headerField{offset: 44, word: func(h *Header) *uint32 { return &h.PAEMode }},
			headerField{offset: 48, since: 2, word: dumpAvailSize}),
	}, {
		architecture: ARM, magic: magicPrefix + "arm", magicSize: 24, versionOffset: 24, size: 56,
		lastVersion: 2, dumpAvailSince: 2, eitherEndian: true,
		fields: sizeFields(28,
			headerField{offset: 44, word: func(h *Header) *uint32 { return &h.ARMArchitecture }},
			headerField{offset: 48, word: func(h *Header) *uint32 { return &h.MMUFormat }},
			headerField{offset: 52, since: 2, word: dumpAvailSize}),
	}, {
		architecture: PowerPC64, magic: magicPrefix + "powerpc64", magicSize: 32, versionOffset: 64, size: 144,
		lastVersion: 2, dumpAvailSince: 2, bigEndian: true,
		fields: sizeFields(68,
			headerField{offset: 80, long: kernelBase},
			headerField{offset: 88, long: func(h *Header) *uint64 { return &h.KernelEnd }},
			headerField{offset: 96, long: directMapBase},
			headerField{offset: 104, long: directMapEnd},
			headerField{offset: 112, word: func(h *Header) *uint32 { return &h.HardwareDirectMap }},
			headerField{offset: 120, long: func(h *Header) *uint64 { return &h.StartKernel }},
			headerField{offset: 128, long: func(h *Header) *uint64 { return &h.EndKernel }},
			headerField{offset: 136, since: 2, word: dumpAvailSize}),
	}, {
		architecture: MIPS, magic: magicPrefix + "mips", magicSize: 24, versionOffset: 24, size: 72,
		lastVersion: 2, dumpAvailSince: 2, eitherEndian: true,
		fields: addressFields(headerField{offset: 64, since: 2, word: dumpAvailSize}),
	},
}

// shortKernelBase is the offset of kernbase where it is 32 bits wide.
func shortKernelBase(a Architecture) (offset int, ok bool) { return 40, a == I386 || a == ARM }

// formatOf returns the header format of a, or nil.
func formatOf(a Architecture) *headerFormat {
	for i := range headerFormats {
		if headerFormats[i].architecture == a {
			return &headerFormats[i]
		}
	}
	return nil
}

// recognise finds the format whose magic, padded to its full width, is at the
// start of data.
func recognise(data []byte) (*headerFormat, error) {
	if !bytes.HasPrefix(data, []byte(magicPrefix)) {
		if len(data) < len(magicPrefix) && bytes.HasPrefix([]byte(magicPrefix), data) {
			return nil, &FormatError{Section: SectionHeader, Offset: int64(len(data)), Field: "size", Value: uint64(len(data)),
				Err: ErrTruncated, Detail: "inside of the magic"}
		}
		return nil, fmt.Errorf("minidump header: no magic %q: %w", magicPrefix, ErrNotDump)
	}
	for i := range headerFormats {
		f := &headerFormats[i]
		n := min(f.magicSize, len(data))
		padded := make([]byte, f.magicSize)
		copy(padded, f.magic)
		if bytes.Equal(data[:n], padded[:n]) {
			return f, nil
		}
	}
	name := untilNUL(data[len(magicPrefix):min(len(data), 32)])
	return nil, &UnsupportedError{What: fmt.Sprintf("architecture %q", name)}
}

// isBigEndian tells the byte order of a header: for the architectures that ran
// in both, by which of them makes sense of the version.
func (f *headerFormat) isBigEndian(data []byte) bool {
	if !f.eitherEndian {
		return f.bigEndian
	}
	version := binary.LittleEndian.Uint32(data[f.versionOffset:])
	return version == 0 || version > 0xffff
}
