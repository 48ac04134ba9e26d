//go:build !linux || !amd64

package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// bus is how this program reaches devices: there are no ports.
var bus = device.Access{Map: kernel.MapDevice}

// configuration: where a machine without ports has its PCI buses is not known
// here. Its disks are on MMIO.
func configuration() (pci.Space, error) { return nil, device.ErrNoBus }
