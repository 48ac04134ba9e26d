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
)

// candidate is a disk that may be a target.
type candidate struct {
	bus     handoff.Bus
	address uint64
	open    func(virtio.Options) (virtio.Transport, error)
}

// targets are the disks that `dumper prepare` has labelled as targets for a dump,
// in the order in which they are found. The rescue program will not look for
// them: what is recorded here is what it uses, with the configuration spaces that
// PCI's are reached by.
func targets() ([]handoff.Target, []handoff.PCISpace, error) {
	candidates, spaces, err := candidates()
	if err != nil {
		return nil, nil, err
	}
	options := virtio.Options{Depth: 1, BufferSize: 64 << 10}
	memory, err := kernel.Allocate(options.MemorySize(), handoff.PageSize)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = kernel.Release(memory) }() // the disks are closed by then
	all, err := kernel.Memory()
	if err != nil {
		return nil, nil, err
	}
	options.Memory = device.Region{Memory: all.ViewPhysical(memory), Address: memory.Start}

	var found []handoff.Target
	for _, c := range candidates {
		t, err := c.labelled(options)
		if errors.Is(err, target.ErrNoLabel) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("disk at %#x: %w", c.address, err)
		}
		found = append(found, *t)
	}
	return found, spaces, nil
}

// labelled reads a disk's label and leaves the disk as it was.
func (c candidate) labelled(options virtio.Options) (*handoff.Target, error) {
	transport, err := c.open(options)
	if err != nil {
		return nil, err
	}
	disk, err := virtio.NewBlock(transport, options)
	if err != nil {
		return nil, err
	}
	label, err := target.Read(disk, disk.Size(), 0)
	if err := errors.Join(err, disk.Close()); err != nil {
		return nil, err
	}
	return &handoff.Target{
		Kind: handoff.TargetBlock, Bus: c.bus, Address: c.address,
		DeviceSize: uint64(disk.Size()), Start: uint64(label.Start), Length: uint64(label.Length), Label: label.ID,
	}, nil
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
