package pvpanic

import "github.com/seed64aab995/rescuekernel/device"

// Report tells the hypervisor of events through the device's one register, where
// the device says that it knows them, and reports whether it did.
func Report(r device.Registers, events uint8) bool {
	if known := r.Read8(0); known == 0xff || known&events != events {
		return false // 0xff: nothing answers there
	}
	r.Write8(0, events)
	return true
}
