//go:build linux

package kernel

// What assembly calls or is called by: these names have no other use in Go,
// and checkers of unused code do not read assembly.
var _ = [...]any{
	entry, userStart, systemCallUser, vectors, exception, gateRequest, trapReturn, exceptionUser, gateInstruction, clock,
	signalRestorer, initProcessor, initFacts, initMemory, initAddressSpace, initProtection, initClock, initProcess,
	handleSystemCall, handleException, runPanic, interrupt, takeInterrupts, guardCall, guardBack, panicVectors, panicFault, panicLeave, panicLanding, panicTrapped, addressOf(&k.blockAddress), addressOf(&k.scratch), svcGate, svcReturn,
	front, frontEnd, secondaryStart, secondaryUser, secondaryLower, secondaryTrap, secondaryFatal, handleSecondary,
}
