package fdt

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Memory is one memory node.
type Memory struct {
	Node *Node
	// Banks are the ranges of linux,usable-memory where the node has it, of
	// reg if not, in their order. Banks of no bytes are left out.
	Banks []physmem.Range
	// Hotpluggable says that the memory may be taken away.
	Hotpluggable bool
}

// ReservedMemory is a child of /reserved-memory (Devicetree Specification 0.4,
// 3.5), or an entry of the memory reservation block.
type ReservedMemory struct {
	Node   *Node           // nil: an entry of the block
	Ranges []physmem.Range // empty: whoever boots shall find a place (size, alignment, alloc-ranges)
	// NoMap says that the memory must not even be mapped.
	NoMap bool
	// Reusable says that the operating system may use the memory for itself
	// as long as it can give it back. So it is RAM.
	Reusable bool
}

// isMemory reports whether n describes memory. The specification (3.4) asks for
// a child of the root with a device_type; kernels before Linux 5.18 take the
// device_type anywhere, and some trees have only the name.
func (n *Node) isMemory() bool {
	if n.deviceType() == "memory" {
		return n.parent != nil
	}
	return n.parent != nil && n.parent.parent == nil && n.BaseName() == "memory"
}

// Memory is the memory nodes that are available and have banks, in the tree's
// order. Memory on a bus that the CPU does not see is not listed.
func (t *Tree) Memory() ([]Memory, error) {
	var list []Memory
	for n := range t.where((*Node).isMemory) {
		if !n.IsAvailable() {
			continue // as QEMU's memory of the secure world
		}
		property := "reg"
		if n.Has("linux,usable-memory") {
			property = "linux,usable-memory"
		}
		if !n.Has(property) {
			continue // for the boot loader to fill in
		}
		banks, err := n.registers(property)
		if err != nil && n.parent.parent != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		m := Memory{Node: n, Hotpluggable: n.Has("hotpluggable")}
		for _, bank := range banks {
			if !bank.IsEmpty() {
				m.Banks = append(m.Banks, bank)
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// ReservedMemory is the memory reservation block's entries and the children of
// /reserved-memory that are available, in the tree's order.
func (t *Tree) ReservedMemory() ([]ReservedMemory, error) {
	var list []ReservedMemory
	for i, e := range t.ReserveEntries {
		r, ok := physmem.NewRange(physmem.Address(e.Address), e.Size)
		if !ok {
			return nil, fmt.Errorf("device tree: entry %d of reserved memory: %w: %#x bytes at %#x", i, ErrRange, e.Size, e.Address)
		}
		list = append(list, ReservedMemory{Ranges: []physmem.Range{r}})
	}
	parent, ok := t.reservedMemory()
	if !ok {
		return list, nil
	}
	for n := range parent.Children() {
		if !n.IsAvailable() {
			continue
		}
		r := ReservedMemory{Node: n, NoMap: n.Has("no-map"), Reusable: n.Has("reusable")}
		if n.Has("reg") {
			var err error
			if r.Ranges, err = n.Reg(); err != nil {
				return nil, err
			}
		}
		list = append(list, r)
	}
	return list, nil
}

func (t *Tree) reservedMemory() (*Node, bool) { return t.root.Child("reserved-memory") }

// isReservedMemory is for nodes that lack the ranges that they must have: what
// they reserve counts nevertheless.
func (n *Node) isReservedMemory() bool {
	return n.name == "reserved-memory" && n.parent.parent == nil
}

// MemoryMap is what the tree says about the physical address space: RAM is what
// any memory node has and nothing reserves, whatever else overlaps. Reserved
// is what /reserved-memory (but for reusable memory, which is RAM) and the
// memory reservation block hold, in RAM or not. Devices are not in the map.
func (t *Tree) MemoryMap() (physmem.MemoryMap, error) {
	memory, err := t.Memory()
	if err != nil {
		return physmem.MemoryMap{}, err
	}
	reserved, err := t.ReservedMemory()
	if err != nil {
		return physmem.MemoryMap{}, err
	}
	var banks, kept []physmem.Range
	for _, m := range memory {
		banks = append(banks, m.Banks...)
	}
	for _, r := range reserved {
		// Both properties contradict each other: no-map is the safe one.
		if !r.Reusable || r.NoMap {
			kept = append(kept, r.Ranges...)
		}
	}
	keptSet := physmem.NewRanges(kept...)
	var regions []physmem.Region
	for _, r := range physmem.NewRanges(banks...).Minus(keptSet) {
		regions = append(regions, physmem.Region{Range: r, Type: physmem.MemoryRAM})
	}
	for _, r := range keptSet {
		regions = append(regions, physmem.Region{Range: r, Type: physmem.MemoryReserved})
	}
	m, err := physmem.NewMemoryMap(regions...)
	if err != nil {
		return physmem.MemoryMap{}, fmt.Errorf("device tree: %w", err)
	}
	return m, nil
}
