package efi

import (
	"encoding/binary"
	"fmt"
)

// Offsets in FreeBSD's struct efi_map_header (sys/efi.h). The
// descriptors follow at the next multiple of 16.
const (
	metadataSize           = 0  // u64 memory_size: bytes of the descriptors, without this header
	metadataDescriptorSize = 8  // u64
	metadataVersion        = 16 // u32, and padding
	metadataLength         = 32
)

// ParseMetadata reads a map in the form in which FreeBSD's loader hands it to
// the kernel (MODINFOMD_EFI_MAP). What follows the descriptors is ignored.
func ParseMetadata(data []byte) (*Map, error) {
	if len(data) < metadataLength {
		return nil, fmt.Errorf("EFI memory map metadata: %d bytes, want at least %d: %w", len(data), metadataLength, ErrSize)
	}
	size := binary.LittleEndian.Uint64(data[metadataSize:])
	descriptorSize := binary.LittleEndian.Uint64(data[metadataDescriptorSize:])
	if size > uint64(len(data)-metadataLength) || descriptorSize > MaxDescriptorSize {
		return nil, fmt.Errorf("EFI memory map metadata: %d bytes in descriptors of %d, there are %d: %w", size, descriptorSize, len(data)-metadataLength, ErrSize)
	}
	version := binary.LittleEndian.Uint32(data[metadataVersion:])
	return ParseMap(data[metadataLength:][:size], uint32(descriptorSize), version)
}

// AppendMetadata appends the map in the form that ParseMetadata reads.
func (m *Map) AppendMetadata(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, metadataLength)...)
	dst, err := m.AppendBinary(dst)
	if err != nil {
		return dst[:start], err
	}
	header := dst[start:]
	binary.LittleEndian.PutUint64(header[metadataSize:], uint64(len(header)-metadataLength))
	binary.LittleEndian.PutUint64(header[metadataDescriptorSize:], uint64(m.DescriptorSize))
	binary.LittleEndian.PutUint32(header[metadataVersion:], m.Version)
	return dst, nil
}
