package kvm

import (
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Options are what this runner can do beyond a machine.Config. The zero value
// is what New takes.
type Options struct {
	// Disks says how the Config's disks are attached, and what is wrong with
	// them. The zero value: virtio on PCI, both legacy and modern.
	Disks device.Options
}

// New makes a machine. It is stopped, with the boot image, if there is one,
// loaded.
func New(config machine.Config) (machine.Machine, error) { return Options{}.New(config) }

// DiskInterrupt is the interrupt that all disks share, with an interrupt
// controller: an input of the I/O APIC, level-triggered.
const DiskInterrupt = 11
