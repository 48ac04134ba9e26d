package fdt

import (
	"encoding/binary"
	"fmt"
)

// Limits of a tree. Linux takes at most 2 MiB on arm64 (Documentation/arch/
// arm64/booting.rst), and QEMU makes 1 MiB.
const (
	MaxSize           = 4 << 20 // bytes
	MaxNodes          = 1 << 15
	MaxProperties     = 1 << 17 // in all
	MaxNodeProperties = 1 << 13 // of a node; __symbols__ has one for each label
	MaxDepth          = 64      // of nodes; also Linux's (drivers/of/fdt.c, FDT_MAX_DEPTH)
	MaxReserveEntries = 4096
	MaxNameSize       = 255 // of a node or property, in bytes
)

// The header (Devicetree Specification 0.4, 5.2).
const (
	magic             = 0xd00dfeed
	firstVersion      = 16
	version           = 17
	headerSizeV16     = 36 // no size_dt_struct
	headerSize        = 40
	offsetMagic       = 0
	offsetTotalSize   = 4
	offsetStructure   = 8
	offsetStrings     = 12
	offsetReserve     = 16
	offsetVersion     = 20
	offsetCompatible  = 24
	offsetBootCPU     = 28
	offsetStringsSize = 32
	offsetStructSize  = 36
	reserveEntrySize  = 16
	reserveAlignment  = 8
	tokenSize         = 4 // also the alignment in the structure block
)

// Tokens of the structure block (5.4.1).
const (
	tokenBeginNode = 1
	tokenEndNode   = 2
	tokenProperty  = 3
	tokenNOP       = 4
	tokenEnd       = 9
)

// blocks is a tree's bytes taken apart.
type blocks struct {
	bootCPU         uint32
	reserve         []byte // from the memory reservation block to the tree's end
	structure       []byte
	structureOffset int
	strings         string
}

// readHeader checks the header and finds the blocks. They may come in any
// order, and overlap: nothing is written to them.
func readHeader(data []byte) (*blocks, error) {
	field := func(offset int) uint32 { return binary.BigEndian.Uint32(data[offset:]) }
	if len(data) < headerSizeV16 {
		return nil, fmt.Errorf("device tree: %d bytes, a header has %d: %w", len(data), headerSizeV16, ErrSize)
	}
	if m := field(offsetMagic); m != magic {
		return nil, fmt.Errorf("device tree: magic %#x, want %#x: %w", m, uint32(magic), ErrMagic)
	}
	total := field(offsetTotalSize)
	if total > MaxSize {
		return nil, fmt.Errorf("device tree: %d bytes, at most %d: %w", total, MaxSize, ErrTooLarge)
	}
	v, compatible := field(offsetVersion), field(offsetCompatible)
	if v < firstVersion || compatible > version {
		return nil, fmt.Errorf("device tree: version %d, compatible with %d, want %d or %d: %w", v, compatible, firstVersion, version, ErrVersion)
	}
	header := uint32(headerSize)
	if v == firstVersion {
		header = headerSizeV16
	}
	if total < header || uint64(total) > uint64(len(data)) {
		return nil, fmt.Errorf("device tree: total size %d in %d bytes, a header has %d: %w", total, len(data), header, ErrSize)
	}
	b := &blocks{bootCPU: field(offsetBootCPU), structureOffset: int(field(offsetStructure))}
	for _, block := range []struct {
		name         string
		offset, size uint32
		alignment    uint32
		out          func([]byte)
	}{
		{"memory reservation block", field(offsetReserve), 0, reserveAlignment, func(d []byte) { b.reserve = data[field(offsetReserve):total] }},
		{"structure block", field(offsetStructure), structureSize(data, v, total), tokenSize, func(d []byte) { b.structure = d }},
		{"strings block", field(offsetStrings), field(offsetStringsSize), 1, func(d []byte) { b.strings = string(d) }},
	} {
		if block.offset < header || block.offset > total || block.size > total-block.offset || block.offset%block.alignment != 0 {
			return nil, fmt.Errorf("device tree: %s of %#x bytes at %#x in %#x, not in multiples of %d or outside: %w",
				block.name, block.size, block.offset, total, block.alignment, ErrSize)
		}
		block.out(data[block.offset:][:block.size])
	}
	return b, nil
}

// structureSize is what the header says of it or, in version 16, which says
// nothing, all to the tree's end: FDT_END tells.
func structureSize(data []byte, v, total uint32) uint32 {
	if v == firstVersion {
		return total - min(total, binary.BigEndian.Uint32(data[offsetStructure:]))
	}
	return binary.BigEndian.Uint32(data[offsetStructSize:])
}

// readReserve reads the memory reservation block (5.3), which an entry of
// zeros ends.
func (b *blocks) readReserve(offset int) ([]ReserveEntry, error) {
	var entries []ReserveEntry
	for rest := b.reserve; len(rest) >= reserveEntrySize; rest = rest[reserveEntrySize:] {
		e := ReserveEntry{binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[8:])}
		if e == (ReserveEntry{}) {
			return entries, nil
		}
		if len(entries) == MaxReserveEntries {
			return nil, &ParseError{offset, fmt.Errorf("more than %d entries of reserved memory: %w", MaxReserveEntries, ErrTooLarge)}
		}
		entries = append(entries, e)
	}
	return nil, &ParseError{offset, fmt.Errorf("memory reservation block without an end: %w", ErrStructure)}
}
