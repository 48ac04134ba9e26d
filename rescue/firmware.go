package rescue

import (
	"fmt"
	"slices"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// firmware are the tables for the rescue program: those of the configuration,
// and what the facts tell unless the configuration has that, too. In the memory
// map the reservation is the only RAM.
func (a *arming) firmware(reservation physmem.Range) ([]reserve.FirmwareTable, error) {
	tables := slices.Clone(a.Firmware)
	has := func(kinds ...handoff.FirmwareKind) bool {
		return slices.ContainsFunc(tables, func(t reserve.FirmwareTable) bool { return slices.Contains(kinds, t.Kind) })
	}
	if a.facts.ACPI != 0 && !has(handoff.FirmwareACPI) {
		tables = append(tables, reserve.FirmwareTable{Kind: handoff.FirmwareACPI, Address: a.facts.ACPI})
	}
	if a.facts.Architecture == handoff.AMD64 && !has(handoff.FirmwareEFIMap, handoff.FirmwareE820) {
		restricted, err := efi.NewE820(a.facts.Map).Restrict(reservation)
		if err != nil {
			return nil, fmt.Errorf("memory map for the rescue program: %w", err)
		}
		data, err := restricted.AppendBinary(nil)
		if err != nil {
			return nil, fmt.Errorf("memory map for the rescue program: %w", err)
		}
		tables = append(tables, reserve.FirmwareTable{Kind: handoff.FirmwareE820, EntrySize: efi.EntrySizeLinux, Data: data})
	}
	return tables, nil
}
