//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

func onPanicStack()

//go:nosplit
func savedAt(saved uintptr) *savedRegisters { return pointer[savedRegisters](saved) }

// threadRegisters fills in what a thread at a system call has.
//
//go:nosplit
func threadRegisters(r *Registers, t *thread) {
	g := &t.registers
	r.RAX, r.RBX, r.RCX, r.RDX = uint64(g.ax), uint64(g.bx), uint64(g.ip), uint64(g.dx)
	r.RSI, r.RDI, r.RBP, r.RSP = uint64(g.si), uint64(g.di), uint64(g.bp), uint64(g.sp)
	r.R8, r.R9, r.R10, r.R11 = uint64(g.r8), uint64(g.r9), uint64(g.r10), 2
	r.R12, r.R13, r.R14, r.R15 = uint64(g.r12), uint64(g.r13), uint64(g.r14), uint64(g.r15)
	r.RIP, r.RFLAGS, r.CS, r.SS = uint64(g.ip), 2, userCode, userData
	systemRegisters(r)
}

//go:nosplit
func systemRegisters(r *Registers) {
	r.FSBase = uint64(k.fsBase)
	r.CR0, r.CR2, r.CR3, r.CR4 = uint64(k.cr0), uint64(k.faultAddress), uint64(k.root), uint64(k.cr4)
}

// panicTrap panics with the registers of a trapped context: those at saved,
// and the trap frame.
//
//go:nosplit
func panicTrap(saved uintptr, reason handoff.Reason, message string) {
	setMessage(message)
	c := &k.panic.context
	frame := pointer[trapFrame](k.trapFrame)
	c.Reason = reason
	c.Vector, c.ErrorCode, c.FaultAddress = uint64(frame.vector), uint64(frame.code), uint64(k.faultAddress)
	c.ExitCode = 0
	r, s := &c.Registers, savedAt(saved)
	r.RAX, r.RBX, r.RCX, r.RDX = uint64(s.ax), uint64(s.bx), uint64(s.cx), uint64(s.dx)
	r.RSI, r.RDI, r.RBP, r.RSP = uint64(s.si), uint64(s.di), uint64(s.bp), uint64(frame.sp)
	r.R8, r.R9, r.R10, r.R11 = uint64(s.r8), uint64(s.r9), uint64(s.r10), uint64(s.r11)
	r.R12, r.R13, r.R14, r.R15 = uint64(s.r12), uint64(s.r13), uint64(s.r14), uint64(s.r15)
	r.RIP, r.RFLAGS, r.CS, r.SS = uint64(frame.ip), uint64(frame.flags), uint64(frame.cs), uint64(frame.ss)
	systemRegisters(r)
	enterPanic()
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

//go:nosplit
func printRegister(name string, v uint64) {
	print(name)
	printHex(uintptr(v))
}

//go:nosplit
func printRegisters(c *PanicContext) {
	r := &c.Registers
	printRegister("kernel: vector ", c.Vector)
	printRegister(" error ", c.ErrorCode)
	printRegister(" cr2 ", r.CR2)
	printRegister(" rip ", r.RIP)
	printRegister(" rsp ", r.RSP)
	printRegister(" rbp ", r.RBP)
	printRegister(" cs ", r.CS)
	printRegister(" cr3 ", r.CR3)
	printRegister(" fs ", r.FSBase)
	print("\n")
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
