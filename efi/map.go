package efi

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Reasons why a map is not accepted. Overlaps are *physmem.OverlapError.
var (
	ErrVersion = errors.New("descriptor version not supported")
	ErrSize    = errors.New("sizes do not fit each other")
	ErrRange   = errors.New("invalid range")
)

// Limits and fixed numbers of an EFI memory map.
const (
	PageSize          = 4096 // of NumberOfPages, on every architecture
	DescriptorVersion = 1    // EFI_MEMORY_DESCRIPTOR_VERSION
	MinDescriptorSize = 40   // what version 1 defines; firmware likes to use 48
	MaxDescriptorSize = 1024
	MaxDescriptors    = 4096
	maxPages          = uint64(physmem.MaxAddress) / PageSize
)

// Offsets in a descriptor (UEFI 2.10, 7.2.3, EFI_MEMORY_DESCRIPTOR).
const (
	offsetType          = 0 // u32, 4 bytes of padding
	offsetPhysicalStart = 8
	offsetVirtualStart  = 16
	offsetNumberOfPages = 24
	offsetAttribute     = 32
)

// Descriptor is one entry of an EFI memory map.
type Descriptor struct {
	Type          Type
	PhysicalStart physmem.Address
	VirtualStart  uint64
	Pages         uint64
	Attribute     uint64
	// Tail is what a descriptor larger than MinDescriptorSize has more. It is
	// kept as it is.
	Tail []byte
}

// Range is the physical memory that the descriptor is about.
func (d Descriptor) Range() physmem.Range {
	return physmem.Range{Start: d.PhysicalStart, End: d.PhysicalStart + physmem.Address(d.Pages*PageSize)}
}

// Map is an EFI memory map in the order of the firmware.
type Map struct {
	DescriptorSize uint32
	Version        uint32
	Descriptors    []Descriptor
}

// DescriptorError says which descriptor is not accepted.
type DescriptorError struct {
	Index int
	Err   error
}

func (e *DescriptorError) Error() string {
	return fmt.Sprintf("EFI memory map: descriptor %d: %v", e.Index, e.Err)
}

// Unwrap returns the cause.
func (e *DescriptorError) Unwrap() error { return e.Err }

// ParseMap reads a memory map: descriptors of descriptorSize bytes each, as
// GetMemoryMap returned them together with descriptorSize and version.
func ParseMap(data []byte, descriptorSize, version uint32) (*Map, error) {
	if version != DescriptorVersion {
		return nil, fmt.Errorf("EFI memory map: version %d, want %d: %w", version, DescriptorVersion, ErrVersion)
	}
	if descriptorSize < MinDescriptorSize || descriptorSize > MaxDescriptorSize || descriptorSize%8 != 0 {
		return nil, fmt.Errorf("EFI memory map: descriptors of %d bytes, want %d to %d: %w", descriptorSize, MinDescriptorSize, MaxDescriptorSize, ErrSize)
	}
	size := int(descriptorSize)
	if len(data)%size != 0 || len(data)/size > MaxDescriptors {
		return nil, fmt.Errorf("EFI memory map: %d bytes in descriptors of %d, at most %d of them: %w", len(data), size, MaxDescriptors, ErrSize)
	}
	m := &Map{DescriptorSize: descriptorSize, Version: version}
	for i := range len(data) / size {
		d, err := parseDescriptor(data[i*size:][:size])
		if err != nil {
			return nil, &DescriptorError{i, err}
		}
		m.Descriptors = append(m.Descriptors, d)
	}
	if _, err := m.MemoryMap(); err != nil {
		return nil, err
	}
	return m, nil
}

func parseDescriptor(data []byte) (Descriptor, error) {
	d := Descriptor{
		Type:          Type(binary.LittleEndian.Uint32(data[offsetType:])),
		PhysicalStart: physmem.Address(binary.LittleEndian.Uint64(data[offsetPhysicalStart:])),
		VirtualStart:  binary.LittleEndian.Uint64(data[offsetVirtualStart:]),
		Pages:         binary.LittleEndian.Uint64(data[offsetNumberOfPages:]),
		Attribute:     binary.LittleEndian.Uint64(data[offsetAttribute:]),
	}
	if len(data) > MinDescriptorSize {
		d.Tail = append([]byte(nil), data[MinDescriptorSize:]...)
	}
	return d, d.check()
}

// check tells whether the range is whole pages and does not wrap.
func (d Descriptor) check() error {
	if !d.PhysicalStart.IsAligned(PageSize) {
		return fmt.Errorf("%w: %v is not page aligned", ErrRange, d.PhysicalStart)
	}
	if d.Pages > maxPages {
		return fmt.Errorf("%w: %#x pages at %v", ErrRange, d.Pages, d.PhysicalStart)
	}
	if _, ok := physmem.NewRange(d.PhysicalStart, d.Pages*PageSize); !ok {
		return fmt.Errorf("%w: %#x pages at %v end beyond %v", ErrRange, d.Pages, d.PhysicalStart, physmem.MaxAddress)
	}
	return nil
}

// AppendBinary appends the descriptors in the form that ParseMap reads. It
// refuses what ParseMap refuses.
func (m *Map) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	for i, d := range m.Descriptors {
		if len(d.Tail) > int(m.DescriptorSize)-MinDescriptorSize {
			return dst[:start], &DescriptorError{i, fmt.Errorf("%d bytes of tail in descriptors of %d: %w", len(d.Tail), m.DescriptorSize, ErrSize)}
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(d.Type))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(d.PhysicalStart))
		dst = binary.LittleEndian.AppendUint64(dst, d.VirtualStart)
		dst = binary.LittleEndian.AppendUint64(dst, d.Pages)
		dst = binary.LittleEndian.AppendUint64(dst, d.Attribute)
		dst = append(dst, d.Tail...)
		dst = append(dst, make([]byte, int(m.DescriptorSize)-MinDescriptorSize-len(d.Tail))...)
	}
	if _, err := ParseMap(dst[start:], m.DescriptorSize, m.Version); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// MemoryMap is what the map means to an operating system once boot services
// have ended.
func (m *Map) MemoryMap() (physmem.MemoryMap, error) {
	regions := make([]physmem.Region, len(m.Descriptors))
	for i, d := range m.Descriptors {
		if err := d.check(); err != nil {
			return physmem.MemoryMap{}, &DescriptorError{i, err}
		}
		regions[i] = physmem.Region{Range: d.Range(), Type: d.Type.MemoryType()}
	}
	memory, err := physmem.NewMemoryMap(regions...)
	if err != nil {
		return physmem.MemoryMap{}, fmt.Errorf("EFI %w", err)
	}
	return memory, nil
}
