//go:build linux

package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// openTransport reaches a disk on PCI.
func openTransport(t handoff.Target, o virtio.Options) (virtio.Transport, error) {
	bus := device.Access{
		PortFunctions: &device.PortFunctions{
			In8: kernel.In8, In16: kernel.In16, In32: kernel.In32,
			Out8: kernel.Out8, Out16: kernel.Out16, Out32: kernel.Out32,
		},
		Map: kernel.MapDevice,
	}
	registers, err := bus.Ports(pci.PortAddress, pci.PortCount)
	if err != nil {
		return nil, err
	}
	function, err := pci.Find(pci.NewPorts(registers), pci.Address(t.Address), virtio.IsPCIBlock)
	if err != nil {
		return nil, err
	}
	return virtio.OpenPCI(bus, function, o)
}
