//go:build !linux || !amd64

package main

import (
	"errors"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// bus is how this program reaches devices: there are no ports.
var bus = device.Access{Map: kernel.MapDevice}

// candidates are the disks on MMIO that the device tree tells of.
func candidates() ([]candidate, error) {
	boot, err := kernel.Boot()
	if err != nil {
		return nil, err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return nil, err
	}
	tree, err := fdt.Parse(memory.ViewPhysical(boot.DeviceTree))
	if err != nil {
		return nil, err
	}
	slots, err := tree.VirtioMMIO()
	if err != nil {
		return nil, err
	}
	var found []candidate
	for _, slot := range slots {
		registers, err := bus.Memory(slot.Registers)
		if err != nil {
			return nil, err
		}
		transport, err := virtio.NewMMIO(registers)
		if errors.Is(err, virtio.ErrNoDevice) || err == nil && transport.Type() != virtio.TypeBlock {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, candidate{handoff.BusMMIO, uint64(slot.Registers.Start), func(virtio.Options) (virtio.Transport, error) {
			return transport, nil
		}})
	}
	return found, nil
}
