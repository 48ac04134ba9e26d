package fdt

import (
	"errors"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// collect reads all nodes that are available and compatible with any of names.
// Nodes that cannot be read are left out; the error joins why.
func collect[T any](t *Tree, read func(n *Node, compatible string) (T, error), names ...string) ([]T, error) {
	var list []T
	var failed []error
	for n := range t.Nodes() {
		compatible := n.compatibleName(names)
		if compatible == "" || !n.IsAvailable() {
			continue
		}
		if one, err := read(n, compatible); err != nil {
			failed = append(failed, err)
		} else {
			list = append(list, one)
		}
	}
	return list, errors.Join(failed...)
}

// firstRegisters is the node's registers, at least count of them, and none of
// those empty.
func (n *Node) firstRegisters(count int) ([]physmem.Range, error) {
	registers, err := n.Reg()
	if err != nil {
		return nil, err
	}
	if len(registers) < count {
		return nil, n.failed("reg", "%w: %d registers, want %d", ErrValue, len(registers), count)
	}
	for i, r := range registers[:count] {
		if r.IsEmpty() {
			return nil, n.failed("reg", "%w: register %d at %v has no bytes", ErrRange, i, r.Start)
		}
	}
	return registers, nil
}

// optional is a property of one cell, or otherwise where there is none.
func (n *Node) optional(name string, otherwise uint32) (uint32, error) {
	if !n.Has(name) {
		return otherwise, nil
	}
	return n.Uint32(name)
}

// Serial is a serial port.
type Serial struct {
	Node       *Node
	Compatible string // what it is: one of the names that SerialPorts knows
	Registers  physmem.Range
	// Shift is the distance of registers as a power of two, Width the bytes
	// that an access must have.
	Shift, Width uint32
	// Clock is in Hz, Speed in baud, as the boot loader left it; 0 if the
	// tree does not say.
	Clock, Speed uint32
}

// Names of serial ports that SerialPorts knows.
const (
	PL011    = "arm,pl011"
	SBSAUART = "arm,sbsa-uart" // a PL011 that firmware has set up
	NS16550A = "ns16550a"
	NS16550  = "ns16550"
	DWUART   = "snps,dw-apb-uart" // a 16550 with registers of 32 bits
)

// SerialPorts is the serial ports that are available. Which of them is the
// console tells Console.
func (t *Tree) SerialPorts() ([]Serial, error) {
	return collect(t, (*Node).serial, PL011, SBSAUART, NS16550A, NS16550, DWUART)
}

func (n *Node) serial(compatible string) (Serial, error) {
	s := Serial{Node: n, Compatible: compatible}
	registers, err := n.firstRegisters(1)
	if err != nil {
		return s, err
	}
	s.Registers = registers[0]
	width := uint32(1)
	if compatible == PL011 || compatible == SBSAUART {
		width = 4
	}
	for _, field := range []struct {
		name      string
		otherwise uint32
		out       *uint32
	}{
		{"reg-shift", 0, &s.Shift},
		{"reg-io-width", width, &s.Width},
		{"clock-frequency", 0, &s.Clock},
		{"current-speed", 0, &s.Speed},
	} {
		if *field.out, err = n.optional(field.name, field.otherwise); err != nil {
			return s, err
		}
	}
	if s.Shift > 3 || s.Width != 1 && s.Width != 2 && s.Width != 4 {
		return s, n.failed("reg-shift", "%w: %d, with reg-io-width %d", ErrValue, s.Shift, s.Width)
	}
	return s, nil
}

// VirtioMMIO is a virtio transport in memory (Virtio 1.2, 4.2.1). There may be
// no device behind it.
type VirtioMMIO struct {
	Node      *Node
	Registers physmem.Range
	Coherent  bool // the device's accesses are seen by caches
}

// VirtioMMIO is the virtio transports that are available, in the tree's order.
func (t *Tree) VirtioMMIO() ([]VirtioMMIO, error) {
	return collect(t, (*Node).virtio, "virtio,mmio")
}

func (n *Node) virtio(string) (VirtioMMIO, error) {
	registers, err := n.firstRegisters(1)
	if err != nil {
		return VirtioMMIO{}, err
	}
	return VirtioMMIO{n, registers[0], n.Has("dma-coherent")}, nil
}
