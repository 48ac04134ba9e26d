package postmortem

import "github.com/seed64aab995/rescuekernel/minidump"

// Register is one register and what it held.
type Register struct {
	Name  string // as the architecture's manuals have it, lower case
	Value uint64
}

// Registers are registers of one CPU or thread, in the order to show them.
// Which ones there are depends on where they come from: a thread that waits
// has only those that calls preserve.
type Registers struct {
	Architecture minidump.Architecture
	List         []Register
}

// Get is the value of the register called name.
func (r Registers) Get(name string) (uint64, bool) {
	for _, register := range r.List {
		if register.Name == name {
			return register.Value, true
		}
	}
	return 0, false
}

// names of the registers that every architecture has under some name.
type registerNames struct{ pc, sp, fp string }

func namesOf(a minidump.Architecture) registerNames {
	if a == minidump.AMD64 {
		return registerNames{"rip", "rsp", "rbp"}
	}
	return registerNames{"pc", "sp", "x29"}
}

// PC is the program counter, rip or pc.
func (r Registers) PC() (uint64, bool) { return r.Get(namesOf(r.Architecture).pc) }

// SP is the stack pointer, rsp or sp.
func (r Registers) SP() (uint64, bool) { return r.Get(namesOf(r.Architecture).sp) }

// FP is the frame pointer, rbp or x29.
func (r Registers) FP() (uint64, bool) { return r.Get(namesOf(r.Architecture).fp) }
