package main

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

// describe tells of a CPU's registers.
func describe(data []byte, area *handoff.PanicArea) (text string, general []uint64, err error) {
	var state arm64.CPUState
	if err := state.UnmarshalBinary(data); err != nil {
		return "", nil, err
	}
	text = fmt.Sprintf("pc=%#x sp=%#x pstate=%#x ttbr0=%#x esr=%#x", state.PC, state.SP, uint64(state.PSTATE), area.RootLower, area.Vector)
	return text, state.X[:], nil
}
