package physmem

import (
	"fmt"
	"slices"
	"strings"
)

// MemoryType says what a region of a memory map is for.
type MemoryType uint8

// The types are what is common to the EFI memory map (UEFI 2.10, 7.2.3), the
// address range types of ACPI (6.5, table 15.4) and device trees. The values
// are this package's own; efi and fdt translate.
const (
	MemoryReserved        MemoryType = iota // not to be touched; also any type that is not known
	MemoryRAM                               // free for the operating system
	MemoryACPIReclaimable                   // RAM with ACPI tables
	MemoryACPINVS                           // RAM that firmware keeps over sleep states
	MemoryFirmware                          // RAM with runtime services' code or data
	MemoryUnusable                          // RAM that is known to be bad
	MemoryMMIO                              // devices: reads may have effects
	MemoryPersistent                        // non-volatile memory
	memoryTypes
)

var memoryTypeNames = [memoryTypes]string{
	"reserved", "RAM", "ACPI reclaimable", "ACPI NVS", "firmware", "unusable", "MMIO", "persistent",
}

// String is the type's name, as in "ACPI reclaimable".
func (t MemoryType) String() string {
	if t < memoryTypes {
		return memoryTypeNames[t]
	}
	return fmt.Sprintf("memory type %d", uint8(t))
}

// Region is a range of one type.
type Region struct {
	Range Range
	Type  MemoryType
}

// String prints the region as "[0x0, 0x9f000) RAM".
func (r Region) String() string { return fmt.Sprintf("%v %v", r.Range, r.Type) }

// OverlapError says that two regions of a memory map claim the same bytes.
type OverlapError struct {
	First, Second Region
}

func (e *OverlapError) Error() string {
	return fmt.Sprintf("memory map: %v overlaps %v", e.First, e.Second)
}

// MemoryMap is what a machine's physical address space is made of: regions in
// ascending order, none empty, none overlapping, neighbours of one type joined.
// Addresses in no region are unknown. The zero value is the empty map. A
// MemoryMap does not change; its methods return new ones.
type MemoryMap struct {
	regions []Region
}

// NewMemoryMap makes a map of regions in any order. Empty regions are left out,
// as firmware has them. Regions that overlap, even of one type, are an
// *OverlapError: which of them is right is not for this package to guess.
func NewMemoryMap(regions ...Region) (MemoryMap, error) {
	sorted := make([]Region, 0, len(regions))
	for _, r := range regions {
		if r.Range.IsEmpty() {
			continue
		}
		if r.Range.End > MaxAddress {
			return MemoryMap{}, fmt.Errorf("memory map: %v reaches beyond %v", r, MaxAddress)
		}
		if r.Type >= memoryTypes {
			return MemoryMap{}, fmt.Errorf("memory map: %v: no such type", r)
		}
		sorted = append(sorted, r)
	}
	slices.SortStableFunc(sorted, func(a, b Region) int {
		switch {
		case a.Range.Start < b.Range.Start:
			return -1
		case a.Range.Start > b.Range.Start:
			return 1
		}
		return 0
	})
	for i := 1; i < len(sorted); i++ {
		if sorted[i].Range.Start < sorted[i-1].Range.End {
			return MemoryMap{}, &OverlapError{sorted[i-1], sorted[i]}
		}
	}
	return MemoryMap{joinRegions(sorted)}, nil
}

// joinRegions joins, in place, neighbours of one type in an ascending list.
func joinRegions(sorted []Region) []Region {
	joined := sorted[:0]
	for _, r := range sorted {
		if last := len(joined) - 1; last >= 0 && joined[last].Type == r.Type && joined[last].Range.End == r.Range.Start {
			joined[last].Range.End = r.Range.End
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// Regions is a copy of the map's regions in ascending order.
func (m MemoryMap) Regions() []Region { return slices.Clone(m.regions) }

// Lookup is the region that contains a.
func (m MemoryMap) Lookup(a Address) (Region, bool) {
	i, found := slices.BinarySearchFunc(m.regions, a, func(r Region, a Address) int {
		switch {
		case r.Range.End <= a:
			return -1
		case r.Range.Start > a:
			return 1
		}
		return 0
	})
	if !found {
		return Region{}, false
	}
	return m.regions[i], true
}

// OfType is the set of all addresses of the given types.
func (m MemoryMap) OfType(types ...MemoryType) Ranges {
	list := Ranges{}
	for _, r := range m.regions {
		if slices.Contains(types, r.Type) {
			list = append(list, r.Range)
		}
	}
	return mergeSorted(list) // regions of different types may touch
}

// RAM is the set of addresses that are free for the operating system.
func (m MemoryMap) RAM() Ranges { return m.OfType(MemoryRAM) }

// Known is the set of addresses that are in any region.
func (m MemoryMap) Known() Ranges {
	list := make(Ranges, 0, len(m.regions))
	for _, r := range m.regions {
		list = append(list, r.Range)
	}
	return mergeSorted(list)
}

// With is the map with all of region's range given region's type, whatever was
// there before.
func (m MemoryMap) With(region Region) (MemoryMap, error) {
	if region.Range.IsEmpty() {
		return m, nil
	}
	changed := make([]Region, 0, len(m.regions)+2)
	for _, r := range m.regions {
		for _, rest := range (Ranges{r.Range}).Minus(Ranges{region.Range}) {
			changed = append(changed, Region{rest, r.Type})
		}
	}
	return NewMemoryMap(append(changed, region)...)
}

// Restrict is the map with everything outside of keep left out.
func (m MemoryMap) Restrict(keep Ranges) MemoryMap {
	var kept []Region
	for _, r := range m.regions {
		for _, part := range (Ranges{r.Range}).Intersect(keep) {
			kept = append(kept, Region{part, r.Type})
		}
	}
	return MemoryMap{kept}
}

// String prints one region a line.
func (m MemoryMap) String() string {
	lines := make([]string, len(m.regions))
	for i, r := range m.regions {
		lines[i] = r.String()
	}
	return strings.Join(lines, "\n")
}
