package main

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// leave ends the machine with an exit code.
//
//go:nosplit
func leave(_ *handoff.PanicContext, code byte) { kernel.Out8(0xf4, code) }

// protectedPlaces are addresses that nobody may write.
func protectedPlaces(text, control uintptr) map[string]uintptr {
	return map[string]uintptr{
		"text": text, "descriptor tables": control + 0x1000, "interrupt table": control + 0x1080, "TSS": control + 0x1304,
	}
}

// registers tells of a recorded CPU.
func registers(data []byte) string {
	var state amd64.CPUState
	check(state.UnmarshalBinary(data) == nil, "registers")
	return fmt.Sprintf("rip %#x fs %#x", state.RIP, state.FSBase)
}
