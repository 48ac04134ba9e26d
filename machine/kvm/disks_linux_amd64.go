package kvm

import (
	gokvm "github.com/bobuhiro11/gokvm/kvm"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
)

// board is where the machine has its disks.
func board(config machine.Config, options Options) device.Board {
	b := device.PC()
	b.Options, b.Disks = options.Disks, config.Disks
	return b
}

// attachDisks makes the disks as after power-on.
func (m *guest) attachDisks() ([]machine.Device, error) {
	b := board(m.config, m.options)
	b.Memory = m.ram
	if m.config.InterruptController {
		asserted := make([]bool, len(b.Disks))
		b.Interrupt = func(disk int, on bool) {
			asserted[disk] = on
			level := uint32(0)
			for _, a := range asserted {
				if a {
					level = 1
				}
			}
			// No guest can make it fail, and a device has nobody to tell.
			_ = gokvm.IRQLineStatus(m.vm.fd, DiskInterrupt, level)
		}
	}
	blocks, devices, err := b.Attach()
	m.blocks = blocks
	return devices, err
}

// Blocks are the models of the disks; see device.Blocks.
func (m *guest) Blocks() []*device.Block { return m.blocks }
