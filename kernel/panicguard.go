//go:build linux && (amd64 || arm64)

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// guardWork is what ends a notifier that does not end by itself.
type guardWork struct {
	ready  uintptr // beginGuard has been called
	active uintptr // a notifier runs
	resume uintptr // stack pointer of callGuarded, for it alone
	vector uintptr // what ended the notifier: the vector, the error code from bit 16 on,
	pc     uintptr // and where
}

// guardMemory is what lies at panicGuard: what Go code needs of a goroutine. Its
// machine (m) is nil, so that what needs one faults: allocation, growing the
// stack, a Go panic.
type guardMemory struct {
	table [2]uintptr // amd64: operand of LIDT
	tls   uintptr    // amd64: the word below FS base, where Go keeps g
	_     uintptr
	g     fakeG
}

// fakeG is a runtime.g as far as compiled code looks at it: see the prologue of
// any function, and runtime/runtime2.go.
type fakeG struct {
	low, high     uintptr // the stack
	guard, guard1 uintptr // where a function has to grow it
	_             [56]uintptr
}

// outcomeDone is handoff.OutcomeDone, for assembly.
const outcomeDone = 2

const _ = uint(outcomeDone - handoff.OutcomeDone)

// stackGuard is what a nosplit chain may use below the guard (internal/abi
// StackGuard is 928 bytes).
const stackGuard = 1024

// machineGuard is handoff.PanicMachine.Guard.
//
//go:nosplit
func machineGuard(function uintptr, n *handoff.Notice, budget uint64) (o handoff.Outcome, vector uint32, pc uint64) {
	if k.panic.memory == 0 {
		return handoff.OutcomeSkipped, 0, 0
	}
	w := &panicNow().guard
	m := pointer[guardMemory](k.panic.memory + panicGuard)
	if w.ready == 0 {
		beginGuard(m)
		w.ready = 1
	}
	top := k.panic.memory + noticeStack
	m.g.low, m.g.high = top-noticeStackSize, top
	m.g.guard, m.g.guard1 = m.g.low+stackGuard, m.g.low+stackGuard
	w.vector, w.pc = 0, 0
	window := flag(budget != 0 && hasWindow())
	if window != 0 {
		openWindow(uintptr(budget))
	}
	w.active = 1
	o = handoff.Outcome(callGuarded(function, addressOf(n), top, addressOf(&m.g), window))
	w.active = 0
	if window != 0 {
		closeWindow()
	}
	return o, uint32(w.vector), uint64(w.pc)
}

// panicTrapped is an exception, or the timer's interrupt, of the CPU that
// panics. It ends a notifier; elsewhere it is a panic on the panic path. It does
// not return.
//
//go:nosplit
func panicTrapped(vector, code, fault, pc, stack uintptr, timer bool) {
	w := &panicNow().guard
	if w.active != 0 {
		w.active, w.vector, w.pc = 0, vector|code<<16, pc
		if timer {
			endGuarded(uintptr(handoff.OutcomeTimedOut))
		}
		endGuarded(uintptr(handoff.OutcomeFaulted))
	}
	panicAgain(handoff.ReasonUserFault, vector, code, fault, pc, stack)
}
