package emulated

import (
	"fmt"
	"slices"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/amd64"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// lowMemoryEnd is where RAM without a layout of its own stops below 4 GiB.
const lowMemoryEnd = 3 << 30

// pc is the board of amd64.
type pc struct {
	disks device.Options
	entry *machine.AMD64State // nil: as after power-on
}

func (p *pc) complete(config *machine.Config) error {
	if config.CPUs > 255 {
		return fmt.Errorf("%d CPUs: %w", config.CPUs, machine.ErrUnsupported)
	}
	if config.RAM == nil {
		low := min(config.MemorySize, lowMemoryEnd)
		config.RAM = physmem.NewRanges(
			physmem.Range{End: physmem.Address(low)},
			physmem.Range{Start: 4 << 30, End: 4<<30 + physmem.Address(config.MemorySize-low)})
	}
	if err := machine.CheckRAM(config.RAM); err != nil {
		return err
	}
	return p.board(config).Check(config.RAM)
}

// board is where the machine has its disks: as machine/kvm has them.
func (p *pc) board(config *machine.Config) device.Board {
	b := device.PC()
	b.Options, b.Disks = p.disks, config.Disks
	return b
}

func (p *pc) load(memory *emulator.Memory, config machine.Config) (err error) {
	load := machine.LoadLinux64
	if config.Boot.Protocol == machine.PVH {
		load = machine.LoadPVH
	}
	p.entry, err = load(memory, config.RAM, config.Boot)
	return err
}

func (p *pc) powerOn(memory *emulator.Memory, config machine.Config) (made parts, err error) {
	b := p.board(&config)
	b.Memory, made.coherent = memory, memory
	var disks []machine.Device
	if made.blocks, disks, err = b.Attach(); err != nil {
		return made, err
	}
	made.bus = machine.NewBus(slices.Concat(config.Devices, disks, machine.PCDevices(config))...)
	var cpus []*amd64.CPU
	for i := range config.CPUs {
		c := amd64.New(i, memory, made.bus, config.InterruptController)
		cpus = append(cpus, c)
		made.cpus = append(made.cpus, c)
	}
	for _, c := range cpus {
		c.SetSiblings(cpus)
	}
	made.all = emulator.NewMachine(made.cpus...)
	if p.entry != nil {
		return made, cpus[0].SetState(p.entry)
	}
	return made, nil
}
