package pci_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// fabric is a model of PCI: configuration space of some functions, reached by
// I/O ports or by ECAM.
type fabric struct {
	functions map[pci.Address]*function
	selected  uint32
	accesses  int
}

// function is a model of one function: its bytes, and which bits of a BAR can be
// written.
type function struct {
	bytes [4096]byte
	bars  map[uint64]uint32 // by register: the writable bits
}

func newFunction(vendor, device uint16) *function {
	f := &function{bars: map[uint64]uint32{}}
	binary.LittleEndian.PutUint16(f.bytes[pci.RegisterVendorID:], vendor)
	binary.LittleEndian.PutUint16(f.bytes[pci.RegisterDeviceID:], device)
	return f
}

func (f *function) bridge(secondary uint8) *function {
	f.bytes[pci.RegisterHeaderType] |= pci.HeaderTypeBridge
	f.bytes[pci.RegisterSecondaryBus] = secondary
	return f
}

// capability adds one to the list, with n bytes behind its header.
func (f *function) capability(at, next, id uint8, data ...byte) *function {
	f.bytes[pci.RegisterStatus] |= pci.StatusCapabilities
	if f.bytes[pci.RegisterCapabilities] == 0 {
		f.bytes[pci.RegisterCapabilities] = at
	}
	f.bytes[at], f.bytes[at+1] = id, next
	copy(f.bytes[at+2:], data)
	return f
}

func (f *function) read(offset uint64, width int) uint64 {
	var v [8]byte
	copy(v[:width], f.bytes[offset:])
	return binary.LittleEndian.Uint64(v[:])
}

func (f *function) write(offset uint64, width int, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	if mask, ok := f.bars[offset]; ok {
		old := uint32(f.read(offset, 4))
		binary.LittleEndian.PutUint32(b[:], old&^mask|uint32(v)&mask)
	}
	copy(f.bytes[offset:], b[:width])
}

// registers are functions as device.Registers.
type registers struct {
	read  func(offset uint64, width int) uint64
	write func(offset uint64, width int, v uint64)
}

func (f registers) Read8(offset uint64) uint8       { return uint8(f.read(offset, 1)) }
func (f registers) Read16(offset uint64) uint16     { return uint16(f.read(offset, 2)) }
func (f registers) Read32(offset uint64) uint32     { return uint32(f.read(offset, 4)) }
func (f registers) Read64(offset uint64) uint64     { return f.read(offset, 8) }
func (f registers) Write8(offset uint64, v uint8)   { f.write(offset, 1, uint64(v)) }
func (f registers) Write16(offset uint64, v uint16) { f.write(offset, 2, uint64(v)) }
func (f registers) Write32(offset uint64, v uint32) { f.write(offset, 4, uint64(v)) }
func (f registers) Write64(offset uint64, v uint64) { f.write(offset, 8, v) }

const allOnes = 0xffff_ffff_ffff_ffff

// ports are 0xcf8 to 0xcff.
func (m *fabric) ports() pci.Space {
	at := func(offset uint64) (*function, uint64) {
		f := m.functions[pci.Address(m.selected&0xff_ff00)]
		if m.selected>>31 == 0 {
			f = nil
		}
		return f, uint64(m.selected&0xfc) + offset - 4
	}
	return pci.NewPorts(registers{
		read: func(offset uint64, width int) uint64 {
			m.accesses++
			if f, register := at(offset); f != nil {
				return f.read(register, width)
			}
			return allOnes
		},
		write: func(offset uint64, width int, v uint64) {
			m.accesses++
			if offset == 0 {
				m.selected = uint32(v)
			} else if f, register := at(offset); f != nil {
				f.write(register, width, v)
			}
		},
	})
}

const ecamBase = 0xe000_0000

// Memory implements device.Bus for ECAM.
func (m *fabric) Memory(r physmem.Range) (device.Registers, error) {
	f := m.functions[pci.Address(r.Start-ecamBase)>>4]
	return registers{
		read: func(offset uint64, width int) uint64 {
			m.accesses++
			if f == nil {
				return allOnes
			}
			return f.read(offset, width)
		},
		write: func(offset uint64, width int, v uint64) {
			m.accesses++
			if f != nil {
				f.write(offset, width, v)
			}
		},
	}, nil
}

func (m *fabric) Ports(base, count uint16) (device.Registers, error) {
	return nil, device.ErrNoBus
}

// spaces runs a test by ports and by ECAM.
func spaces(t *testing.T, m *fabric, test func(t *testing.T, space pci.Space)) {
	t.Run("ports", func(t *testing.T) { test(t, m.ports()) })
	t.Run("ECAM", func(t *testing.T) { test(t, pci.ECAM{Base: ecamBase, LastBus: 3, Registers: m}) })
}

func at(bus, dev, fn uint8) pci.Address { return pci.NewAddress(0, bus, dev, fn) }
