package main

import (
	"fmt"
	"io"
	"time"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/uart"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// diskOptions: what is in flight while the next frame is compressed. A disk that
// does not answer in that time is given up.
var diskOptions = virtio.Options{Depth: 4, BufferSize: 64 << 10, Timeout: 3 * time.Second, PreferLegacy: true}

// fewFrames is where memory is so short that the disk gets less of it: 4 MiB.
const fewFrames = 4 << 20 / handoff.PageSize

// disks opens one disk at a time, always with the same memory.
type disks struct {
	recorded []handoff.PCISpace // in the hand-off block

	memory device.Region
	block  *virtio.Block
}

// open opens the disk of a target.
func (d *disks) open(memory physmem.Viewer, t handoff.Target) (target.Device, error) {
	if err := d.close(); err != nil {
		return nil, err // it may still reach the memory
	}
	o := diskOptions
	if s, err := kernel.Stats(); err == nil && s.FramesTotal < fewFrames {
		o.Depth = 2 // one goes to the disk while the next is filled
	}
	if d.memory.Memory == nil {
		r, err := kernel.Allocate(o.MemorySize(), handoff.PageSize)
		if err != nil {
			return nil, fmt.Errorf("memory for a disk: %w", err)
		}
		d.memory = device.Region{Memory: memory.ViewPhysical(r), Address: r.Start}
	}
	o.Memory = d.memory
	transport, err := openTransport(d.recorded, t, o)
	if err != nil {
		return nil, err
	}
	if d.block, err = virtio.NewBlock(transport, o); err != nil {
		d.block = nil
		return nil, err
	}
	if d.block.ReadOnly() {
		return nil, virtio.ErrReadOnly
	}
	return &disk{Block: d.block, pipeline: d.block.Pipeline()}, nil
}

// close resets the disk that is open, if one is.
func (d *disks) close() error {
	if d.block == nil {
		return nil
	}
	err := d.block.Close()
	d.block = nil
	return err
}

// configuration is the PCI configuration space that has an address: one of those
// that the host has recorded, or I/O ports.
func configuration(recorded []handoff.PCISpace, a pci.Address) (pci.Space, error) {
	for _, s := range recorded {
		if s.Segment == a.Segment() && a.Bus() >= s.FirstBus && a.Bus() <= s.LastBus {
			return pci.ECAM{Base: s.Base, Segment: s.Segment, FirstBus: s.FirstBus, LastBus: s.LastBus, Registers: bus}, nil
		}
	}
	return ports()
}

// openTransport reaches a disk where the host has recorded it.
func openTransport(recorded []handoff.PCISpace, t handoff.Target, o virtio.Options) (virtio.Transport, error) {
	switch t.Bus {
	case handoff.BusPCI:
		space, err := configuration(recorded, pci.Address(t.Address))
		if err != nil {
			return nil, err
		}
		function, err := pci.Find(space, pci.Address(t.Address), virtio.IsPCIBlock)
		if err != nil {
			return nil, err
		}
		return virtio.OpenPCI(bus, function, o)
	case handoff.BusMMIO:
		at := physmem.Address(t.Address)
		registers, err := bus.Memory(physmem.Range{Start: at, End: at + virtio.MMIOSize})
		if err != nil {
			return nil, err
		}
		return virtio.NewMMIO(registers)
	}
	return nil, fmt.Errorf("bus %d of a disk: %w", t.Bus, device.ErrNoBus)
}

// disk writes behind: while it writes, the program goes on.
type disk struct {
	*virtio.Block
	pipeline *virtio.Pipeline
}

// ReadAt reads what was written before.
func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	if err := d.pipeline.Drain(); err != nil {
		return 0, err
	}
	return d.Block.ReadAt(p, off)
}

// WriteAt queues a write.
func (d *disk) WriteAt(p []byte, off int64) (int, error) { return d.pipeline.WriteAt(p, off) }

// Flush waits for all writes.
func (d *disk) Flush() error { return d.pipeline.Flush() }

// openSerial is capture.Options.Serial.
func (p *program) openSerial(t handoff.Target) (io.Writer, error) {
	o := uart.Options{Speed: t.Speed}
	switch t.Bus {
	case handoff.BusPort:
		registers, err := bus.Ports(uint16(t.Address), uart.Ports)
		if err != nil {
			return nil, err
		}
		return uart.NewNS16550(registers, o)
	case handoff.BusMMIO:
		at := physmem.Address(t.Address)
		registers, err := bus.Memory(physmem.Range{Start: at, End: at + handoff.PageSize})
		if err != nil {
			return nil, err
		}
		return uart.NewPL011(registers, o)
	}
	return nil, fmt.Errorf("bus %d of a serial line: %w", t.Bus, device.ErrNoBus)
}
