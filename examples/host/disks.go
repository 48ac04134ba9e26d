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

// targets are the disks on the first PCI bus that `dumper prepare` has labelled
// as targets for a dump, in the order in which they are found. The rescue
// program will not look for them: what is recorded here is what it uses.
func targets() ([]handoff.Target, error) {
	functions, err := functions()
	if err != nil {
		return nil, err
	}
	options := virtio.Options{Depth: 1, BufferSize: 64 << 10}
	memory, err := kernel.Allocate(options.MemorySize(), handoff.PageSize)
	if err != nil {
		return nil, err
	}
	defer func() { _ = kernel.Release(memory) }() // the disks are closed by then
	all, err := kernel.Memory()
	if err != nil {
		return nil, err
	}
	options.Memory = device.Region{Memory: all.ViewPhysical(memory), Address: memory.Start}

	var found []handoff.Target
	for function, err := range functions {
		if err != nil {
			return nil, err
		}
		if !virtio.IsPCIBlock(function) {
			continue
		}
		t, err := labelled(function, options)
		if errors.Is(err, target.ErrNoLabel) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("disk at %v: %w", function.Address, err)
		}
		found = append(found, *t)
	}
	return found, nil
}

// labelled reads a disk's label and leaves the disk as it was.
func labelled(function *pci.Function, options virtio.Options) (*handoff.Target, error) {
	transport, err := virtio.OpenPCI(bus, function, options)
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
		Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: uint64(function.Address),
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
