package handoff

import "github.com/seed64aab995/rescuekernel/physmem"

// MaxPCI is the most configuration spaces in a block.
const MaxPCI = 64

// PCISpace is a memory-mapped configuration space of PCI (ECAM; PCI Express Base
// 5.0, 7.2.2): 4 KiB a function, 1 MiB a bus.
type PCISpace struct {
	Base     physmem.Address // where bus 0 would be
	Segment  uint16
	FirstBus uint8
	LastBus  uint8
}

func (b *Block) validatePCI() error {
	if len(b.PCI) > MaxPCI {
		return &BlockError{"PCI", ErrTooLarge}
	}
	for i, p := range b.PCI {
		if !p.Base.IsAligned(PageSize) || p.FirstBus > p.LastBus || p.Base > physmem.MaxAddress-256<<20 {
			return invalid("PCI", "entry %d: buses %d to %d at %v", i, p.FirstBus, p.LastBus, p.Base)
		}
	}
	return nil
}

func (e *encoder) pci(list []PCISpace) {
	e.count(len(list))
	for _, p := range list {
		e.u64(uint64(p.Base))
		e.u32(uint32(p.Segment), uint32(p.FirstBus)|uint32(p.LastBus)<<8)
	}
}

func (d *decoder) pci() PCISpace {
	p := PCISpace{Base: physmem.Address(d.u64()), Segment: uint16(d.u32())}
	buses := d.u32()
	p.FirstBus, p.LastBus = uint8(buses), uint8(buses>>8)
	return p
}
