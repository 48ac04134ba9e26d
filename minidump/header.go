package minidump

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Sizes of pages that minidumps are made of.
const (
	PageSize4K  = 4 << 10
	PageSize16K = 16 << 10
)

// Bits of Header.Flags (arm64 minidump.h, version 3).
const (
	FlagPageSizeMask = 3 // which page size
	FlagPageSize4K   = 0
	FlagPageSize16K  = 1
)

// headerReadSize is read from the start of a file to know what it is: enough
// for every architecture's header and for the pointer to the dump notes.
const headerReadSize = 4096

// Header is what the first page of a minidump says, in one shape for all
// architectures: fields that an architecture or version has not are zero.
type Header struct {
	Architecture Architecture
	Version      uint32
	PageSize     uint32 // rules all rounding; 4096 but for arm64 version 3

	MessageBufferSize uint32 // bytes, as the kernel had it: not rounded by FreeBSD itself
	BitmapSize        uint32 // bytes
	PageTableSize     uint32 // bytes (pmapsize; ptesize on i386, arm, mips)
	DumpAvailSize     uint32 // bytes; 0 in versions without dump_avail
	Flags             uint32 // arm64 from version 3 on

	KernelBase        uint64 // virtual address of entry 0 of the page-table section
	DirectMapPhysical uint64 // arm64, riscv: the physical address at DirectMapBase
	DirectMapBase     uint64 // virtual, inclusive
	DirectMapEnd      uint64 // virtual, exclusive; FreeBSD writes the window's end, not the memory's

	BigEndian bool // byte order of the dumped machine

	// Facts of single architectures, which are shown and not used.
	PAEMode           uint32 // i386: entries are 8 bytes
	ARMArchitecture   uint32 // arm
	MMUFormat         uint32 // arm: 0 unknown, 1 v4, 2 v6, 3 v6 LPAE
	MMUName           string // powerpc64
	KernelEnd         uint64 // powerpc64
	HardwareDirectMap uint32 // powerpc64
	StartKernel       uint64 // powerpc64
	EndKernel         uint64 // powerpc64
}

// HasDumpAvail reports whether the version has a dump_avail section. Without
// one the bitmap counts pages from physical address 0.
func (h *Header) HasDumpAvail() bool {
	f := formatOf(h.Architecture)
	return f != nil && h.Version >= f.dumpAvailSince
}

// ByteOrder is the byte order of all numbers in the dump.
func (h *Header) ByteOrder() binary.ByteOrder {
	if h.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// bitmapUnit is the size of one bitmap word: readers of every architecture
// take the bitmap as 64-bit words (vm_dumpset.h, libkvm).
const bitmapUnit = 8

// Size is the size of the header's structure, the rest of page 0 being zero.
func (h *Header) Size() int {
	if f := formatOf(h.Architecture); f != nil {
		return f.size
	}
	return 0
}

// ParseHeader parses the header at the start of data, which should be the
// first 4096 bytes of a file, or the whole of a shorter one.
//
// It fails with ErrNotDump where data is no FreeBSD minidump, with an
// *UnsupportedError for architectures and versions that nobody reads, and with
// a *FormatError that is ErrTruncated where data ends inside of the header.
func ParseHeader(data []byte) (*Header, error) {
	f, err := recognise(data)
	if err != nil {
		return nil, err
	}
	if len(data) < f.size {
		return nil, &FormatError{Section: SectionHeader, Offset: int64(len(data)), Field: "size", Value: uint64(len(data)),
			Err: ErrTruncated, Detail: fmt.Sprintf("the %v header has %d bytes", f.architecture, f.size)}
	}
	h := &Header{Architecture: f.architecture, PageSize: PageSize4K}
	h.BigEndian = f.isBigEndian(data)
	order := h.ByteOrder()
	h.Version = order.Uint32(data[f.versionOffset:])
	if h.Version < 1 || h.Version > f.lastVersion {
		return nil, &UnsupportedError{Architecture: f.architecture, What: fmt.Sprintf("version %d", h.Version)}
	}
	for _, field := range f.fields {
		if h.Version < field.since {
			continue
		}
		if field.word != nil {
			*field.word(h) = order.Uint32(data[field.offset:])
		} else {
			*field.long(h) = order.Uint64(data[field.offset:])
		}
	}
	if offset, ok := shortKernelBase(f.architecture); ok {
		h.KernelBase = uint64(order.Uint32(data[offset:]))
	}
	if f.architecture == PowerPC64 {
		h.MMUName = untilNUL(data[f.magicSize : f.magicSize+32])
	}
	return h, h.setPageSize()
}

// setPageSize takes the page size from the flags.
func (h *Header) setPageSize() error {
	if h.Architecture != ARM64 {
		return nil
	}
	switch h.Flags & FlagPageSizeMask {
	case FlagPageSize4K:
		h.PageSize = PageSize4K
	case FlagPageSize16K:
		h.PageSize = PageSize16K
	default:
		return &UnsupportedError{Architecture: h.Architecture, What: fmt.Sprintf("page size of flags %#x", h.Flags)}
	}
	return nil
}

// Validate reports whether h can be written: an architecture and version that
// AppendBinary knows, and fields that this version can hold.
func (h *Header) Validate() error {
	f := formatOf(h.Architecture)
	if f == nil || !h.Architecture.CanTranslate() {
		return &UnsupportedError{Architecture: h.Architecture, What: "writing a header"}
	}
	if h.Version < 1 || h.Version > f.lastVersion {
		return &UnsupportedError{Architecture: h.Architecture, What: fmt.Sprintf("version %d", h.Version)}
	}
	want := uint32(PageSize4K)
	if h.Architecture == ARM64 && h.Version >= 3 && h.Flags&FlagPageSizeMask == FlagPageSize16K {
		want = PageSize16K
	}
	wrong := func(field string, value uint64, detail string) error {
		return &FormatError{Section: SectionHeader, Field: field, Value: value, Err: ErrDamaged, Detail: detail}
	}
	switch {
	case h.BigEndian:
		return wrong("byte order", 1, "amd64 and arm64 are little-endian")
	case h.PageSize != want:
		return wrong("page size", uint64(h.PageSize), fmt.Sprintf("version %d with flags %#x means %d", h.Version, h.Flags, want))
	case h.Flags != 0 && (h.Architecture != ARM64 || h.Version < 3):
		return wrong("flags", uint64(h.Flags), "this version has none")
	case h.DumpAvailSize != 0 && !h.HasDumpAvail():
		return wrong("dumpavailsize", uint64(h.DumpAvailSize), "this version has none")
	case h.DirectMapPhysical != 0 && h.Architecture == AMD64:
		return wrong("dmapphys", h.DirectMapPhysical, "amd64 has none")
	case h.BitmapSize%bitmapUnit != 0:
		// libkvm subtracts 8 from an unsigned remainder and would run away.
		return wrong("bitmapsize", uint64(h.BitmapSize), "not a multiple of 8")
	}
	return nil
}

// AppendBinary appends the header's structure, Size bytes, to b. Only amd64
// and arm64 are written.
func (h *Header) AppendBinary(b []byte) ([]byte, error) {
	if err := h.Validate(); err != nil {
		return b, fmt.Errorf("minidump header: %w", err)
	}
	f := formatOf(h.Architecture)
	data := make([]byte, f.size)
	copy(data, f.magic)
	order := h.ByteOrder()
	order.PutUint32(data[f.versionOffset:], h.Version)
	for _, field := range f.fields {
		if h.Version < field.since {
			continue
		}
		if field.word != nil {
			order.PutUint32(data[field.offset:], *field.word(h))
		} else {
			order.PutUint64(data[field.offset:], *field.long(h))
		}
	}
	return append(b, data...), nil
}

// MarshalBinary returns the header's structure.
func (h *Header) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// UnmarshalBinary is ParseHeader.
func (h *Header) UnmarshalBinary(data []byte) error {
	parsed, err := ParseHeader(data)
	if err != nil {
		return err
	}
	*h = *parsed
	return nil
}

// untilNUL is the text before the first NUL byte.
func untilNUL(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}
