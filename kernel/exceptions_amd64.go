//go:build linux

package kernel

import (
	"syscall"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Vectors (SDM 3A 6.15).
const (
	vectorDivide     = 0
	vectorDebug      = 1
	vectorNMI        = 2
	vectorBreakpoint = 3
	vectorUndefined  = 6
	vectorDouble     = 8
	vectorStack      = 12
	vectorProtection = 13
	vectorPage       = 14
	vectorFloat      = 16
	vectorAlignment  = 17
	vectorMachine    = 18
	vectorSIMD       = 19
)

//go:nosplit
func handleSystemCall() {
	t := k.threads.current()
	r := &t.registers
	serve(t, r.ax, r.di, r.si, r.dx, r.r10, r.r8, r.r9)
}

// serveArchitecture has the calls that only this architecture makes.
//
//go:nosplit
func serveArchitecture(t *thread, number, a0, a1 uintptr) bool {
	const setFS = 0x1002 // ARCH_SET_FS
	switch number {
	case syscall.SYS_ARCH_PRCTL:
		if a0 != setFS || !ensure(a1-8, a1) {
			t.registers.setReturn(errnoInvalid)
			return true
		}
		// One FS base for all threads: a switch exchanges the word below it.
		k.fsBase = a1
		gate(msrFSBase, uint64(a1))
		t.registers.setReturn(0)
	case syscall.SYS_RT_SIGRETURN:
		signalReturn(t)
	default:
		return false
	}
	return true
}

// Own calls that only this architecture has.
const (
	callReadMSR  = callProcessor + 0 // number
	callWriteMSR = callProcessor + 1 // number, value
	callGigabyte = callProcessor + 2 // has the CPU pages of 1 GiB
	callMeasure  = callProcessor + 3 // the local APIC's timer
)

//go:nosplit
func serveProcessor(number, a0, a1 uintptr) uintptr {
	switch number {
	case callReadMSR:
		return uintptr(gate(gateReadMSR, uint64(a0)))
	case callWriteMSR:
		gate(uint32(a0), uint64(a1))
		return 0
	case callGigabyte:
		return hasGigabytePages()
	case callMeasure:
		measureTimer()
		return 0
	}
	return errnoNoCall
}

// switchThread exchanges what threads do not share beside the registers.
//
//go:nosplit
func switchThread(from, to *thread) {
	from.tlsWord = load64(k.fsBase - 8)
	store64(k.fsBase-8, to.tlsWord)
}

// handleException runs in ring 3 on the exception stack. saved is the address of
// savedRegisters; both it and the trap frame may be changed, and are what is
// returned to.
//
//go:nosplit
func handleException(saved uintptr) {
	frame := k.trapFrame
	vector, code := load64(frame), load64(frame+8)
	if panicNow().depth != 0 {
		panicTrap(saved, handoff.ReasonUserFault, "exception on the panic path")
	}
	if load64(frame+24)&3 == 0 || k.inFault != 0 {
		panicTrap(saved, handoff.ReasonKernelFault, "exception in the kernel")
	}
	k.inFault = 1
	if vector == vectorPage {
		ok, exhausted := pageFault(k.faultAddress, code)
		if exhausted {
			panicTrap(saved, handoff.ReasonMemory, outOfFrames)
		}
		if ok {
			k.inFault = 0
			return
		}
	}
	if inControl(load64(frame + 40)) {
		panicTrap(saved, handoff.ReasonKernelFault, "exception in the kernel")
	}
	if !deliver(saved, frame, vector, code) {
		panicTrap(saved, handoff.ReasonUserFault, "exception that no signal handler takes")
	}
	k.inFault = 0
}

// inControl reports whether a stack pointer is on one of the kernel's own
// stacks: the trapped code was the kernel's.
//
//go:nosplit
func inControl(sp uintptr) bool {
	base := addressOf(&control)
	return sp >= base && sp <= base+controlSize
}

// signalOf translates a vector to a signal, its code and its address.
//
//go:nosplit
func signalOf(vector, errorCode, ip uintptr) (signal, code, address uintptr) {
	switch vector {
	case vectorDivide:
		return signalFloat, codeDivide, ip
	case vectorFloat, vectorSIMD:
		return signalFloat, codeKernel, ip
	case vectorDebug, vectorBreakpoint:
		return signalTrap, codeBreakpoint, ip
	case vectorUndefined:
		return signalIllegal, codeInstruction, ip
	case vectorStack, vectorAlignment:
		return signalBus, codeAlignment, 0
	case vectorProtection:
		return signalSegment, codeKernel, 0
	case vectorPage:
		if errorCode&faultPresent != 0 {
			return signalSegment, codeNoAccess, k.faultAddress
		}
		return signalSegment, codeNotMapped, k.faultAddress
	}
	return 0, 0, 0
}

// Offsets in the frame of a signal, from the address of struct ucontext
// (arch/x86/include/uapi/asm/sigcontext.h); siginfo comes behind it.
const (
	contextStack     = 16
	contextRegisters = 40
	contextMask      = 296
	contextSize      = 304
	infoSize         = 128
	signalFrame      = 1024
)

// deliver makes the trapped context go on in the Go runtime's signal handler,
// with a frame like Linux's on the thread's signal stack. It reports false when
// there is no handler, the signal is blocked (a fault in the handler itself),
// or the stack does not do.
//
//go:nosplit
func deliver(saved, frame, vector, errorCode uintptr) bool {
	t := k.threads.current()
	signal, code, address := signalOf(vector, errorCode, load64(frame+16))
	handler := k.signals.taken(signal)
	if handler == 0 || t.stackSize == 0 || t.mask>>(signal-1)&1 != 0 {
		return false
	}
	sp := load64(frame + 40)
	top := t.stack + t.stackSize
	if sp > t.stack && sp <= top {
		top = sp - 128
	}
	context := top&^63 - signalFrame
	if context < t.stack+64 || !ensure(context-8, context+signalFrame) {
		return false
	}
	k.stats.signals++
	info := context + 640
	fill(context, signalFrame, 0)
	store64(context-8, k.signals.restorer)
	store64(info, signal)
	store64(info+8, code)
	store64(info+16, address)
	store64(context+contextStack, t.stack)
	store64(context+contextStack+16, t.stackSize)
	store64(context+contextMask, t.mask)
	putContext(context+contextRegisters, saved, frame, t)
	t.mask = ^uintptr(0)
	s := savedAt(saved)
	s.di, s.si, s.dx = signal, info, context
	store64(frame+16, handler)
	store64(frame+40, context-8)
	return true
}

// putContext writes the general registers of struct sigcontext.
//
//go:nosplit
func putContext(m, saved, frame uintptr, t *thread) {
	s := savedAt(saved)
	store64(m, s.r8)
	store64(m+8, s.r9)
	store64(m+16, s.r10)
	store64(m+24, s.r11)
	store64(m+32, s.r12)
	store64(m+40, s.r13)
	store64(m+48, s.r14)
	store64(m+56, s.r15)
	store64(m+64, s.di)
	store64(m+72, s.si)
	store64(m+80, s.bp)
	store64(m+88, s.bx)
	store64(m+96, s.dx)
	store64(m+104, s.ax)
	store64(m+112, s.cx)
	store64(m+120, load64(frame+40)) // RSP
	store64(m+128, load64(frame+16)) // RIP
	store64(m+136, load64(frame+32)) // RFLAGS
	store64(m+144, userCode|userData<<48)
	store64(m+152, load64(frame+8))
	store64(m+160, load64(frame))
	store64(m+168, t.mask)
	store64(m+176, k.faultAddress)
}

// signalReturn is rt_sigreturn: the thread goes on as the frame at its stack
// pointer says. RCX, R11, flags and vector registers are lost, which is
// enough for panics: the runtime never goes back to the trapped instruction.
//
//go:nosplit
func signalReturn(t *thread) {
	r := &t.registers
	t.mask = load64(r.sp + contextMask)
	m := r.sp + contextRegisters
	r.r8 = load64(m)
	r.r9 = load64(m + 8)
	r.r10 = load64(m + 16)
	r.r12 = load64(m + 32)
	r.r13 = load64(m + 40)
	r.r14 = load64(m + 48)
	r.r15 = load64(m + 56)
	r.di = load64(m + 64)
	r.si = load64(m + 72)
	r.bp = load64(m + 80)
	r.bx = load64(m + 88)
	r.dx = load64(m + 96)
	r.ax = load64(m + 104)
	r.sp = load64(m + 120)
	r.ip = load64(m + 128)
}
