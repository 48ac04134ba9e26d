package device

import (
	"errors"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Registers are the registers of one device, at offsets in bytes.
//
// Accesses have no error, as on a bus: a read where nothing answers gives all
// ones, and a write there is lost. An access is made once and in program order,
// and with the width that was asked for, except that a bus without 64-bit
// accesses makes two of 32 bits, the lower first.
type Registers interface {
	Read8(offset uint64) uint8
	Read16(offset uint64) uint16
	Read32(offset uint64) uint32
	Read64(offset uint64) uint64
	Write8(offset uint64, v uint8)
	Write16(offset uint64, v uint16)
	Write32(offset uint64, v uint32)
	Write64(offset uint64, v uint64)
}

// Bus gives drivers the registers of devices by where they are.
type Bus interface {
	// Ports are I/O ports from base on.
	Ports(base, count uint16) (Registers, error)

	// Memory are the registers at physical addresses.
	Memory(r physmem.Range) (Registers, error)
}

// ErrNoBus says that the machine, or the program, has no access to I/O ports
// or to registers in memory.
var ErrNoBus = errors.New("no access to registers of this kind")

// Access is a Bus of the functions that a program has; package kernel's
// MapDevice, In8 and so on are such. What is nil is ErrNoBus.
type Access struct {
	PortFunctions *PortFunctions

	// Map maps physical addresses as device memory and returns the virtual
	// address of the first. The mapping must stay.
	Map func(physmem.Range) (uintptr, error)
}

var _ Bus = Access{}

// Ports implements Bus.
func (a Access) Ports(base, count uint16) (Registers, error) {
	if a.PortFunctions == nil {
		return nil, ErrNoBus
	}
	return a.PortFunctions.At(base, count), nil
}

// Memory implements Bus.
func (a Access) Memory(r physmem.Range) (Registers, error) {
	if a.Map == nil {
		return nil, ErrNoBus
	}
	address, err := a.Map(r)
	if err != nil {
		return nil, err
	}
	return NewMMIO(address, r.Size()), nil
}
