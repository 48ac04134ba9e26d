package pci

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrNoBAR says that a function has no such base address register, or that
// nothing has been assigned to it.
var ErrNoBAR = errors.New("no base address")

// BAR is what a base address register says.
type BAR struct {
	IO           bool   // I/O ports; else memory
	Wide         bool   // 64 bits: it takes the next register too
	Prefetchable bool   // reads have no side effects
	Address      uint64 // 0: not assigned
}

// bars is how many base address registers the function has.
func (f *Function) bars() int {
	switch f.Configuration.Read8(RegisterHeaderType) & HeaderTypeMask {
	case HeaderTypeGeneral:
		return BARs
	case HeaderTypeBridge:
		return BARsOfBridge
	}
	return 0
}

// BAR reads base address register i.
func (f *Function) BAR(i int) (BAR, error) {
	if i < 0 || i >= BARs {
		return BAR{}, fmt.Errorf("PCI %v BAR %d: %w", f.Address, i, ErrNoBAR)
	}
	at := uint64(RegisterBAR + 4*i)
	low := f.Configuration.Read32(at)
	if low&BARIO != 0 {
		return BAR{IO: true, Address: uint64(low & BARIOMask)}, nil
	}
	b := BAR{Prefetchable: low&BARPrefetchable != 0, Address: uint64(low & BARMemoryMask)}
	if low&BARTypeMask == BARType64 {
		if i+1 >= BARs {
			return BAR{}, fmt.Errorf("PCI %v BAR %d: 64 bits in the last register: %w", f.Address, i, ErrNoBAR)
		}
		b.Wide = true
		b.Address |= uint64(f.Configuration.Read32(at+4)) << 32
	}
	return b, nil
}

// SizeBAR finds out how large BAR i is, by writing ones to it (6.2.5.1), while
// the function answers to no address. 0: it is not implemented.
func (f *Function) SizeBAR(i int) (uint64, error) {
	if i < 0 || i >= f.bars() {
		return 0, fmt.Errorf("PCI %v BAR %d: %w", f.Address, i, ErrNoBAR)
	}
	b, err := f.BAR(i)
	if err != nil {
		return 0, err
	}
	command := f.Configuration.Read16(RegisterCommand)
	f.Configuration.Write16(RegisterCommand, command&^(CommandIO|CommandMemory))
	defer f.Configuration.Write16(RegisterCommand, command)

	probe := func(at uint64) uint32 {
		old := f.Configuration.Read32(at)
		f.Configuration.Write32(at, 0xffff_ffff)
		mask := f.Configuration.Read32(at)
		f.Configuration.Write32(at, old)
		return mask
	}
	at := uint64(RegisterBAR + 4*i)
	low := probe(at)
	switch {
	case low == 0:
		return 0, nil
	case b.IO: // the upper half may be fixed to zero
		return uint64(-(low & BARIOMask) & 0xffff), nil
	case !b.Wide:
		return uint64(-(low & BARMemoryMask)), nil
	}
	return -(uint64(probe(at+4))<<32 | uint64(low&BARMemoryMask)), nil
}

// SetBAR assigns an address, for a board without firmware that has done so.
func (f *Function) SetBAR(i int, address uint64) error {
	b, err := f.BAR(i)
	switch {
	case err != nil:
		return err
	case !b.Wide && address>>32 != 0:
		return fmt.Errorf("PCI %v BAR %d: %#x does not fit 32 bits: %w", f.Address, i, address, ErrNoBAR)
	}
	f.Configuration.Write32(uint64(RegisterBAR+4*i), uint32(address))
	if b.Wide {
		f.Configuration.Write32(uint64(RegisterBAR+4*i+4), uint32(address>>32))
	}
	return nil
}

// Registers gives the registers of a part of what a BAR, which must have an
// address, names. The caller has enabled CommandIO or CommandMemory.
func (b BAR) Registers(bus device.Bus, offset, size uint64) (device.Registers, error) {
	start := b.Address + offset
	limit := uint64(physmem.MaxAddress)
	if b.IO {
		limit = 1 << 16
	}
	if b.Address == 0 || size == 0 || start < offset || start >= limit || size > limit-start {
		return nil, fmt.Errorf("BAR at %#x, offset %#x size %#x: %w", b.Address, offset, size, ErrNoBAR)
	}
	if b.IO {
		return bus.Ports(uint16(start), uint16(size))
	}
	return bus.Memory(physmem.Range{Start: physmem.Address(start), End: physmem.Address(start + size)})
}
