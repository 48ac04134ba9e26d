package rescue

import (
	"fmt"
	"slices"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// firmware are the tables for the rescue program: those of the configuration,
// and what the facts tell unless the configuration has that, too. In every memory
// map the reservation is the only RAM.
func (a *arming) firmware(reservation physmem.Range) ([]reserve.FirmwareTable, error) {
	tables := slices.Clone(a.Firmware)
	has := func(kinds ...handoff.FirmwareKind) bool {
		return slices.ContainsFunc(tables, func(t reserve.FirmwareTable) bool { return slices.Contains(kinds, t.Kind) })
	}
	f := &a.facts
	if f.ACPI != 0 && !has(handoff.FirmwareACPI) {
		tables = append(tables, reserve.FirmwareTable{Kind: handoff.FirmwareACPI, Address: f.ACPI})
	}
	if f.EFISystem != 0 && !has(handoff.FirmwareEFISystem) {
		tables = append(tables, reserve.FirmwareTable{Kind: handoff.FirmwareEFISystem, Address: f.EFISystem})
	}
	if len(f.DeviceTree) != 0 && !has(handoff.FirmwareFDT) {
		data, err := a.deviceTree(reservation)
		if err != nil {
			return nil, fmt.Errorf("device tree for the rescue program: %w", err)
		}
		tables = append(tables, reserve.FirmwareTable{Kind: handoff.FirmwareFDT, Data: data})
	}
	if has(handoff.FirmwareEFIMap, handoff.FirmwareE820) {
		return tables, nil
	}
	one, err := a.memoryMap(reservation)
	if err != nil {
		return nil, fmt.Errorf("memory map for the rescue program: %w", err)
	}
	return append(tables, one...), nil
}

// memoryMap is EFI's map where there is one, and on amd64 that of E820 otherwise.
func (a *arming) memoryMap(reservation physmem.Range) ([]reserve.FirmwareTable, error) {
	f := &a.facts
	if len(f.EFIMap) != 0 {
		whole, err := efi.ParseMap(f.EFIMap, f.EFIDescriptorSize, f.EFIDescriptorVersion)
		if err != nil {
			return nil, err
		}
		restricted, err := whole.Restrict(reservation)
		if err != nil {
			return nil, err
		}
		data, err := restricted.AppendBinary(nil)
		return []reserve.FirmwareTable{{Kind: handoff.FirmwareEFIMap, Version: restricted.Version, EntrySize: restricted.DescriptorSize, Data: data}}, err
	}
	if f.Architecture != handoff.AMD64 {
		return nil, nil
	}
	restricted, err := efi.NewE820(f.Map).Restrict(reservation)
	if err != nil {
		return nil, err
	}
	data, err := restricted.AppendBinary(nil)
	return []reserve.FirmwareTable{{Kind: handoff.FirmwareE820, EntrySize: efi.EntrySizeLinux, Data: data}}, err
}

// deviceTree is the host's, with the reservation for all memory. What interrupt
// controllers go on using is reserved in it.
func (a *arming) deviceTree(reservation physmem.Range) ([]byte, error) {
	tree, err := fdt.Parse(a.facts.DeviceTree)
	if err != nil {
		return nil, err
	}
	options := []fdt.RestrictOption{fdt.WithUsableMemory(reservation)}
	for _, table := range a.facts.Interrupts {
		options = append(options, fdt.WithReserved("interrupts", table.Memory, false))
	}
	restricted, err := tree.Restrict(reservation, options...)
	if err != nil {
		return nil, err
	}
	return restricted.AppendBinary(nil)
}
