//go:build linux

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

// framePointer is the frame pointer in a state, X29.
func framePointer(state uintptr) uintptr {
	return load64(state + arm64.StateOffsetGeneral + 8*29)
}

// stateCounter is the program counter and the stack pointer in a state. Go's
// frame pointer is a word below the stack pointer.
func stateCounter(state uintptr) (pc, stack uintptr) {
	return load64(state + arm64.StateOffsetPC), load64(state+arm64.StateOffsetSP) - 8
}

// printState prints the registers in a state.
func printState(n *handoff.Notice, state uintptr) {
	for i := uintptr(0); i < 31; i++ {
		wrapLine(n, int(i))
		n.Print(" x")
		n.PrintDecimal(uint64(i))
		n.Print(" ")
		n.PrintHex(uint64(load64(state + arm64.StateOffsetGeneral + 8*i)))
	}
	for i, r := range [...]struct {
		name   string
		offset uintptr
	}{{" sp ", arm64.StateOffsetSP}, {" pc ", arm64.StateOffsetPC}, {" pstate ", arm64.StateOffsetPSTATE}, {" esr ", arm64.StateOffsetESR}, {" far ", arm64.StateOffsetFAR}} {
		wrapLine(n, i+31)
		n.Print(r.name)
		n.PrintHex(uint64(load64(state + r.offset)))
	}
}
