//go:build linux

package kernel

import (
	"syscall"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

//go:nosplit
func handleSystemCall() {
	t := k.threads.current()
	x := &t.registers.x
	serve(t, x[8], x[0], x[1], x[2], x[3], x[4], x[5])
}

// serveArchitecture has the calls that only this architecture makes.
//
//go:nosplit
func serveArchitecture(t *thread, number, _, _ uintptr) bool {
	if number == syscall.SYS_RT_SIGRETURN {
		signalReturn(t)
		return true
	}
	return false
}

// switchThread: g is a register, and there is nothing else.
//
//go:nosplit
func switchThread(_, _ *thread) {}

// handleException runs at EL0 on the exception stack. saved is the address of
// savedRegisters; both it and k.trap may be changed, and are what is returned to.
//
//go:nosplit
func handleException(saved uintptr) {
	trap := &k.trap
	s := savedAt(saved)
	s.x[18] = trap.x18
	k.faultAddress = trap.far
	if panicNow().depth != 0 {
		panicTrap(saved, handoff.ReasonUserFault, "exception on the panic path")
	}
	if trap.pstate&uintptr(arm64.PSTATELevelMask) != 0 || k.inFault != 0 {
		panicTrap(saved, handoff.ReasonKernelFault, "exception in the kernel")
	}
	k.inFault = 1
	class := arm64.Class(trap.esr >> 26 & 0x3f)
	if class == arm64.ClassDataLower || class == arm64.ClassInstructionLower {
		ok, exhausted := pageFault(trap.far, faultCode(trap.esr))
		if exhausted {
			panicTrap(saved, handoff.ReasonMemory, outOfFrames)
		}
		if ok {
			k.inFault = 0
			return
		}
	}
	if (class == arm64.ClassUnknown || class == arm64.ClassSystemRegister) && emulate(s) {
		k.inFault = 0
		return
	}
	if class == arm64.ClassSError {
		panicTrap(saved, handoff.ReasonMachineCheck, "system error")
	}
	if inControl(trap.sp) {
		panicTrap(saved, handoff.ReasonKernelFault, "exception in the kernel")
	}
	if !deliver(s) {
		panicTrap(saved, handoff.ReasonUserFault, "exception that no signal handler takes")
	}
	k.inFault = 0
}

// Status codes of aborts without their level (DDI 0487 D24.2, ESR_EL1).
const (
	statusMask        = 0x3c
	statusTranslation = 0x04
	statusPermission  = 0x0c
	statusAlignment   = 0x21
)

// faultCode is an abort as amd64 has it.
//
//go:nosplit
func faultCode(esr uintptr) uintptr {
	code := uintptr(faultUser)
	if esr&statusMask != statusTranslation {
		code |= faultPresent
	}
	if arm64.Class(esr>>26&0x3f) == arm64.ClassInstructionLower {
		return code | faultFetch
	}
	if esr>>6&1 != 0 && esr>>8&1 == 0 { // WnR, and no cache maintenance
		code |= faultWrite
	}
	return code
}

// inControl reports whether a stack pointer is on one of the kernel's own
// stacks: the trapped code was the kernel's.
//
//go:nosplit
func inControl(sp uintptr) bool {
	base := addressOf(&control)
	return sp >= base && sp <= base+controlSize
}

// emulate does what Linux does for programs that read ID registers: MRS of op0 3,
// op1 0, CRn 0.
//
//go:nosplit
func emulate(s *savedRegisters) bool {
	if k.trap.pc&3 != 0 || k.trap.pc < k.symbols.text || k.trap.pc >= k.symbols.etext {
		return false
	}
	word := uintptr(load32(k.trap.pc))
	if word&0xffff_f000 != 0xd538_0000 {
		return false
	}
	if register := word & 31; register != 31 {
		*element(&s.x[0], register) = idRegister(word>>8&15, word>>5&7)
		if register == 18 {
			k.trap.x18 = s.x[18]
		}
	}
	k.trap.pc += 4
	return true
}

// signalOf translates a syndrome to a signal, its code and its address.
//
//go:nosplit
func signalOf(esr, far, pc uintptr) (signal, code, address uintptr) {
	switch arm64.Class(esr >> 26 & 0x3f) {
	case arm64.ClassDataLower, arm64.ClassInstructionLower:
		switch {
		case esr&0x3f == statusAlignment:
			return signalBus, codeAlignment, far
		case esr&statusMask == statusPermission:
			return signalSegment, codeNoAccess, far
		}
		return signalSegment, codeNotMapped, far
	case arm64.ClassPCAlignment, arm64.ClassSPAlignment:
		return signalBus, codeAlignment, far
	case arm64.ClassBRK, arm64.ClassBreakpointLower, arm64.ClassStepLower, arm64.ClassWatchpointLower:
		return signalTrap, codeBreakpoint, pc
	case arm64.ClassFloatingPoint:
		return signalFloat, codeKernel, pc
	}
	return signalIllegal, codeInstruction, pc
}

// Offsets in the frame of a signal, from the address of siginfo (Linux
// arch/arm64/include/uapi/asm/ucontext.h, sigcontext.h).
const (
	infoSize         = 128
	contextStack     = 16
	contextMask      = 40
	contextFault     = 176
	contextRegisters = 184 // X0 to X30, SP, PC, PSTATE
	signalFrame      = 1024
)

// deliver makes the trapped context go on in the Go runtime's signal handler,
// with a frame like Linux's on the thread's signal stack. It reports false when
// there is no handler, the signal is blocked (a fault in the handler itself),
// or the stack does not do.
//
//go:nosplit
func deliver(s *savedRegisters) bool {
	t := k.threads.current()
	trap := &k.trap
	signal, code, address := signalOf(trap.esr, trap.far, trap.pc)
	handler := k.signals.taken(signal)
	if handler == 0 || t.stackSize == 0 || t.mask>>(signal-1)&1 != 0 {
		return false
	}
	top := t.stack + t.stackSize
	if trap.sp > t.stack && trap.sp <= top {
		top = trap.sp
	}
	info := top&^63 - signalFrame
	if info < t.stack+64 || !ensure(info, info+signalFrame) {
		return false
	}
	k.stats.signals++
	fill(info, signalFrame, 0)
	store64(info, signal)
	store64(info+8, code)
	store64(info+16, address)
	context := info + infoSize
	store64(context+contextStack, t.stack)
	store64(context+contextStack+16, t.stackSize)
	store64(context+contextMask, t.mask)
	store64(context+contextFault, trap.far)
	for i := uintptr(0); i < 31; i++ {
		store64(context+contextRegisters+8*i, *element(&s.x[0], i))
	}
	store64(context+contextRegisters+8*31, trap.sp)
	store64(context+contextRegisters+8*32, trap.pc)
	store64(context+contextRegisters+8*33, trap.pstate)
	t.mask = ^uintptr(0)
	s.x[0], s.x[1], s.x[2], s.x[30] = signal, info, context, k.restorer
	trap.sp, trap.pc = info, handler
	return true
}

// signalReturn is rt_sigreturn: the thread goes on as the frame at its stack
// pointer says. X16 to X18, flags and vector registers are lost, which is enough
// for panics: the runtime never goes back to the trapped instruction.
//
//go:nosplit
func signalReturn(t *thread) {
	r := &t.registers
	context := r.sp + infoSize
	t.mask = load64(context + contextMask)
	for i := uintptr(0); i < 31; i++ {
		*element(&r.x[0], i) = load64(context + contextRegisters + 8*i)
	}
	r.sp = load64(context + contextRegisters + 8*31)
	r.ip = load64(context + contextRegisters + 8*32)
}
