package pci

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrAddress says that a configuration space does not reach an address.
var ErrAddress = errors.New("address is not in this configuration space")

// Space gives the configuration registers of functions.
type Space interface {
	// Configuration are the registers of the function at an address, whether
	// there is one or not: where there is none, all bits read as ones.
	Configuration(a Address) (device.Registers, error)
}

// Ports is configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2): segment 0,
// the first 256 bytes of each function. An access is a write to one port and
// an access to another; nobody else may use the ports in between.
type Ports struct{ registers device.Registers }

var _ Space = (*Ports)(nil)

// PortCount is how many I/O ports mechanism 1 has, from PortAddress on.
const PortCount = 8

// NewPorts makes a space of the I/O ports from PortAddress on, PortCount of them.
func NewPorts(r device.Registers) *Ports { return &Ports{r} }

// Configuration implements Space.
func (p *Ports) Configuration(a Address) (device.Registers, error) {
	if a.Segment() != 0 {
		return nil, fmt.Errorf("PCI %v by I/O ports: %w", a, ErrAddress)
	}
	return &portFunction{p.registers, PortAddressEnable | uint32(a&0x00ff_ff00)}, nil
}

// portFunction is the configuration of one function by mechanism 1.
type portFunction struct {
	registers device.Registers
	address   uint32
}

// selectRegister puts a register into the data port, and returns where its byte
// is there.
func (f *portFunction) selectRegister(offset, width uint64) (data uint64, ok bool) {
	if offset >= ConfigurationSize || offset&(width-1) != 0 {
		return 0, false
	}
	f.registers.Write32(0, f.address|uint32(offset)&^3)
	return PortData - PortAddress + offset&3, true
}

func (f *portFunction) Read8(offset uint64) uint8 {
	if at, ok := f.selectRegister(offset, 1); ok {
		return f.registers.Read8(at)
	}
	return 0xff
}

func (f *portFunction) Read16(offset uint64) uint16 {
	if at, ok := f.selectRegister(offset, 2); ok {
		return f.registers.Read16(at)
	}
	return 0xffff
}

func (f *portFunction) Read32(offset uint64) uint32 {
	if at, ok := f.selectRegister(offset, 4); ok {
		return f.registers.Read32(at)
	}
	return 0xffff_ffff
}

func (f *portFunction) Read64(offset uint64) uint64 {
	low := f.Read32(offset)
	return uint64(f.Read32(offset+4))<<32 | uint64(low)
}

func (f *portFunction) Write8(offset uint64, v uint8) {
	if at, ok := f.selectRegister(offset, 1); ok {
		f.registers.Write8(at, v)
	}
}

func (f *portFunction) Write16(offset uint64, v uint16) {
	if at, ok := f.selectRegister(offset, 2); ok {
		f.registers.Write16(at, v)
	}
}

func (f *portFunction) Write32(offset uint64, v uint32) {
	if at, ok := f.selectRegister(offset, 4); ok {
		f.registers.Write32(at, v)
	}
}

func (f *portFunction) Write64(offset uint64, v uint64) {
	f.Write32(offset, uint32(v))
	f.Write32(offset+4, uint32(v>>32))
}

// ECAM is memory-mapped configuration space (PCI Express 3.0, 7.2.2), as ACPI's
// MCFG table or a device tree's pci-host-ecam-generic node names it.
type ECAM struct {
	// Base is where bus 0 would be: MCFG's base address, and that of a device
	// tree's reg minus the first bus's megabytes.
	Base      physmem.Address
	Segment   uint16
	FirstBus  uint8
	LastBus   uint8
	Registers device.Bus
}

var _ Space = ECAM{}

// Configuration implements Space. It maps the function's 4 KiB.
func (e ECAM) Configuration(a Address) (device.Registers, error) {
	if a.Segment() != e.Segment || a.Bus() < e.FirstBus || a.Bus() > e.LastBus {
		return nil, fmt.Errorf("PCI %v by ECAM: segment %d, buses %d to %d: %w", a, e.Segment, e.FirstBus, e.LastBus, ErrAddress)
	}
	start := e.Base + physmem.Address(a&0x00ff_ff00)<<4
	r, err := e.Registers.Memory(physmem.Range{Start: start, End: start + ExtendedConfigurationSize})
	if err != nil {
		return nil, fmt.Errorf("PCI %v by ECAM: %w", a, err)
	}
	return r, nil
}
