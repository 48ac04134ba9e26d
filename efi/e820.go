package efi

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// RangeType is the type of an E820 entry (ACPI 6.5, table 15.4).
type RangeType uint32

// Types of E820 entries.
const (
	RangeRAM             RangeType = 1
	RangeReserved        RangeType = 2
	RangeACPIReclaimable RangeType = 3
	RangeACPINVS         RangeType = 4
	RangeUnusable        RangeType = 5
	RangeDisabled        RangeType = 6
	RangePersistent      RangeType = 7
)

// MemoryType is what the type means. A type that is not known is reserved, as
// ACPI asks.
func (t RangeType) MemoryType() physmem.MemoryType {
	switch t {
	case RangeRAM:
		return physmem.MemoryRAM
	case RangeACPIReclaimable:
		return physmem.MemoryACPIReclaimable
	case RangeACPINVS:
		return physmem.MemoryACPINVS
	case RangeUnusable:
		return physmem.MemoryUnusable
	case RangePersistent:
		return physmem.MemoryPersistent
	}
	return physmem.MemoryReserved
}

// Sizes of E820 entries: base, length and type are in all of them.
const (
	EntrySizeLinux   = 20 // struct boot_e820_entry; FreeBSD's struct bios_smap
	EntrySizePVH     = 24 // struct hvm_memmap_table_entry; ACPI's with extended attributes
	MaxE820          = 1024
	bootParamsCount  = 0x1e8 // u8 e820_entries (Linux x86/zero-page.rst)
	bootParamsTable  = 0x2d0
	bootParamsMost   = 128
	bootParamsLength = 4096
)

// Entry is one range of an E820 map.
type Entry struct {
	Base   physmem.Address
	Length uint64
	Type   RangeType
}

// E820 is a memory map in the order of the firmware. Unlike EFI's it counts in
// bytes; entries need not be whole pages.
type E820 []Entry

// EntryError says which entry is not accepted.
type EntryError struct {
	Index int
	Err   error
}

func (e *EntryError) Error() string { return fmt.Sprintf("E820 map: entry %d: %v", e.Index, e.Err) }

// Unwrap returns the cause.
func (e *EntryError) Unwrap() error { return e.Err }

// ParseE820 reads entries of entrySize bytes each, EntrySizeLinux or
// EntrySizePVH.
func ParseE820(data []byte, entrySize int) (E820, error) {
	if entrySize != EntrySizeLinux && entrySize != EntrySizePVH {
		return nil, fmt.Errorf("E820 map: entries of %d bytes, want %d or %d: %w", entrySize, EntrySizeLinux, EntrySizePVH, ErrSize)
	}
	if len(data)%entrySize != 0 || len(data)/entrySize > MaxE820 {
		return nil, fmt.Errorf("E820 map: %d bytes in entries of %d, at most %d of them: %w", len(data), entrySize, MaxE820, ErrSize)
	}
	var m E820
	for at := 0; at < len(data); at += entrySize {
		m = append(m, Entry{
			Base:   physmem.Address(binary.LittleEndian.Uint64(data[at:])),
			Length: binary.LittleEndian.Uint64(data[at+8:]),
			Type:   RangeType(binary.LittleEndian.Uint32(data[at+16:])),
		})
	}
	if _, err := m.MemoryMap(); err != nil {
		return nil, err
	}
	return m, nil
}

// ParseBootParams reads the map in Linux's struct boot_params, the "zero
// page".
func ParseBootParams(page []byte) (E820, error) {
	if len(page) < bootParamsLength {
		return nil, fmt.Errorf("boot_params of %d bytes, want %d: %w", len(page), bootParamsLength, ErrSize)
	}
	count := int(page[bootParamsCount])
	if count > bootParamsMost {
		return nil, fmt.Errorf("boot_params with %d E820 entries, at most %d: %w", count, bootParamsMost, ErrSize)
	}
	return ParseE820(page[bootParamsTable:][:count*EntrySizeLinux], EntrySizeLinux)
}

// AppendBinary appends the entries in the 20-byte form, which is also
// FreeBSD's SMAP: its recorded length is that of what is appended.
func (m E820) AppendBinary(dst []byte) ([]byte, error) {
	if len(m) > MaxE820 {
		return dst, fmt.Errorf("E820 map: %d entries, at most %d: %w", len(m), MaxE820, ErrSize)
	}
	if _, err := m.MemoryMap(); err != nil {
		return dst, err
	}
	for _, e := range m {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Base))
		dst = binary.LittleEndian.AppendUint64(dst, e.Length)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Type))
	}
	return dst, nil
}

// MemoryMap is what the map means to an operating system.
func (m E820) MemoryMap() (physmem.MemoryMap, error) {
	regions := make([]physmem.Region, len(m))
	for i, e := range m {
		r, ok := physmem.NewRange(e.Base, e.Length)
		if !ok {
			return physmem.MemoryMap{}, &EntryError{i, fmt.Errorf("%w: %#x bytes at %v end beyond %v", ErrRange, e.Length, e.Base, physmem.MaxAddress)}
		}
		regions[i] = physmem.Region{Range: r, Type: e.Type.MemoryType()}
	}
	memory, err := physmem.NewMemoryMap(regions...)
	if err != nil {
		return physmem.MemoryMap{}, fmt.Errorf("E820 %w", err)
	}
	return memory, nil
}

// Restrict is the map for a program that shall use reservation alone, by the
// rules of Map.Restrict.
func (m E820) Restrict(reservation physmem.Range, options ...RestrictOption) (E820, error) {
	memory, err := m.MemoryMap()
	if err != nil {
		return nil, err
	}
	r, err := newRestriction(memory, reservation, options)
	if err != nil {
		return nil, err
	}
	var out E820
	for _, e := range m {
		if e.Type != RangeRAM {
			out = append(out, e)
			continue
		}
		for _, left := range r.ram(physmem.Range{Start: e.Base, End: e.Base + physmem.Address(e.Length)}) {
			out = append(out, Entry{left.Start, left.Size(), RangeRAM})
		}
	}
	return out, nil
}

// NewE820 is the map of a machine whose firmware gave none in this form.
func NewE820(memory physmem.MemoryMap) E820 {
	types := map[physmem.MemoryType]RangeType{
		physmem.MemoryRAM:             RangeRAM,
		physmem.MemoryACPIReclaimable: RangeACPIReclaimable,
		physmem.MemoryACPINVS:         RangeACPINVS,
		physmem.MemoryUnusable:        RangeUnusable,
		physmem.MemoryPersistent:      RangePersistent,
	}
	var m E820
	for _, r := range memory.Regions() {
		t, ok := types[r.Type]
		if !ok {
			t = RangeReserved
		}
		m = append(m, Entry{r.Range.Start, r.Range.Size(), t})
	}
	return m
}
