//go:build !linux || !amd64

package main

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/acpi"
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// bus is how this program reaches devices: there are no ports.
var bus = device.Access{Map: kernel.MapDevice}

// bridge is a PCI host bridge: its configuration space, and the memory that it
// forwards, where that is known.
type bridge struct {
	handoff.PCISpace
	windows physmem.Ranges
}

// candidates are the disks that the machine's device tree tells of, on MMIO and on
// PCI, or its ACPI tables, on PCI.
func candidates() ([]candidate, []handoff.PCISpace, error) {
	boot, err := kernel.Boot()
	if err != nil {
		return nil, nil, err
	}
	memory, err := kernel.Firmware()
	if err != nil {
		return nil, nil, err
	}
	var found []candidate
	var bridges []bridge
	switch {
	case !boot.DeviceTree.IsEmpty():
		found, bridges, err = byTree(memory, boot.DeviceTree)
	case boot.RSDP != 0:
		bridges, err = byACPI(memory, boot.RSDP)
	}
	if err != nil {
		return nil, nil, err
	}
	var spaces []handoff.PCISpace
	for _, b := range bridges {
		space := pci.ECAM{Base: b.Base, Segment: b.Segment, FirstBus: b.FirstBus, LastBus: b.LastBus, Registers: bus}
		on, err := onPCI(space, b.Segment, b.FirstBus, b.windows)
		if err != nil {
			return nil, nil, fmt.Errorf("PCI segment %d: %w", b.Segment, err)
		}
		found, spaces = append(found, on...), append(spaces, b.PCISpace)
	}
	return found, spaces, nil
}

// byTree asks the device tree.
func byTree(memory physmem.Reader, at physmem.Range) ([]candidate, []bridge, error) {
	data := make([]byte, at.Size())
	if _, err := memory.ReadPhysical(data, at.Start); err != nil {
		return nil, nil, err
	}
	tree, err := fdt.Parse(data)
	if err != nil {
		return nil, nil, err
	}
	slots, err := tree.VirtioMMIO()
	if err != nil {
		return nil, nil, err
	}
	found, err := onMMIO(slots)
	if err != nil {
		return nil, nil, err
	}
	hosts, err := tree.PCIHosts()
	if err != nil {
		return nil, nil, err
	}
	var bridges []bridge
	for _, h := range hosts {
		b := bridge{PCISpace: handoff.PCISpace{
			Base: h.ECAM.Start - physmem.Address(h.FirstBus)<<20, Segment: uint16(h.Domain), FirstBus: h.FirstBus, LastBus: h.LastBus,
		}}
		for _, w := range h.Windows {
			if w.Space == fdt.PCIMemory && w.Address == uint64(w.Range.Start) {
				b.windows = b.windows.Union(physmem.NewRanges(w.Range))
			}
		}
		bridges = append(bridges, b)
	}
	return found, bridges, nil
}

// onMMIO are the disks behind virtio transports in memory.
func onMMIO(slots []fdt.VirtioMMIO) ([]candidate, error) {
	var found []candidate
	for _, slot := range slots {
		registers, err := bus.Memory(slot.Registers)
		if err != nil {
			return nil, err
		}
		transport, err := virtio.NewMMIO(registers)
		if errors.Is(err, virtio.ErrNoDevice) || err == nil && transport.Type() != virtio.TypeBlock {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, candidate{handoff.BusMMIO, uint64(slot.Registers.Start), func(virtio.Options) (virtio.Transport, error) {
			return transport, nil
		}})
	}
	return found, nil
}

// byACPI asks the tables: firmware that has made them has set PCI up, too.
func byACPI(memory physmem.Reader, root physmem.Address) ([]bridge, error) {
	tables, err := acpi.Open(memory, root)
	if err != nil {
		return nil, err
	}
	table, err := tables.Table("MCFG")
	if errors.Is(err, acpi.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	spaces, err := acpi.ParseMCFG(table)
	if err != nil {
		return nil, err
	}
	var bridges []bridge
	for _, s := range spaces {
		bridges = append(bridges, bridge{PCISpace: handoff.PCISpace{Base: s.Base, Segment: s.Segment, FirstBus: s.FirstBus, LastBus: s.LastBus}})
	}
	return bridges, nil
}
