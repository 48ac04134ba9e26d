package main

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// candidate is a disk that may be a target.
type candidate struct {
	bus     handoff.Bus
	address uint64
	open    func(virtio.Options) (virtio.Transport, error)
}

// disks are those of this machine.
type disks struct {
	candidates []candidate
	spaces     []handoff.PCISpace // by which PCI's are reached
}

// targets are the disks that `dumper prepare` has labelled as targets for a dump,
// in the order in which they are found. The rescue program will not look for
// them: what is recorded here is what it uses.
func (d *disks) targets() ([]handoff.Target, error) {
	var found []handoff.Target
	for _, c := range d.candidates {
		t, err := c.labelled()
		if errors.Is(err, target.ErrNoLabel) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("disk at %#x: %w", c.address, err)
		}
		found = append(found, *t)
	}
	return found, nil
}

// open is rescue.Config.Devices: with it Arm reads each label again, and refuses a
// disk that is too small for a dump of what is in use now.
func (d *disks) open(t handoff.Target) (rescue.Device, error) {
	for _, c := range d.candidates {
		if c.bus == t.Bus && c.address == t.Address {
			return c.disk()
		}
	}
	return nil, fmt.Errorf("there is no disk at %#x", t.Address)
}

// labelled reads a disk's label and leaves the disk as it was.
func (c candidate) labelled() (*handoff.Target, error) {
	d, err := c.disk()
	if err != nil {
		return nil, err
	}
	label, err := target.Read(d, d.Size(), 0)
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	return &handoff.Target{
		Kind: handoff.TargetBlock, Bus: c.bus, Address: c.address,
		DeviceSize: uint64(d.Size()), Start: uint64(label.Start), Length: uint64(label.Length), Label: label.ID,
	}, nil
}

// disk is one that is open, with the memory that it reads into.
type disk struct {
	*virtio.Block
	memory physmem.Range
}

// Close closes the disk and gives its memory back.
func (d disk) Close() error { return errors.Join(d.Block.Close(), kernel.Release(d.memory)) }

// disk opens a disk.
func (c candidate) disk() (d disk, err error) {
	options := virtio.Options{Depth: 1, BufferSize: 64 << 10}
	if d.memory, err = kernel.Allocate(options.MemorySize(), handoff.PageSize); err != nil {
		return disk{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, kernel.Release(d.memory))
		}
	}()
	all, err := kernel.Memory()
	if err != nil {
		return d, err
	}
	options.Memory = device.Region{Memory: all.ViewPhysical(d.memory), Address: d.memory.Start}
	transport, err := c.open(options)
	if err != nil {
		return d, err
	}
	d.Block, err = virtio.NewBlock(transport, options)
	return d, err
}

// allPages is this kernel's platform with no page bitmap, so that all RAM is
// dumped.
type allPages struct{ kernel.Platform }

func (allPages) Facts() (handoff.HostFacts, error) {
	facts, err := kernel.Facts()
	facts.Bitmap = handoff.Region{}
	return facts, err
}

// image is the rescue program in a boot module.
func image(module physmem.Range) (*physmem.ExtentReader, error) {
	memory, err := kernel.Memory()
	if err != nil {
		return nil, fmt.Errorf("the rescue program's module: %w", err)
	}
	return physmem.NewExtentReader(memory, []physmem.Range{module}), nil
}

// onPCI are the disks on a PCI bus and behind its bridges. Those that have no
// addresses yet get some of windows.
func onPCI(space pci.Space, segment uint16, first uint8, windows physmem.Ranges) ([]candidate, error) {
	var root []*pci.Function // on the first bus
	var found []candidate
	for function, err := range pci.Scan(space, segment, first) {
		if err != nil {
			return nil, err
		}
		if function.Address.Bus() == first {
			root = append(root, function)
		}
		if virtio.IsPCIBlock(function) {
			found = append(found, candidate{handoff.BusPCI, uint64(function.Address), func(o virtio.Options) (virtio.Transport, error) {
				return virtio.OpenPCI(bus, function, o)
			}})
		}
	}
	if len(found) == 0 || windows.IsEmpty() {
		return found, nil
	}
	return found, pci.Assign(root, windows)
}
