package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// MaxPanicMessage is the most of a message that a PanicContext holds.
const MaxPanicMessage = 240

// PanicContext is what is known when the kernel panics. It lies in memory that
// is always mapped and holds no pointers.
type PanicContext struct {
	Reason        handoff.Reason
	Depth         uint32 // 1; 2 for a panic on the panic path. The third resets.
	ExitCode      uint64 // ReasonExit: of exit_group; ReasonAbort: the signal
	Vector        uint64 // of an exception
	ErrorCode     uint64
	FaultAddress  uint64
	Registers     Registers // of the panicking context
	MessageLength uint32
	Message       [MaxPanicMessage]byte
}

// Registers are those of the context that panicked: the trapped one for an
// exception, the caller's otherwise. With FSBase a debugger finds the
// goroutine: Go keeps g in the word below it.
type Registers struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS, CS, SS                    uint64
	FSBase                                 uint64
	CR0, CR2, CR3, CR4                     uint64
}
