package main

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

// leave makes the panic's message the code: the kernel prints it and resets. There
// is no exit code.
//
//go:nosplit
func leave(c *handoff.PanicContext, code byte) {
	const digits = "0123456789abcdef"
	c.Message[0], c.Message[1], c.Message[2] = '#', digits[code>>4], digits[code&15]
	c.MessageLength = 3
}

// protectedPlaces are addresses that nobody may write.
func protectedPlaces(text, vectors uintptr) map[string]uintptr {
	return map[string]uintptr{"text": text, "vectors": vectors}
}

// registers tells of a recorded CPU, and checks that ID registers can be read:
// the kernel answers for the CPU.
func registers(data []byte) string {
	var state arm64.CPUState
	check(state.UnmarshalBinary(data) == nil, "registers")
	id, ok := arm64.Snapshot()
	check(ok && id.MIDR == state.MIDR && id.MMFR0 != 0, "ID registers %#v, recorded MIDR %#x", id, state.MIDR)
	return fmt.Sprintf("pc %#x midr %#x", state.PC, state.MIDR)
}
