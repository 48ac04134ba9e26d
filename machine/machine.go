package machine

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Architecture is a CPU architecture, by the name that Go gives to it.
type Architecture string

// The architectures that machines have.
const (
	AMD64 Architecture = "amd64"
	ARM64 Architecture = "arm64"
)

// ErrUnavailable says that this computer cannot run machines of this kind. The
// error that wraps it says why; a test skips with it.
var ErrUnavailable = errors.New("no such machine on this computer")

// ErrUnsupported says that this runner cannot do what was asked for.
var ErrUnsupported = errors.New("not supported by this machine")

// ErrClosed says that the machine was closed.
var ErrClosed = errors.New("the machine is closed")

// Machine is a computer under the control of the test process.
type Machine interface {
	// Architecture is the architecture of the CPUs.
	Architecture() Architecture

	// RAM is where there is memory that the guest can use as such.
	RAM() physmem.Ranges

	// Memory is the machine's RAM itself, not a copy. Writes while the CPUs
	// run are seen by them; whoever wants a moment in time stops them first.
	Memory() physmem.Memory

	// CPUs is the number of CPUs.
	CPUs() int

	// Run lets every CPU that is on run until something stops the machine.
	// Where ctx ends first, the CPUs are stopped and the exit's reason is
	// Canceled or TimedOut; the machine can be run on.
	Run(ctx context.Context) (Exit, error)

	// RunTo is Run with breakpoints: it also stops, with reason Breakpoint,
	// before a CPU executes the instruction at one of the virtual addresses.
	// At least one and at most MaxBreakpoints. An instruction at such an
	// address that a CPU has stopped at is executed first.
	RunTo(ctx context.Context, addresses ...uint64) (Exit, error)

	// Step lets one CPU execute one instruction, or take one exception. The
	// others stand still.
	Step(ctx context.Context, cpu int) (Exit, error)

	// State is a copy of a CPU's registers: *AMD64State or *ARM64State.
	State(cpu int) (State, error)

	// SetState gives a CPU its registers, and turns it on or off as the
	// state's Activity says.
	SetState(cpu int, state State) error

	// NMI sends a non-maskable interrupt to a CPU, which takes it when it
	// runs next. It wakes a CPU that halted. As on the wire, one that is sent
	// before the last was taken may be lost.
	NMI(cpu int) error

	// Reset puts the CPUs and devices into the state after power-on or, where
	// a boot image was given, at its entry again. RAM keeps its contents: a
	// boot image is not loaded again, its boot parameters neither.
	Reset() error

	// Snapshot copies all RAM and the state of every CPU.
	Snapshot() (*Snapshot, error)

	// Close stops the machine and frees what it holds. It may be called twice.
	Close() error
}

// MaxBreakpoints is how many breakpoints RunTo takes: DR0 to DR3 of amd64
// (Intel SDM 3B 18.2.1); arm64 has at least that many.
const MaxBreakpoints = 4

// Reason says why a machine stopped.
type Reason int

// Why a machine stops.
const (
	Halted      Reason = iota + 1 // every CPU halted and no interrupt can wake it, where the runner can see that
	PoweredOff                    // the guest turned the machine off
	Reset                         // the guest asked for a reset
	DebugExit                     // the guest wrote to the debug exit port: Exit.Code
	TripleFault                   // a CPU shut down (Intel SDM 3A 6.15, #DF)
	Breakpoint                    // a CPU is at a breakpoint: Exit.CPU, Exit.PC
	Stepped                       // Step is done
	Canceled                      // the context was canceled
	TimedOut                      // the context's deadline passed
	Failed                        // the guest did what the machine cannot go on from: Exit.Detail
)

var reasonNames = map[Reason]string{
	Halted: "halted", PoweredOff: "powered off", Reset: "reset", DebugExit: "debug exit", TripleFault: "triple fault",
	Breakpoint: "breakpoint", Stepped: "stepped", Canceled: "canceled", TimedOut: "timed out", Failed: "failed",
}

func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("Reason(%d)", int(r))
}

// Exit says why and where a machine stopped.
type Exit struct {
	Reason Reason
	CPU    int    // the CPU that stopped the machine; 0 where none did
	PC     uint64 // that CPU's instruction pointer, a virtual address
	Code   uint64 // DebugExit: what the guest wrote
	Detail string // more for a reader of logs; may be empty
}

func (e Exit) String() string {
	s := fmt.Sprintf("%v on CPU %d at %#x", e.Reason, e.CPU, e.PC)
	if e.Reason == DebugExit {
		s += fmt.Sprintf(", code %d", e.Code)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// ContextExit is the exit of a run that ctx ended.
func ContextExit(ctx context.Context) Exit {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Exit{Reason: TimedOut}
	}
	return Exit{Reason: Canceled}
}
