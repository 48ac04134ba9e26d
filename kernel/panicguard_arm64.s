//go:build linux

#include "go_asm.h"
#include "textflag.h"

#define FAULT B ·panicFault(SB); PCALIGN $128
#define INTERRUPT MSR R18_PLATFORM, TPIDR_EL1; B ·interrupt(SB); PCALIGN $128

// func panicVectors()
//
// The vectors of the CPU that panics, once notifiers run. They write no memory,
// and what was interrupted by an exception does not go on.
TEXT ·panicVectors(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PCALIGN	$2048
	FAULT
	FAULT
	FAULT
	FAULT
	FAULT // the same level
	FAULT
	FAULT
	FAULT
	MRS	ESR_EL1, R16 // synchronous, from EL0: the gate, or a fault
	LSR	$26, R16, R17
	CMP	$0x15, R17 // SVC
	BNE	fault
	UBFX	$0, R16, $16, R16
	CMP	$const_svcGate, R16
	BNE	fault
	B	·gateRequest(SB)
fault:
	B	·panicFault(SB)
	PCALIGN	$128
	INTERRUPT
	FAULT
	FAULT
	FAULT // from EL0 in 32-bit state
	FAULT
	FAULT
	FAULT

// func panicFault()
TEXT ·panicFault(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MRS	ESR_EL1, R0
	MRS	FAR_EL1, R2
	MOVD	ZR, R5
	B	·panicLeave(SB)

// func panicLeave()
//
// Goes on in panicLanding at EL0, on the stack that exceptions of the panic path
// have in the reservation: R0 the syndrome, R2 the fault's address, R5 whether it
// was the timer.
TEXT ·panicLeave(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	ZR, R1
	MRS	ELR_EL1, R3
	MRS	SP_EL0, R4
	MOVD	$·k+(kernelState_panic+panicState_memory)(SB), R16
	MOVD	(R16), R16
	ADD	$const_panicTrapStack, R16
	MSR	R16, SP_EL0
	MOVD	$·panicLanding(SB), R16
	MSR	R16, ELR_EL1
	MOVD	$0x3c0, R16
	MSR	R16, SPSR_EL1
	ERET

// func panicLanding()
TEXT ·panicLanding(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R29, R6 // vet wants it saved
	MOVD	RSP, R7
	SUB	$64, R7
	MOVD	R7, RSP
	STP	(R0, R1), 8(RSP)
	STP	(R2, R3), 24(RSP)
	MOVD	R4, 40(RSP)
	MOVB	R5, 48(RSP)
	MOVD	ZR, R29
	MOVD	ZR, g
	BL	·panicTrapped(SB)
	B	0(PC)

// func callGuarded(function, argument, stack, fake, window uintptr) uintptr
//
// Calls a func value with one argument on another stack, with another g and, if
// window is not 0, interrupts on. It returns what endGuarded says, or that it
// was done. Clobbers all registers.
TEXT ·callGuarded(SB),NOSPLIT,$32-48
	MOVD	g, 8(RSP)
	MOVD	window+32(FP), R1
	CBZ	R1, closed
	MOVD	$const_gateMask, R0
	MOVD	$const_takingPSTATE, R1
	BL	·gateInstruction(SB)
closed:
	MOVD	function+0(FP), R26
	MOVD	argument+8(FP), R0
	MOVD	stack+16(FP), R4
	MOVD	fake+24(FP), R5
	BL	·guardCall(SB)
	MOVD	R0, 16(RSP)
	MOVD	$const_gateMask, R0
	MOVD	$const_entryPSTATE, R1
	BL	·gateInstruction(SB)
	MOVD	16(RSP), R0
	MOVD	R0, ret+40(FP)
	RET

// func guardCall()
TEXT ·guardCall(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R29, R6 // vet wants it saved
	MOVD	$·k+(kernelState_panic+panicState_at)(SB), R1
	MOVD	(R1), R1
	MOVD	RSP, R2
	MOVD	R30, 24(RSP)
	MOVD	R2, (panicWork_guard+guardWork_resume)(R1)
	SUB	$64, R4
	MOVD	R4, RSP
	MOVD	R5, g
	MOVD	ZR, R29
	MOVD	(R26), R1
	BL	(R1)
	MOVD	$const_outcomeDone, R0
	B	·guardBack(SB)

// func guardBack()
//
// Returns from guardCall, wherever the stack pointer is, with R0.
TEXT ·guardBack(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	$·k+(kernelState_panic+panicState_at)(SB), R1
	MOVD	(R1), R1
	MOVD	(panicWork_guard+guardWork_resume)(R1), R2
	MOVD	R2, RSP
	MOVD	24(RSP), R30
	MOVD	8(RSP), g
	JMP	(R30)

// func endGuarded(outcome uintptr)
//
// Makes callGuarded return outcome. Does not return.
TEXT ·endGuarded(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	outcome+0(FP), R0
	B	·guardBack(SB)
