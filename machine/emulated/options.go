package emulated

import (
	"fmt"
	"time"

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

	// Of arm64 only: CPU is what CPU it is, by the name that QEMU has for it,
	// one of CPUs (empty: cortex-a57); EL2 has it come up at EL2 instead of EL1,
	// and firmware called by SMC instead of HVC; GIC is the version of the
	// interrupt controller, 2 or 3 (0: 2).
	CPU string
	EL2 bool
	GIC int

	// Caches has an arm64 machine's caches modelled, so that maintenance which is
	// missing has consequences. Devices and Memory are coherent with them. A
	// reset loses what is in them.
	Caches Caches

	// Delayed lets what the architecture lets wait wait on arm64: maintenance for
	// the next DSB, system registers for the next ISB. See arm64.Config.
	Delayed bool

	// Time is what an arm64 machine's real time clock says at power-on; zero is
	// the beginning of 2000, so that runs are the same.
	Time time.Time
}

// Caches are what is made of an arm64 machine's caches.
type Caches int

// What can be made of caches.
const (
	NoCaches     Caches = iota // nobody notices them
	KeptLines                  // lines are never evicted: see arm64.KeepLines
	EvictedLines               // dirty lines overwrite what is newer: see arm64.EvictLines
)

// New makes an amd64 machine, a *Machine, as Options.New does.
func New(config machine.Config) (machine.Machine, error) { return Options{}.New(config) }

// NewARM64 makes an arm64 machine, a *Machine, as Options.New does.
func NewARM64(config machine.Config) (machine.Machine, error) {
	return Options{Architecture: machine.ARM64}.New(config)
}

// complete chooses the board.
func (o Options) complete() (board, error) {
	switch o.Architecture {
	case "", machine.AMD64:
		if o.CPU != "" || o.EL2 || o.GIC != 0 || o.Caches != NoCaches || o.Delayed {
			return nil, fmt.Errorf("options of arm64 for an amd64 machine: %w", machine.ErrUnsupported)
		}
		return &pc{disks: o.Disks}, nil
	case machine.ARM64:
		return newVirt(o)
	}
	return nil, fmt.Errorf("architecture %q: %w", o.Architecture, machine.ErrUnsupported)
}
