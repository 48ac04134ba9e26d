package efi

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrNotRAM says that a reservation is not RAM in the map.
var ErrNotRAM = errors.New("not all of it is RAM")

// LowMemory is where memory ends that a processor reaches in real mode:
// KeepLow keeps RAM below it.
const LowMemory physmem.Address = 1 << 20

// RestrictOption changes what a restricted map keeps.
type RestrictOption func(*restriction)

// KeepLow keeps the RAM below 1 MiB that begins at address 0, which who
// starts other CPUs needs. (FreeBSD's rescue kernel keeps it on amd64.)
func KeepLow() RestrictOption { return func(r *restriction) { r.low = true } }

// restriction decides what becomes of each entry of a map. Both kinds of map
// go through it.
type restriction struct {
	reservation physmem.Range
	low         bool
	placed      bool
}

func newRestriction(memory physmem.MemoryMap, reservation physmem.Range, options []RestrictOption) (*restriction, error) {
	r := &restriction{reservation: reservation}
	for _, option := range options {
		option(r)
	}
	if reservation.IsEmpty() || !memory.RAM().ContainsRange(reservation) {
		return nil, fmt.Errorf("restrict memory map to %v: %w", reservation, ErrNotRAM)
	}
	return r, nil
}

// ram is what is left of one entry of RAM: low memory, the reservation, both
// or nothing. The reservation may span several entries; it goes where the first
// of them was.
func (r *restriction) ram(entry physmem.Range) []physmem.Range {
	var left []physmem.Range
	if r.low && entry.Start == 0 {
		low := entry.Intersect(physmem.Range{End: min(LowMemory, r.reservation.Start)})
		// Who counts in pages must not get a part of one.
		if low = low.AlignInward(PageSize); !low.IsEmpty() {
			left = append(left, low)
		}
	}
	if !r.placed && entry.Overlaps(r.reservation) {
		r.placed = true
		left = append(left, r.reservation)
	}
	return left
}

// Restrict is the map for a program that shall use reservation alone: entries
// of RAM are dropped, but for one that is exactly the reservation. Entries of
// other types are kept as they are. All of the reservation must be RAM, in one
// entry or in several that touch; an entry that only touches it is dropped.
func (m *Map) Restrict(reservation physmem.Range, options ...RestrictOption) (*Map, error) {
	memory, err := m.MemoryMap()
	if err != nil {
		return nil, err
	}
	if !reservation.Start.IsAligned(PageSize) || !reservation.End.IsAligned(PageSize) {
		return nil, fmt.Errorf("restrict EFI memory map to %v: %w: not in whole pages", reservation, ErrRange)
	}
	r, err := newRestriction(memory, reservation, options)
	if err != nil {
		return nil, err
	}
	out := &Map{DescriptorSize: m.DescriptorSize, Version: m.Version}
	for _, d := range m.Descriptors {
		if d.Type.MemoryType() != physmem.MemoryRAM {
			out.Descriptors = append(out.Descriptors, d)
			continue
		}
		for _, left := range r.ram(d.Range()) {
			// What was the loader's or the boot services' is free by now.
			out.Descriptors = append(out.Descriptors, Descriptor{
				Type: TypeConventional, PhysicalStart: left.Start, Pages: left.Size() / PageSize,
				Attribute: d.Attribute, Tail: d.Tail,
			})
		}
	}
	return out, nil
}
