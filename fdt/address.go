package fdt

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// How many entries reg and ranges may have. Every address below a bus is looked
// for in all of its ranges.
const (
	maxRegisters = 1024
	maxRanges    = 256
)

// Cells of an address (2.3.5): three on PCI, and nobody has more.
const (
	maxAddressCells     = 3
	maxSizeCells        = 2
	defaultAddressCells = 2
	defaultSizeCells    = 1
)

// AddressCells is how many cells an address has in the reg of n's children. It
// is not inherited from above (Devicetree Specification 0.4, 2.3.5): without
// the property there are 2.
func (n *Node) AddressCells() (int, error) {
	return n.cellCount("#address-cells", defaultAddressCells, maxAddressCells)
}

// SizeCells is how many cells a size has in the reg of n's children; 1 without
// the property.
func (n *Node) SizeCells() (int, error) {
	return n.cellCount("#size-cells", defaultSizeCells, maxSizeCells)
}

func (n *Node) cellCount(name string, otherwise, most uint32) (int, error) {
	if !n.Has(name) {
		return int(otherwise), nil
	}
	count, err := n.Uint32(name)
	if err == nil && count > most {
		err = n.failed(name, "%w: %d, at most %d", ErrValue, count, most)
	}
	return int(count), err
}

// cells is the shape of addresses on a bus.
type cells struct{ address, size int }

func (n *Node) cells() (cells, error) {
	address, err := n.AddressCells()
	if err != nil {
		return cells{}, err
	}
	size, err := n.SizeCells()
	return cells{address, size}, err
}

// busAddress is an address on a bus: of three cells the first is what PCI calls
// phys.hi, with the space and flags.
type busAddress struct {
	high  uint32
	value uint64
}

// takeAddress reads an address of count cells.
func takeAddress(value []byte, count int) (busAddress, []byte) {
	var a busAddress
	if count == maxAddressCells {
		a.high = binary.BigEndian.Uint32(value)
		value = value[4:]
		count--
	}
	for range count {
		a.value = a.value<<32 | uint64(binary.BigEndian.Uint32(value))
		value = value[4:]
	}
	return a, value
}

// Reg is the node's registers, in order, at the addresses that the CPU sees. A
// bus that does not translate all of a register is an ErrTranslation. Where the
// bus has no sizes, ranges are empty. The node must have the property.
func (n *Node) Reg() ([]physmem.Range, error) { return n.registers("reg") }

// registers reads a property in the format of reg.
func (n *Node) registers(name string) ([]physmem.Range, error) {
	value, err := n.get(name)
	if err != nil {
		return nil, err
	}
	if n.parent == nil {
		return nil, n.failed(name, "%w: the root is on no bus", ErrTranslation)
	}
	shape, err := n.parent.cells()
	if err != nil {
		return nil, err
	}
	size := 4 * (shape.address + shape.size)
	if size == 0 || len(value)%size != 0 || len(value)/size > maxRegisters {
		return nil, n.failed(name, "%w: %d bytes, not in entries of %d, at most %d", ErrValue, len(value), size, maxRegisters)
	}
	way, err := n.parent.route()
	if err != nil {
		return nil, &PropertyError{n.Path(), name, err}
	}
	ranges := make([]physmem.Range, 0, len(value)/size)
	for len(value) > 0 {
		var address, length busAddress
		address, value = takeAddress(value, shape.address)
		length, value = takeAddress(value, shape.size)
		r, err := way.translate(address, length.value)
		if err != nil {
			return nil, &PropertyError{n.Path(), name, err}
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// route is the buses from a node up to the root, but for those that have the
// same addresses on both sides.
type route []bridge

// bridge is a bus whose ranges say how its addresses look from above.
type bridge struct {
	node   *Node
	ranges []byte
	child  cells
	parent int // cells of an address
	pci    bool
}

// route is the way from bus n up.
func (n *Node) route() (route, error) {
	var way route
	for bus := n; bus.parent != nil; bus = bus.parent {
		value, ok := bus.Get("ranges")
		if !ok && !bus.isReservedMemory() {
			return nil, fmt.Errorf("%w: %s has no ranges", ErrTranslation, bus.Path())
		}
		if len(value) == 0 {
			continue
		}
		b := bridge{node: bus, ranges: value, pci: bus.isPCI()}
		var err error
		if b.child, err = bus.cells(); err != nil {
			return nil, err
		}
		if b.parent, err = bus.parent.AddressCells(); err != nil {
			return nil, err
		}
		if size := b.entry(); size == 0 || len(value)%size != 0 || len(value)/size > maxRanges {
			return nil, bus.failed("ranges", "%w: %d bytes, not in entries of %d, at most %d", ErrValue, len(value), size, maxRanges)
		}
		way = append(way, b)
	}
	return way, nil
}

// translate is where the CPU sees size bytes that begin at an address at the
// route's lower end.
func (way route) translate(address busAddress, size uint64) (physmem.Range, error) {
	for i := range way {
		above, ok := way[i].translate(address, size)
		if !ok {
			return physmem.Range{}, fmt.Errorf("%w: %#x bytes at %#x, in no ranges of %s", ErrTranslation, size, address.value, way[i].node.Path())
		}
		address = above
	}
	r, ok := physmem.NewRange(physmem.Address(address.value), size)
	if !ok || address.high != 0 {
		return physmem.Range{}, fmt.Errorf("%w: %#x bytes at %#x %#x", ErrRange, size, address.high, address.value)
	}
	return r, nil
}

// entry is the size of one entry of ranges in bytes.
func (b *bridge) entry() int { return 4 * (b.child.address + b.parent + b.child.size) }

// translate is the address on the upper side, if one entry of ranges has all of
// size bytes.
func (b *bridge) translate(a busAddress, size uint64) (busAddress, bool) {
	for value := b.ranges; len(value) > 0; {
		var child, parent, length busAddress
		child, value = takeAddress(value, b.child.address)
		parent, value = takeAddress(value, b.parent)
		length, value = takeAddress(value, b.child.size)
		if b.pci && pciSpaceOf(a.high) != pciSpaceOf(child.high) || !b.pci && a.high != child.high {
			continue
		}
		offset := a.value - child.value
		// An address without a size is one byte's.
		if a.value < child.value || offset >= length.value || size > length.value-offset {
			continue
		}
		return busAddress{parent.high, parent.value + offset}, true
	}
	return a, false
}

// SetReg sets reg to ranges, in the cells of the node's bus. It works where the
// buses above show their addresses to the CPU as they are.
func (n *Node) SetReg(ranges ...physmem.Range) error {
	if n.parent == nil {
		return n.failed("reg", "%w: the root is on no bus", ErrTranslation)
	}
	value, err := n.parent.appendRanges(nil, ranges)
	if err != nil {
		return &PropertyError{n.Path(), "reg", err}
	}
	changed := &Node{name: n.name, parent: n.parent, properties: []property{{"reg", value}}}
	seen, err := changed.Reg()
	if err != nil {
		return err
	}
	for i, r := range ranges {
		if seen[i] != r && !(r.IsEmpty() && seen[i].IsEmpty()) {
			return n.failed("reg", "%w: %v is not seen there, but as %v", ErrTranslation, r, seen[i])
		}
	}
	return n.Set("reg", value)
}

// appendRanges appends ranges in the cells of n's children.
func (n *Node) appendRanges(dst []byte, ranges []physmem.Range) ([]byte, error) {
	shape, err := n.cells()
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		start, size := uint64(r.Start), r.Size()
		if !fits(start, shape.address) || !fits(size, shape.size) {
			return nil, fmt.Errorf("%w: %v does not fit in %d cells and %d", ErrRange, r, shape.address, shape.size)
		}
		dst = appendCells(appendCells(dst, start, shape.address), size, shape.size)
	}
	return dst, nil
}

// fits reports whether value can be written in count cells.
func fits(value uint64, count int) bool {
	return count >= 2 || value>>(32*count) == 0
}

func appendCells(dst []byte, value uint64, count int) []byte {
	for i := count - 1; i >= 0; i-- {
		dst = binary.BigEndian.AppendUint32(dst, uint32(value>>(32*i)))
	}
	return dst
}
