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
	own       panicWork
}

// panicWork is all that the panic path writes before panicRun: from the panic's
// first instruction on the host's memory is evidence. So once the host is armed
// it lies in the reservation, below the panic stack; see panicLayout.
type panicWork struct {
	context handoff.PanicContext
	depth   uintptr
	ticks   uintptr // when the panic path began
	owner   uintptr // the CPU that panicked first: 1 + its place; others stop
	stopped uintptr // CPUs that did
}

// The memory that OnPanic is given as Stack: panicWork, the stack that ring 0
// takes exceptions on, and from there to the end the panic stack.
const (
	panicWorkSize  = 0x800
	panicTrapStack = 0xc00 // top of ring 0's
	leastPanicSize = 0x1800
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
// comes second stops here.
//
//go:nosplit
func beginPanic(place, cpu uintptr) {
	now := ticks()
	w := panicNow()
	if w.owner != place && !atomic.CompareAndSwapUintptr(&w.owner, 0, place) {
		atomic.AddUintptr(&w.stopped, 1)
		haltMachine()
	}
	w.ticks = now
	w.context.CPU = uint32(cpu)
}

// panicThread panics with the registers of a thread at its system call. It
// does not return.
//
//go:nosplit
func panicThread(t *thread, reason handoff.Reason, code uintptr, message string) {
	beginPanic(1, k.cpu)
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
	if w.depth == 1 {
		stopOthers()
	}
	c.Depth = uint32(w.depth)
	c.Entered = uint64(w.ticks)
	putRoots(c)
	c.MessageBuffer = uint64(k.message.written)
	if w.depth > 2 {
		resetMachine()
	}
	onPanicStack()
}

// runPanic runs on the panic stack.
//
//go:nosplit
func runPanic() {
	if k.panic.handled != 0 {
		if to := panicRun(&panicNow().context, k.panic.block, k.panic.panicArea); to != 0 {
			leaveForTrampoline(uintptr(to))
		}
	}
	describePanic()
	resetMachine()
}

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
