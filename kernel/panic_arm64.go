//go:build linux

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

func onPanicStack()

//go:nosplit
func savedAt(saved uintptr) *savedRegisters { return pointer[savedRegisters](saved) }

// putState stores a word of a state in machdep/arm64's wire layout.
//
//go:nosplit
func putState(state, offset, v uintptr) { store64(state+offset, v) }

// threadState fills in what a thread at a system call has. X16 to X18 are lost.
//
//go:nosplit
func threadState(c *handoff.PanicContext, t *thread) {
	r := &t.registers
	at := addressOf(&c.State)
	for i := uintptr(0); i < 31; i++ {
		putState(at, arm64.StateOffsetGeneral+8*i, *element(&r.x[0], i))
	}
	putSystem(at, r.ip, r.sp, k.pstate)
	putState(at, arm64.StateOffsetESR, 0)
	putState(at, arm64.StateOffsetFAR, 0)
	c.StateLength = arm64.StateSize
	c.PC, c.Stack = uint64(r.ip), uint64(r.sp)
}

// trapContext fills in a trapped context.
//
//go:nosplit
func trapContext(c *handoff.PanicContext, s *savedRegisters, trap *trapFrame) {
	trapState(addressOf(&c.State), s, trap)
	c.StateLength = arm64.StateSize
	c.PC, c.Stack = uint64(trap.pc), uint64(trap.sp)
}

// trapState fills in the state of a trapped context.
//
//go:nosplit
func trapState(at uintptr, s *savedRegisters, trap *trapFrame) {
	for i := uintptr(0); i < 31; i++ {
		putState(at, arm64.StateOffsetGeneral+8*i, *element(&s.x[0], i))
	}
	putSystem(at, trap.pc, trap.sp, trap.pstate)
	putState(at, arm64.StateOffsetESR, trap.esr)
	putState(at, arm64.StateOffsetFAR, trap.far)
}

// putSystem fills in what is not in the general registers.
//
//go:nosplit
func putSystem(at, pc, sp, pstate uintptr) {
	const valid = arm64.StateGeneral | arm64.StateThread | arm64.StateControl | arm64.StateException | arm64.StateIdentity
	store32(at+arm64.StateOffsetVersion, arm64.StateVersion)
	store32(at+arm64.StateOffsetValid, uint32(valid))
	putState(at, arm64.StateOffsetSP, sp)
	putState(at, arm64.StateOffsetPC, pc)
	putState(at, arm64.StateOffsetPSTATE, pstate)
	putState(at, arm64.StateOffsetSPEL0, sp)
	putState(at, arm64.StateOffsetSCTLR, k.sctlr)
	putState(at, arm64.StateOffsetTCR, k.tcr)
	putState(at, arm64.StateOffsetTTBR0, k.root)
	putState(at, arm64.StateOffsetMAIR, k.mair)
	putState(at, arm64.StateOffsetVBAR, (k.symbols.vectors+0x7ff)&^0x7ff)
	putState(at, arm64.StateOffsetCPACR, k.cpacr)
	putState(at, arm64.StateOffsetELR, pc)
	putState(at, arm64.StateOffsetSPSR, pstate)
	putState(at, arm64.StateOffsetMPIDR, k.id[idMPIDR])
	putState(at, arm64.StateOffsetMIDR, k.id[idMIDR])
}

// panicTrap panics with the registers of a trapped context: those at saved,
// and k.trap. It does not return.
//
//go:nosplit
func panicTrap(saved uintptr, reason handoff.Reason, message string) {
	if !beginPanic(1, k.cpu) {
		panicAgain(reason, k.trap.esr, 0, k.trap.far, k.trap.pc, k.trap.sp)
	}
	setMessage(message)
	c := &panicNow().context
	c.Reason = reason
	c.Vector, c.ErrorCode, c.FaultAddress = uint64(k.trap.esr), 0, uint64(k.trap.far)
	c.ExitCode = 0
	trapContext(c, savedAt(saved), &k.trap)
	enterPanic()
}

// putRoots says where the page tables are: TTBR1_EL1 is not used.
//
//go:nosplit
func putRoots(c *handoff.PanicContext) { c.Root, c.RootLower = 0, uint64(k.root) }

//go:nosplit
func printRegister(name string, v uint64) {
	print(name)
	printHex(uintptr(v))
}

//go:nosplit
func printRegisters(c *handoff.PanicContext) {
	printRegister("kernel: esr ", c.Vector)
	printRegister(" far ", c.FaultAddress)
	printRegister(" pc ", c.PC)
	printRegister(" sp ", c.Stack)
	printRegister(" lr ", uint64(load64(addressOf(&c.State)+arm64.StateOffsetGeneral+8*30)))
	printRegister(" ttbr0 ", c.RootLower)
	print("\n")
}

// enterPhysical leaves for code at its physical address, at EL1 with X0 the
// argument. It does not return.
//
//go:nosplit
func enterPhysical(to, argument uintptr) { gate(gateEnter, to, argument, 0, 0) }

// firmware calls PSCI (Arm DEN 0022). Without PSCI it returns at once.
//
//go:nosplit
func firmware(function, a1, a2, a3 uintptr) uintptr {
	switch handoff.Conduit(k.conduit) {
	case handoff.ConduitHVC:
		return gate(gateHypervisor, function, a1, a2, a3)
	case handoff.ConduitSMC:
		return gate(gateMonitor, function, a1, a2, a3)
	}
	return ^uintptr(0) // not supported
}

// The machine's ends. None returns.

//go:nosplit
func resetMachine() {
	firmware(arm64.PSCISystemReset, 0, 0, 0)
	haltMachine()
}

//go:nosplit
func powerOffMachine() {
	firmware(arm64.PSCISystemOff, 0, 0, 0)
	haltMachine()
}

//go:nosplit
func haltMachine() {
	for {
		gate(gateHalt, 0, 0, 0, 0)
	}
}

// leaveForTrampoline jumps to the trampoline, at EL1 and at its physical address.
// It does not return.
//
//go:nosplit
func leaveForTrampoline(to uintptr) { gate(gateEnter, to, 0, 0, 0) }
