package fdt

import (
	"github.com/seed64aab995/rescuekernel/physmem"
)

// PCISpace is an address space of PCI (IEEE 1275 PCI Bus Binding 2.1, 2.2.1.1:
// bits 24 and 25 of phys.hi; memory with addresses of 32 bits and of 64 is one
// space).
type PCISpace uint8

// Spaces.
const (
	PCIConfiguration PCISpace = iota
	PCIIO
	PCIMemory
)

const prefetchable = 1 << 30 // of phys.hi

func pciSpaceOf(high uint32) PCISpace { return PCISpace(min(high>>24&3, uint32(PCIMemory))) }

// String is the space's name.
func (s PCISpace) String() string {
	switch s {
	case PCIConfiguration:
		return "configuration"
	case PCIIO:
		return "I/O"
	case PCIMemory:
		return "memory"
	}
	return "unknown"
}

// PCIWindow is a part of the CPU's address space that a host bridge shows to its
// bus.
type PCIWindow struct {
	Space        PCISpace
	Prefetchable bool
	Address      uint64 // on the bus, of the window's first byte
	Range        physmem.Range
}

// PCIHost is a host bridge whose configuration space is in memory: ECAM, with
// 4 KiB a function and 1 MiB a bus (PCI Express Base 5.0, 7.2.2).
type PCIHost struct {
	Node     *Node
	ECAM     physmem.Range // begins with bus FirstBus
	FirstBus uint8
	LastBus  uint8 // for which there is room in ECAM
	Domain   uint32
	Windows  []PCIWindow
	Coherent bool // devices' accesses are seen by caches
}

const busSize = 1 << 20

// PCIHosts is the ECAM host bridges that are available.
func (t *Tree) PCIHosts() ([]PCIHost, error) {
	return collect(t, (*Node).pciHost, "pci-host-ecam-generic")
}

func (n *Node) isPCI() bool {
	kind := n.deviceType()
	return kind == "pci" || kind == "pciex"
}

func (n *Node) pciHost(string) (PCIHost, error) {
	h := PCIHost{Node: n, LastBus: 255, Coherent: n.Has("dma-coherent")}
	registers, err := n.firstRegisters(1)
	if err != nil {
		return h, err
	}
	h.ECAM = registers[0]
	if n.Has("bus-range") {
		buses, err := n.Cells("bus-range")
		if err != nil {
			return h, err
		}
		if len(buses) != 2 || buses[0] > buses[1] || buses[1] > 255 {
			return h, n.failed("bus-range", "%w: %v", ErrValue, buses)
		}
		h.FirstBus, h.LastBus = uint8(buses[0]), uint8(buses[1])
	}
	room := h.ECAM.Size() / busSize
	if room == 0 {
		return h, n.failed("reg", "%w: %v has no room for a bus", ErrRange, h.ECAM)
	}
	if room <= uint64(h.LastBus-h.FirstBus) {
		h.LastBus = h.FirstBus + uint8(room-1)
	}
	if n.Has("linux,pci-domain") {
		if h.Domain, err = n.Uint32("linux,pci-domain"); err != nil {
			return h, err
		}
	}
	h.Windows, err = n.pciWindows()
	return h, err
}

// pciWindows reads a host bridge's ranges.
func (n *Node) pciWindows() ([]PCIWindow, error) {
	if value, _ := n.Get("ranges"); len(value) == 0 {
		return nil, nil
	}
	way, err := n.route()
	if err != nil {
		return nil, err
	}
	b := way[0]
	if b.child != (cells{maxAddressCells, maxSizeCells}) {
		return nil, n.failed("ranges", "%w: addresses of %d cells, sizes of %d on PCI", ErrValue, b.child.address, b.child.size)
	}
	var list []PCIWindow
	for value := b.ranges; len(value) > 0; {
		var child, parent, size busAddress
		child, value = takeAddress(value, b.child.address)
		parent, value = takeAddress(value, b.parent)
		size, value = takeAddress(value, b.child.size)
		r, err := way[1:].translate(parent, size.value)
		if err != nil {
			return nil, &PropertyError{n.Path(), "ranges", err}
		}
		list = append(list, PCIWindow{pciSpaceOf(child.high), child.high&prefetchable != 0, child.value, r})
	}
	return list, nil
}
