package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// There are no ports, so disks must be named.
var bus = device.Access{Map: kernel.MapDevice}
