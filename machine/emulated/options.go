package emulated

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Options are what this runner can do beyond a machine.Config. The zero value
// is what New takes.
type Options struct {
	// Architecture of the CPUs; empty: AMD64.
	Architecture machine.Architecture

	// Disks says how the Config's disks are attached, and what is wrong with
	// them. The zero value: virtio on PCI, both legacy and modern; on arm64 on
	// MMIO, version 2.
	Disks device.Options
}

// New makes an amd64 machine, a *Machine, as Options.New does.
func New(config machine.Config) (machine.Machine, error) { return Options{}.New(config) }

// complete chooses the board.
func (o Options) complete() (board, error) {
	switch o.Architecture {
	case "", machine.AMD64:
		return &pc{disks: o.Disks}, nil
	}
	return nil, fmt.Errorf("architecture %q: %w", o.Architecture, machine.ErrUnsupported)
}
