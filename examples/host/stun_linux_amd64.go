package main

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// stun sends INIT to another CPU: it waits for SIPI from then on, and takes no
// NMI (Intel SDM 3A 9.4.1).
func stun(cpu uint32) error {
	const base, commandLow, commandHigh, initialize = 0xfee00000, 0x300, 0x310, 0x4500
	apic, err := bus.Memory(physmem.Range{Start: base, End: base + handoff.PageSize})
	if err != nil {
		return err
	}
	apic.Write32(commandHigh, cpu<<24)
	apic.Write32(commandLow, initialize)
	return nil
}
