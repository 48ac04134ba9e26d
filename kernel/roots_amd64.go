//go:build linux

package kernel

// What assembly calls or is called by: these names have no other use in Go,
// and checkers of unused code do not read assembly.
var _ = [...]any{
	entry, userStart, systemCall, systemCallUser, vectors, exception, undefined,
	nonMaskable, fatal, fatalUser, exceptionUser, gateInstruction, clock,
	initProcessor, initFacts, initMemory, initAddressSpace, initProtection,
	initClock, initProcess, handleSystemCall, handleException, handleFatal,
	gateRequest, secondaryStart, secondaryUser, secondaryVectors, secondaryTrap,
	callGuarded, endGuarded, secondaryNMI, secondaryUndefined, secondaryFatal, handleSecondary,
	runPanic, addressOf(&leave), addressOf(&k.blockAddress),
	addressOf(&k.returnAddress), addressOf(&k.scratch),
	addressOf(&k.panic.own.guard.resume), interruptFlag,
}
