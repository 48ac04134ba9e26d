package main

import (
	"github.com/seed64aab995/rescuekernel/device/pvpanic"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// notifyHypervisor tells the hypervisor that the host panicked and that a rescue
// kernel takes over.
func notifyHypervisor(*handoff.Notice) {
	if known := kernel.In8(pvpanic.Port); known != 0xff {
		kernel.Out8(pvpanic.Port, known&pvpanic.CrashLoaded)
	}
}
