//go:build linux

#include "go_asm.h"
#include "textflag.h"

// func gate(operation, a0, a1, a2, a3 uintptr) (result uintptr)
//
// Asks EL1 for what only it may do. Clobbers R0 to R17, as PSCI may (SMC Calling
// Convention, DEN 0028, 2.6).
TEXT ·gate(SB),NOSPLIT,$0-48
	MOVD	operation+0(FP), R0
	MOVD	a0+8(FP), R1
	MOVD	a1+16(FP), R2
	MOVD	a2+24(FP), R3
	MOVD	a3+32(FP), R4
	BL	·gateInstruction(SB)
	MOVD	R0, result+40(FP)
	RET

// func gateInstruction()
//
// The gate itself: the one SVC #1 that EL1 takes as a request.
TEXT ·gateInstruction(SB),NOSPLIT|NOFRAME,$0-0
	SVC	$const_svcGate
	RET

// func ticks() uintptr
TEXT ·ticks(SB),NOSPLIT,$0-8
	ISB	$15
	MRS	CNTVCT_EL0, R0
	MOVD	R0, ret+0(FP)
	RET

// func counterFrequency() uintptr
TEXT ·counterFrequency(SB),NOSPLIT,$0-8
	MRS	CNTFRQ_EL0, R0
	MOVD	R0, ret+0(FP)
	RET

// func pause()
TEXT ·pause(SB),NOSPLIT,$0-0
	YIELD
	RET

// func publish()
//
// Makes new page table entries seen by table walks (DDI 0487 D8.17.1).
TEXT ·publish(SB),NOSPLIT,$0-0
	DSB	$10 // ISHST
	ISB	$15
	RET

// func signalEvent()
//
// Wakes CPUs that wait for an event, when what was stored before can be seen.
TEXT ·signalEvent(SB),NOSPLIT,$0-0
	DSB	$15
	SEV
	RET

// func randomNumber() (value uint64, ok bool)
//
// RNDR; Z says that there was none (DDI 0487 D24.2, RNDR).
TEXT ·randomNumber(SB),NOSPLIT,$0-9
	WORD	$0xd53b2400 // MRS X0, RNDR
	CSET	NE, R1
	MOVD	R0, value+0(FP)
	MOVB	R1, ok+8(FP)
	RET

// func fill(address, bytes, value uintptr)
//
// Stores value into so many bytes, a multiple of 8. Clobbers R0, R1, R2.
TEXT ·fill(SB),NOSPLIT,$0-24
	MOVD	address+0(FP), R0
	MOVD	bytes+8(FP), R1
	MOVD	value+16(FP), R2
	SUBS	$64, R1
	BLO	words
line: // most that is filled is pages
	STP	(R2, R2), 0(R0)
	STP	(R2, R2), 16(R0)
	STP	(R2, R2), 32(R0)
	STP	(R2, R2), 48(R0)
	ADD	$64, R0
	SUBS	$64, R1
	BHS	line
words:
	ADDS	$64, R1
	BEQ	done
word:
	MOVD.P	R2, 8(R0)
	SUBS	$8, R1
	BNE	word
done:
	RET

// func cleanCache(address, bytes uintptr)
//
// Cleans memory to the point of coherency: who reads it next may have no caches,
// or fetch it as instructions. Clobbers R0 to R3.
TEXT ·cleanCache(SB),NOSPLIT,$0-16
	MOVD	address+0(FP), R0
	MOVD	bytes+8(FP), R1
	ADD	R0, R1
	MRS	CTR_EL0, R2
	UBFX	$16, R2, $4, R2
	MOVD	$4, R3
	LSL	R2, R3
	SUB	$1, R3, R2
	BIC	R2, R0
line:
	CMP	R1, R0
	BHS	done
	WORD	$0xd50b7a20 // DC CVAC, X0
	ADD	R3, R0
	B	line
done:
	DSB	$15
	RET

// func symbols() (text, etext, rodata, erodata, end, vectors, clock, restorer uintptr)
//
// Addresses that the linker knows, and that of the vector table. Clobbers R0.
TEXT ·symbols(SB),NOSPLIT,$0-64
	MOVD	$runtime·text(SB), R0
	MOVD	R0, text+0(FP)
	MOVD	$runtime·etext(SB), R0
	MOVD	R0, etext+8(FP)
	MOVD	$runtime·rodata(SB), R0
	MOVD	R0, rodata+16(FP)
	MOVD	$runtime·erodata(SB), R0
	MOVD	R0, erodata+24(FP)
	MOVD	$runtime·end(SB), R0
	MOVD	R0, end+32(FP)
	MOVD	$·vectors(SB), R0
	MOVD	R0, vectors+40(FP)
	MOVD	$·clock(SB), R0
	MOVD	R0, clock+48(FP)
	MOVD	$·signalRestorer(SB), R0
	MOVD	R0, restorer+56(FP)
	RET

// func signalRestorer()
//
// Where a signal handler returns to.
TEXT ·signalRestorer(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	$139, R8 // rt_sigreturn
	SVC	$0
	RET

// func clock()
//
// clock_gettime of the vDSO, C calling convention: W0 the clock, X1 the
// timespec, result 0. Runs on any stack and calls nothing. Clobbers R2 to R7.
TEXT ·clock(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	$·k(SB), R3
	MOVD	kernelState_clockBase(R3), R4
	MOVD	kernelState_clockScale(R3), R5
	MOVD	kernelState_wallClock(R3), R6
	ISB	$15
	MRS	CNTVCT_EL0, R2
	SUB	R4, R2
	LSR	$24, R2, R7
	AND	$0xffffff, R2
	MUL	R5, R7
	MUL	R5, R2
	LSR	$24, R2
	ADD	R7, R2
	CBNZW	R0, monotonic // CLOCK_REALTIME is 0
	ADD	R6, R2
monotonic:
	MOVD	$1000000000, R4
	UDIV	R4, R2, R5
	MSUB	R4, R2, R5, R6
	STP	(R5, R6), (R1)
	MOVD	ZR, R0
	RET

// func onPanicStack()
//
// Runs runPanic on the panic stack. Does not return.
TEXT ·onPanicStack(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R29, R1 // vet wants it saved
	MOVD	$·k+(kernelState_processorState+processorState_panicStack)(SB), R0
	MOVD	(R0), R0
	SUB	$64, R0
	MOVD	R0, RSP
	MOVD	ZR, R29
	MOVD	$·runPanic(SB), R0 // another stack: the linker must not add the two up
	BL	(R0)
	B	0(PC)

// func goroutine() (self, bss, end uintptr)
//
// The running goroutine's g, and where the image has variables with pointers.
TEXT ·goroutine(SB),NOSPLIT,$0-24
	MOVD	g, self+0(FP)
	MOVD	$runtime·bss(SB), R0
	MOVD	R0, bss+8(FP)
	MOVD	$runtime·ebss(SB), R0
	MOVD	R0, end+16(FP)
	RET
