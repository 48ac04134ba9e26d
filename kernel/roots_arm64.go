//go:build linux

package kernel

// What assembly calls or is called by: these names have no other use in Go,
// and checkers of unused code do not read assembly.
var _ = [...]any{
	entry, userStart, systemCallUser, vectors, exception, gateRequest, trapReturn, exceptionUser, gateInstruction, clock,
	signalRestorer, initProcessor, initFacts, initMemory, initAddressSpace, initProtection, initClock, initProcess,
	handleSystemCall, handleException, runPanic,
	interrupt, takeInterrupts, guardCall, guardBack, panicVectors, panicFault, panicLeave, panicLanding, panicTrapped,
	addressOf(&k.blockAddress), addressOf(&k.scratch), svcGate, svcReturn,
	front, frontEnd, secondaryStart, secondaryUser, secondaryLower, secondaryTrap, secondaryFatal, handleSecondary,
}

// And what is shared with amd64, or is laid out for it, and not used here.
var _ = [...]any{
	registerSlot, finishSlot, otherStacks, functionAddress,
	addressOf(&k.panic.own.stopped), addressOf(&k.panic.own.guard.resume), guardMemory{}.table, guardMemory{}.tls,
}
