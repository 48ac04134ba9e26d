package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/kernel"
)

var bus = device.Access{
	PortFunctions: &device.PortFunctions{
		In8: kernel.In8, In16: kernel.In16, In32: kernel.In32,
		Out8: kernel.Out8, Out16: kernel.Out16, Out32: kernel.Out32,
	},
	Map: kernel.MapDevice,
}
