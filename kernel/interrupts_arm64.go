//go:build linux

package kernel

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// interruptTables is the memory that GICv3's redistributors and its translation
// service were told to use, by whoever did: firmware, or the program. It is
// read from their registers.
func interruptTables() ([]handoff.InterruptTable, error) {
	if k.facts.gic.version != 3 {
		return nil, nil
	}
	if err := prepareController(); err != nil {
		return nil, err
	}
	tables, err := k.controller.serviceTables()
	if err != nil {
		return nil, fmt.Errorf("tables of the interrupt translation service: %w", err)
	}
	for i := range k.controller.frames[:k.controller.count] {
		tables = append(tables, k.controller.frames[i].tables()...)
	}
	return tables, nil
}

// tables are those of a redistributor that may take LPIs.
func (r *redistributor) tables() []handoff.InterruptTable {
	if load32(r.control+gic.RedistributorControl)&gic.RedistributorEnableLPIs == 0 {
		return nil
	}
	properties, pending := load64(r.control+gic.RedistributorProperties), load64(r.control+gic.RedistributorPending)
	configuration, bits := gic.LPITables(uint64(properties), uint64(pending))
	var tables []handoff.InterruptTable
	for _, t := range []handoff.InterruptTable{
		{Kind: handoff.InterruptProperties, Register: uint64(properties), Memory: configuration},
		{Kind: handoff.InterruptPending, Register: uint64(pending), Memory: bits},
	} {
		if !t.Memory.IsEmpty() {
			t.Controller = r.physical
			tables = append(tables, t)
		}
	}
	return tables
}

// serviceTables are those of the ITS.
func (c *controller) serviceTables() ([]handoff.InterruptTable, error) {
	base := physmem.Address(k.facts.gic.its)
	if base == 0 {
		return nil, nil
	}
	if c.its == 0 {
		registers, err := MapDevice(physmem.Range{Start: base, End: base + pageSize})
		if err != nil {
			return nil, err
		}
		c.its = registers
	}
	memory, err := Memory()
	if err != nil {
		return nil, err
	}
	var tables []handoff.InterruptTable
	add := func(kind handoff.InterruptTableKind, register uintptr, where physmem.Range) {
		if !where.IsEmpty() {
			tables = append(tables, handoff.InterruptTable{Kind: kind, Controller: base, Register: uint64(register), Memory: where})
		}
	}
	commands := load64(c.its + gic.ITSCommandBase)
	add(handoff.InterruptCommands, commands, gic.ITSCommandMemory(uint64(commands)))
	for n := uintptr(0); n < gic.ITSTables; n++ {
		register := load64(c.its + gic.ITSTable + 8*n)
		where, _ := gic.ITSTableMemory(uint64(register))
		add(handoff.InterruptITS+handoff.InterruptTableKind(n), register, where)
		second, err := gic.ITSSecondLevel(memory, uint64(register), handoff.MaxInterruptTables/2)
		if err != nil {
			return nil, err
		}
		for _, r := range second {
			add(handoff.InterruptSecondLevel, 0, r)
		}
	}
	return tables, nil
}
