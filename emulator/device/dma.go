package device

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// errNoMemory says that a guest told its device to use addresses where there is
// no memory.
var errNoMemory = errors.New("DMA outside of memory")

// errNotMaster says that the guest has not let the PCI function use DMA.
var errNotMaster = errors.New("the PCI function is no bus master")

// dma is a device's access to memory.
type dma struct{ memory physmem.Memory }

// reach checks addresses before they are used.
func reach(address, size uint64) (physmem.Range, error) {
	r, ok := physmem.NewRange(physmem.Address(address), size)
	if !ok {
		return r, fmt.Errorf("%d bytes at %#x: %w", size, address, errNoMemory)
	}
	return r, nil
}

func (d dma) read(p []byte, address uint64) error {
	r, err := reach(address, uint64(len(p)))
	if err != nil {
		return err
	}
	if _, err := d.memory.ReadPhysical(p, r.Start); err != nil {
		return fmt.Errorf("%w: %w", errNoMemory, err)
	}
	return nil
}

func (d dma) write(p []byte, address uint64) error {
	r, err := reach(address, uint64(len(p)))
	if err != nil {
		return err
	}
	if _, err := d.memory.WritePhysical(p, r.Start); err != nil {
		return fmt.Errorf("%w: %w", errNoMemory, err)
	}
	return nil
}

func (d dma) read16(address uint64) (uint16, error) {
	var b [2]byte
	err := d.read(b[:], address)
	return binary.LittleEndian.Uint16(b[:]), err
}

func (d dma) write16(address uint64, v uint16) error {
	var b [2]byte
	binary.LittleEndian.PutUint16(b[:], v)
	return d.write(b[:], address)
}

// view is memory to read from: the memory itself where it can be lent, else a
// copy of it in buffer, which is large enough.
func (d dma) view(address uint64, size int, buffer []byte) ([]byte, error) {
	r, err := reach(address, uint64(size))
	if err != nil {
		return nil, err
	}
	if v, ok := d.memory.(physmem.Viewer); ok {
		if p := v.ViewPhysical(r); p != nil {
			return p, nil
		}
	}
	p := buffer[:size]
	return p, d.read(p, address)
}
