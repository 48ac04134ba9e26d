package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// bus is how this program reaches devices.
var bus = device.Access{
	PortFunctions: &device.PortFunctions{
		In8: kernel.In8, In16: kernel.In16, In32: kernel.In32,
		Out8: kernel.Out8, Out16: kernel.Out16, Out32: kernel.Out32,
	},
	Map: kernel.MapDevice,
}

// ports is the PCI configuration space that a PC has at I/O ports.
func ports() (pci.Space, error) {
	registers, err := bus.Ports(pci.PortAddress, pci.PortCount)
	if err != nil {
		return nil, err
	}
	return pci.NewPorts(registers), nil
}
