package emulated

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

// New makes a machine, a *Machine, as Options.New does.
func New(config machine.Config) (machine.Machine, error) { return Options{}.New(config) }
