package main

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// describe tells of a CPU's registers.
func describe(data []byte, area *handoff.PanicArea) (text string, general []uint64, err error) {
	var state amd64.CPUState
	if err := state.UnmarshalBinary(data); err != nil {
		return "", nil, err
	}
	text = fmt.Sprintf("rip=%#x rsp=%#x fs=%#x cr3=%#x vector=%d", state.RIP, state.RSP, state.FSBase, area.Root, area.Vector)
	return text, []uint64{state.RAX, state.RCX, state.RDX, state.RBX, state.RSP, state.RBP,
		state.RSI, state.RDI, state.R8, state.R9, state.R10, state.R11, state.R12, state.R13, state.R14, state.R15}, nil
}
