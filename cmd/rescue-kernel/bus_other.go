//go:build !linux || !amd64

package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// bus is how this program reaches devices: there are no ports.
var bus = device.Access{Map: kernel.MapDevice}

// ports: a machine without ports has PCI buses only where the host has recorded
// their configuration space.
func ports() (pci.Space, error) { return nil, device.ErrNoBus }
