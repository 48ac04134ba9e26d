//go:build linux && (amd64 || arm64)

package kernel

import (
	"sync/atomic"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// panicState is what OnPanic sets.
type panicState struct {
	at        uintptr // address of the panicWork in use; 0 in the first instructions
	handled   uintptr // panicRun is set; it lies in .bss, which may not be mapped
	explicit  [handoff.MaxPanicMessage]byte
	block     uintptr // what panicRun is called with
	panicArea uintptr
	memory    uintptr // what OnPanic was given as Stack; 0: nothing
	others    uintptr // stacks of the other CPUs, count of them, size of each
	count     uintptr
	size      uintptr
	own       panicWork
}

// panicWork is all that the panic path writes before panicRun: from the panic's
// first instruction on the host's memory is evidence. So once the host is armed
// it lies in the reservation, below the panic stack; see panicLayout.
type panicWork struct {
	context handoff.PanicContext
	depth   uintptr
	ticks   uintptr // when the panic path began
	owner   uintptr // place of the CPU that panicked first, 1 for CPU 0; others stop
	stopped uintptr // bit n: the CPU of place n+1 did
	begun   uintptr // panics that did not get as far as being counted
	written uintptr // bytes ever written to the message buffer
	guard   guardWork
}

// The memory that OnPanic is given as Stack. The panic stack reaches from
// panicStackEnd to the end.
const (
	panicWorkSize  = 0x800
	panicTrapStack = 0xbf0  // top of the stack that ring 0 takes exceptions on
	panicGuard     = 0xc00  // guardMemory
	panicTable     = 0x1000 // descriptors of exceptions, amd64
	noticeStack    = 0x4000 // top of the stack of notifiers, the table's end is its bottom
	panicStackEnd  = 0x4000
	leastPanicSize = 0x6000
)

const _ = uint(panicWorkSize - unsafe.Sizeof(panicWork{}))

//go:nosplit
func panicNow() *panicWork { return pointer[panicWork](k.panic.at) }

// panicRun is the handler's routine.
var panicRun func(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address

//go:nosplit
func setMessage(s string) {
	c := &panicNow().context
	c.MessageLength = 0
	addMessage(stringAddress(s), uintptr(len(s)))
}

//go:nosplit
func addMessage(p, n uintptr) {
	c := &panicNow().context
	for i := uintptr(0); i < n && c.MessageLength < handoff.MaxPanicMessage; i++ {
		*element(&c.Message[0], uintptr(c.MessageLength)) = load8(p + i)
		c.MessageLength++
	}
}

//go:nosplit
func addDecimal(v uintptr) {
	d := uintptr(1)
	for v/d >= 10 {
		d *= 10
	}
	for ; d > 0; d /= 10 {
		addMessage(stringAddress("0123456789")+v/d%10, 1)
	}
}

// beginPanic makes the CPU of a place (1: CPU 0) the one that panics. A CPU that
// comes second stands still here, for stopOthers to find it. It reports false
// for a panic on the panic path: the context is then that of the first.
//
//go:nosplit
func beginPanic(place, cpu uintptr) (first bool) {
	now := ticks()
	w := panicNow()
	if w.owner != place && !atomic.CompareAndSwapUintptr(&w.owner, 0, place) {
		haltMachine()
	}
	if w.depth != 0 {
		return false
	}
	if w.begun++; w.begun > maxBegun {
		resetMachine()
	}
	w.ticks = now
	w.context.CPU = uint32(cpu)
	return true
}

// maxBegun bounds panics of the ways into the panic path.
const maxBegun = 4

// panicAgain is a panic on the panic path. It does not return.
//
//go:nosplit
func panicAgain(reason handoff.Reason, vector, code, fault, pc, stack uintptr) {
	c := &panicNow().context
	s := &c.Second
	s.Reason, s.CPU = reason, c.CPU
	s.Vector, s.ErrorCode, s.FaultAddress = uint64(vector), uint64(code), uint64(fault)
	s.PC, s.Stack = uint64(pc), uint64(stack)
	enterPanic()
}

// panicThread panics with the registers of a thread at its system call. It
// does not return.
//
//go:nosplit
func panicThread(t *thread, reason handoff.Reason, code uintptr, message string) {
	if !beginPanic(1, k.cpu) {
		panicAgain(reason, 0, 0, 0, t.registers.ip, t.registers.sp)
	}
	setMessage(message)
	if reason == handoff.ReasonExit || reason == handoff.ReasonAbort {
		addMessage(stringAddress(" "), 1)
		addDecimal(code)
	}
	panicThreadSet(t, reason, code)
}

// panicThreadSet is panicThread with the message already in place.
//
//go:nosplit
func panicThreadSet(t *thread, reason handoff.Reason, code uintptr) {
	c := &panicNow().context
	c.Reason = reason
	c.ExitCode = uint64(code)
	c.Vector, c.ErrorCode, c.FaultAddress = 0, 0, 0
	threadState(c, t)
	enterPanic()
}

// enterPanic counts and switches to the panic stack. A third panic, one on the
// path of the second, resets at once.
//
//go:nosplit
func enterPanic() {
	w := panicNow()
	c := &w.context
	w.depth++
	c.Depth = uint32(w.depth)
	switch w.depth {
	case 1:
		c.Entered = uint64(w.ticks)
		putRoots(c)
		w.written = k.message.written
		c.MessageBuffer = uint64(w.written)
	case 2:
	default:
		resetMachine()
	}
	onPanicStack()
}

// runPanic runs on the panic stack. What is done in which order is the handler's
// (package rescue has it); without one the other CPUs are stopped and the
// context is printed.
//
//go:nosplit
func runPanic() {
	if k.panic.handled != 0 {
		if to := panicRun(&panicNow().context, k.panic.block, k.panic.panicArea); to != 0 {
			leaveForTrampoline(uintptr(to))
		}
	} else if panicNow().depth == 1 {
		stopOthers(defaultPatience * k.kilohertz)
	}
	describePanic()
	resetMachine()
}

// defaultPatience is how many milliseconds other CPUs have to stop in.
const defaultPatience = 100

// describePanic prints what is known of the panic.
//
//go:nosplit
func describePanic() {
	c := &panicNow().context
	print("\nkernel: panic: ")
	print(reasonName(c.Reason))
	print(": ")
	writeConsole(addressOf(&c.Message), uintptr(c.MessageLength))
	print("\n")
	printRegisters(c)
	print("kernel: faults ")
	printDecimal(k.stats.faults)
	print(", free frames ")
	printDecimal(k.frames.left)
	print(", time ")
	printDecimal(nanoseconds() / 1e6)
	print(" ms; reset\n")
}

// reasonName is handoff.Reason.String without bounds checks or allocation.
//
//go:nosplit
func reasonName(r handoff.Reason) string {
	switch r {
	case handoff.ReasonCall:
		return "explicit call"
	case handoff.ReasonExit:
		return "exit"
	case handoff.ReasonAbort:
		return "abort"
	case handoff.ReasonUserFault:
		return "fault in user mode"
	case handoff.ReasonKernelFault:
		return "fault in kernel mode"
	case handoff.ReasonDoubleFault:
		return "double fault"
	case handoff.ReasonNMI:
		return "NMI"
	case handoff.ReasonMachineCheck:
		return "machine check"
	case handoff.ReasonMemory:
		return "out of memory"
	}
	return "unknown"
}

// exitGroup is exit_group: 0 powers off, anything else panics. The runtime has
// written its text by then.
//
//go:nosplit
func exitGroup(t *thread, code uintptr) {
	if code == 0 {
		powerOffMachine()
	}
	panicThread(t, handoff.ReasonExit, code, "the program ended with exit code")
}

// serveSignals has the calls about signals. A signal that is sent and has no
// handler ends the program, so the machine.
//
//go:nosplit
func serveSignals(t *thread, number, a0, a1, a2 uintptr) (result uintptr, handled bool) {
	switch number {
	case callSigaction:
		return k.signals.action(a0, a1, a2), true
	case callSigprocmask:
		return t.changeMask(a0, a1, a2), true
	case callSigaltstack:
		t.alternate(a0, a1)
		return 0, true
	case callTgkill:
		return sendSignal(t, a2), true
	case callKill, callTkill:
		return sendSignal(t, a1), true
	}
	return 0, false
}

//go:nosplit
func sendSignal(t *thread, signal uintptr) uintptr {
	if signal == 0 || signal == signalURG || k.signals.taken(signal) != 0 {
		return 0 // nothing is delivered to a thread that runs: preemption by signal is off
	}
	if signal <= maxSignal && *element(&k.signals.handler[0], signal) == 1 {
		return 0
	}
	panicThread(t, handoff.ReasonAbort, signal, "signal")
	return 0
}
