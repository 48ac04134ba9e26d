package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// bus is how a program on package kernel reaches devices.
func bus() device.Bus { return device.Access{Map: kernel.MapDevice} }
