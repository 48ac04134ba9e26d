//go:build linux

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// framePointer is the frame pointer in a state.
func framePointer(state uintptr) uintptr {
	return load64(state + amd64.StateOffsetGeneral + 8*numberBP)
}

// stateCounter is the program counter and the stack pointer in a state.
func stateCounter(state uintptr) (pc, stack uintptr) {
	return load64(state + amd64.StateOffsetRIP), load64(state + amd64.StateOffsetGeneral + 8*numberSP)
}

var generalNames = [...]string{
	" rax ", " rcx ", " rdx ", " rbx ", " rsp ", " rbp ", " rsi ", " rdi ", " r8 ", " r9 ", " r10 ", " r11 ", " r12 ", " r13 ", " r14 ", " r15 ",
}

// printState prints the registers in a state.
func printState(n *handoff.Notice, state uintptr) {
	for i, name := range generalNames {
		wrapLine(n, i)
		n.Print(name)
		n.PrintHex(uint64(load64(state + amd64.StateOffsetGeneral + 8*uintptr(i))))
	}
	for i, r := range [...]struct {
		name   string
		offset uintptr
	}{{" rip ", amd64.StateOffsetRIP}, {" rflags ", amd64.StateOffsetRFLAGS}, {" cr2 ", amd64.StateOffsetCR2}, {" cr3 ", amd64.StateOffsetCR3}, {" fs ", amd64.StateOffsetFSBase}} {
		wrapLine(n, i+len(generalNames))
		n.Print(r.name)
		n.PrintHex(uint64(load64(state + r.offset)))
	}
}
