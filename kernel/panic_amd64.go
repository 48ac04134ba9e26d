//go:build linux

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

func onPanicStack()

//go:nosplit
func savedAt(saved uintptr) *savedRegisters { return pointer[savedRegisters](saved) }

// putState stores a word of a state in machdep/amd64's wire layout.
//
//go:nosplit
func putState(state, offset, v uintptr) { store64(state+offset, v) }

// putGeneral stores a general register, by its number in the encoding.
//
//go:nosplit
func putGeneral(state, register, v uintptr) {
	putState(state, amd64.StateOffsetGeneral+8*register, v)
}

// General registers in the order of their encoding (SDM 2A table 3-1).
const (
	numberAX = iota
	numberCX
	numberDX
	numberBX
	numberSP
	numberBP
	numberSI
	numberDI
	number8
)

// threadState fills in what a thread at a system call has. RCX and R11 are lost
// to SYSCALL.
//
//go:nosplit
func threadState(c *handoff.PanicContext, t *thread) {
	g := &t.registers
	at := addressOf(&c.State)
	putGeneral(at, numberAX, g.ax)
	putGeneral(at, numberCX, g.ip)
	putGeneral(at, numberDX, g.dx)
	putGeneral(at, numberBX, g.bx)
	putGeneral(at, numberSP, g.sp)
	putGeneral(at, numberBP, g.bp)
	putGeneral(at, numberSI, g.si)
	putGeneral(at, numberDI, g.di)
	putGeneral(at, number8, g.r8)
	putGeneral(at, number8+1, g.r9)
	putGeneral(at, number8+2, g.r10)
	putGeneral(at, number8+3, 2)
	putGeneral(at, number8+4, g.r12)
	putGeneral(at, number8+5, g.r13)
	putGeneral(at, number8+6, g.r14)
	putGeneral(at, number8+7, g.r15)
	putSystem(at, g.ip, 2, userCode, userData)
	c.StateLength = amd64.StateSize
	c.PC, c.Stack = uint64(g.ip), uint64(g.sp)
}

// putSystem fills in what is not in the general registers.
//
//go:nosplit
func putSystem(at, ip, flags, cs, ss uintptr) {
	const valid = amd64.StateGeneral | amd64.StateSegments | amd64.StateControl | amd64.StateTables | amd64.StateExtended
	store32(at+amd64.StateOffsetVersion, amd64.StateVersion)
	store32(at+amd64.StateOffsetValid, uint32(valid))
	putState(at, amd64.StateOffsetRIP, ip)
	putState(at, amd64.StateOffsetRFLAGS, flags)
	putState(at, amd64.StateOffsetSelectors, cs&0xffff|ss&0xffff<<16)
	putState(at, amd64.StateOffsetSelectors+8, taskSelector<<32)
	putState(at, amd64.StateOffsetFSBase, k.fsBase)
	putState(at, amd64.StateOffsetCR0, k.cr0)
	putState(at, amd64.StateOffsetCR2, k.faultAddress)
	putState(at, amd64.StateOffsetCR3, k.root)
	putState(at, amd64.StateOffsetCR4, k.cr4)
	putState(at, amd64.StateOffsetEFER, k.efer)
	putState(at, amd64.StateOffsetXCR0, k.xcr0)
	putState(at, amd64.StateOffsetGDTBase, addressOf(&control)+controlGDT)
	putState(at, amd64.StateOffsetIDTBase, addressOf(&control)+controlIDT)
	store32(at+amd64.StateOffsetGDTLimit, 0x47|(16*vectorCount-1)<<16)
}

// panicTrap panics with the registers of a trapped context: those at saved,
// and the trap frame. It does not return.
//
//go:nosplit
func panicTrap(saved uintptr, reason handoff.Reason, message string) {
	frame := pointer[trapFrame](k.trapFrame)
	if !beginPanic(1, k.cpu) {
		panicAgain(reason, frame.vector, frame.code, k.faultAddress, frame.ip, frame.sp)
	}
	setMessage(message)
	c := &panicNow().context
	c.Reason = reason
	c.Vector, c.ErrorCode, c.FaultAddress = uint64(frame.vector), uint64(frame.code), uint64(k.faultAddress)
	c.ExitCode = 0
	trapContext(c, savedAt(saved), frame)
	enterPanic()
}

// trapContext fills in a trapped context.
//
//go:nosplit
func trapContext(c *handoff.PanicContext, s *savedRegisters, frame *trapFrame) {
	trapState(addressOf(&c.State), s, frame)
	c.StateLength = amd64.StateSize
	c.PC, c.Stack = uint64(frame.ip), uint64(frame.sp)
}

// trapState fills in the state of a trapped context.
//
//go:nosplit
func trapState(at uintptr, s *savedRegisters, frame *trapFrame) {
	putGeneral(at, numberAX, s.ax)
	putGeneral(at, numberCX, s.cx)
	putGeneral(at, numberDX, s.dx)
	putGeneral(at, numberBX, s.bx)
	putGeneral(at, numberSP, frame.sp)
	putGeneral(at, numberBP, s.bp)
	putGeneral(at, numberSI, s.si)
	putGeneral(at, numberDI, s.di)
	putGeneral(at, number8, s.r8)
	putGeneral(at, number8+1, s.r9)
	putGeneral(at, number8+2, s.r10)
	putGeneral(at, number8+3, s.r11)
	putGeneral(at, number8+4, s.r12)
	putGeneral(at, number8+5, s.r13)
	putGeneral(at, number8+6, s.r14)
	putGeneral(at, number8+7, s.r15)
	putSystem(at, frame.ip, frame.flags, frame.cs, frame.ss)
}

// handleFatal runs on the panic stack for #DF, #MC and the NMI that panics.
//
//go:nosplit
func handleFatal(saved uintptr) {
	switch pointer[trapFrame](k.trapFrame).vector {
	case vectorDouble:
		panicTrap(saved, handoff.ReasonDoubleFault, "double fault")
	case vectorMachine:
		panicTrap(saved, handoff.ReasonMachineCheck, "machine check")
	default:
		panicTrap(saved, handoff.ReasonNMI, "non-maskable interrupt")
	}
}

// putRoots says where the page tables are.
//
//go:nosplit
func putRoots(c *handoff.PanicContext) { c.Root = uint64(k.root) }

//go:nosplit
func printRegister(name string, v uint64) {
	print(name)
	printHex(uintptr(v))
}

//go:nosplit
func printRegisters(c *handoff.PanicContext) {
	printRegister("kernel: vector ", c.Vector)
	printRegister(" error ", c.ErrorCode)
	printRegister(" cr2 ", c.FaultAddress)
	printRegister(" rip ", c.PC)
	printRegister(" rsp ", c.Stack)
	printRegister(" rbp ", uint64(load64(addressOf(&c.State)+amd64.StateOffsetGeneral+8*numberBP)))
	printRegister(" cr3 ", c.Root)
	printRegister(" fs ", uint64(k.fsBase))
	print("\n")
}

// leaveForTrampoline jumps to the trampoline, in ring 0 and at its physical
// address. It writes nothing, and returns only if the gate is broken.
//
//go:nosplit
func leaveForTrampoline(to uintptr) { gate(gateEnter, uint64(to)) }

// enterPhysical leaves for code at its physical address, in ring 0 with RDI the
// argument. It does not return.
//
//go:nosplit
func enterPhysical(to, argument uintptr) {
	k.enterArgument = argument
	gate(gateEnter, uint64(to))
}

// The machine's ends. Each tries what there may be, and none returns.

//go:nosplit
func resetMachine() {
	outputByte(0xcf9, 0x02) // reset control register of PCI chip sets: cold reset
	outputByte(0xcf9, 0x06)
	outputByte(0x64, 0xfe) // keyboard controller: pulse the reset line
	gate(gateReset, 0)
	haltMachine()
}

//go:nosplit
func powerOffMachine() {
	outputByte(k.exitPort(), 0)
	outputWord(0x604, 0x2000) // QEMU's ACPI PM1a control: sleep type 0, sleep enable
	outputWord(0xb004, 0x2000)
	haltMachine()
}

//go:nosplit
func haltMachine() {
	for {
		gate(gateHalt, 0)
	}
}

// exitPort is where a virtual machine's runner may listen for the exit code
// (QEMU's isa-debug-exit).
//
//go:nosplit
func (*kernelState) exitPort() uint16 { return 0xf4 }
