package main

import (
	"fmt"
	"strings"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// pciFact is a memory-mapped PCI configuration space.
type pciFact struct {
	Base     hexadecimal `json:"base"`
	Segment  uint16      `json:"segment"`
	FirstBus uint8       `json:"first_bus"`
	LastBus  uint8       `json:"last_bus"`
}

func newPCI(spaces []handoff.PCISpace) []pciFact {
	facts := []pciFact{}
	for _, s := range spaces {
		facts = append(facts, pciFact{hexadecimal(s.Base), s.Segment, s.FirstBus, s.LastBus})
	}
	return facts
}

// firmwareFact is one table of the firmware.
type firmwareFact struct {
	Kind    string      `json:"kind"`
	Address hexadecimal `json:"address"` // of what is not in the reservation, 0
	Size    uint64      `json:"bytes"`
	RAM     []rangeFact `json:"ram"` // what a memory map or device tree calls RAM
}

var firmwareKinds = map[handoff.FirmwareKind]string{
	handoff.FirmwareEFIMap: "EFI memory map", handoff.FirmwareE820: "E820 map", handoff.FirmwareFDT: "device tree",
	handoff.FirmwareACPI: "ACPI root pointer", handoff.FirmwareEFISystem: "EFI system table",
	handoff.FirmwareHostEFIMap: "host's EFI memory map", handoff.FirmwareHostE820: "host's E820 map",
}

func newFirmware(tables []handoff.Firmware) []firmwareFact {
	facts := []firmwareFact{}
	for _, t := range tables {
		kind, ok := firmwareKinds[t.Kind]
		if !ok {
			kind = fmt.Sprintf("kind %d", t.Kind)
		}
		facts = append(facts, firmwareFact{Kind: kind, Address: hexadecimal(t.Address), Size: t.Length, RAM: []rangeFact{}})
	}
	return facts
}

// readFirmware looks into the tables that say what memory is.
func (f *reservationFact) readFirmware(r *reserve.Reservation) {
	for i, t := range r.Block.Firmware {
		table, err := r.Firmware(t.Kind) // the first of its kind, as there is one
		var ram physmem.Ranges
		if err == nil && table != nil {
			ram, err = ramOf(table)
		}
		if err != nil {
			f.problem(f.Firmware[i].Kind, err)
			continue
		}
		f.Firmware[i].RAM = newRanges(ram)
	}
}

// ramOf is the RAM that a table tells of, nil if it is not about that.
func ramOf(t *reserve.FirmwareTable) (physmem.Ranges, error) {
	var m physmem.MemoryMap
	switch t.Kind {
	case handoff.FirmwareEFIMap, handoff.FirmwareHostEFIMap:
		parsed, err := efi.ParseMap(t.Data, t.EntrySize, t.Version)
		if err != nil {
			return nil, err
		}
		if m, err = parsed.MemoryMap(); err != nil {
			return nil, err
		}
	case handoff.FirmwareE820, handoff.FirmwareHostE820:
		parsed, err := efi.ParseE820(t.Data, int(t.EntrySize))
		if err != nil {
			return nil, err
		}
		if m, err = parsed.MemoryMap(); err != nil {
			return nil, err
		}
	case handoff.FirmwareFDT:
		parsed, err := fdt.Parse(t.Data)
		if err != nil {
			return nil, err
		}
		if m, err = parsed.MemoryMap(); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	return m.RAM(), nil
}

// firmwareLines are the tables, one a line, and the configuration spaces.
func (f *reservationFact) firmwareLines() []field {
	var list []field
	add := func(name, text string) {
		if len(list) > 0 && list[0].name == name {
			name = ""
		}
		list = append(list, field{name, text})
	}
	for _, t := range f.Firmware {
		text := fmt.Sprintf("%s, %s", t.Kind, size(int64(t.Size)))
		if t.Size == 0 {
			text = fmt.Sprintf("%s at %#x", t.Kind, uint64(t.Address))
		}
		if len(t.RAM) > 0 {
			var ranges []string
			for _, r := range t.RAM {
				ranges = append(ranges, physical(r).String())
			}
			text += ", RAM " + strings.Join(ranges, " ")
		}
		add("firmware", text)
	}
	for _, s := range f.PCI {
		list = append(list, field{"PCI", fmt.Sprintf("segment %d, buses %d to %d, configuration from %#x on", s.Segment, s.FirstBus, s.LastBus, uint64(s.Base))})
	}
	return list
}
