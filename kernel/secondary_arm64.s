//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "stop_arm64.h"

// What is at const_frontWords in a front page: see frontPage.
#define STOP   (const_frontWords+0)
#define LOWER  (const_frontWords+8)
#define OTHER  (const_frontWords+16)
#define IRQ    (const_frontWords+24)
#define STATE  (const_frontWords+32)

#define PAGE WORD $0x10000012; AND $~0xfff, R18_PLATFORM // ADR X18, this; its page
#define FRONT MSR R18_PLATFORM, TPIDR_EL1; B other; PCALIGN $128
#define FRONT_IRQ MSR R18_PLATFORM, TPIDR_EL1; B irq; PCALIGN $128

// func front()
//
// The vector table of a CPU in a machine with several, copied to the beginning
// of a page and run at its physical address: it is there when the kernel window
// is not. It goes on in the window's own stubs, or stops for good when the
// page's word says so.
TEXT ·front(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PCALIGN	$2048
	FRONT
	FRONT
	FRONT
	FRONT
	FRONT // the same level: a CPU that waits
	FRONT_IRQ
	FRONT
	FRONT
	MSR	R18_PLATFORM, TPIDR_EL1 // synchronous, from EL0
	PAGE
	MOVD	STOP(R18_PLATFORM), R18_PLATFORM
	CBNZ	R18_PLATFORM, stop
	PAGE
	MOVD	LOWER(R18_PLATFORM), R18_PLATFORM
	JMP	(R18_PLATFORM)
	PCALIGN	$128
	FRONT_IRQ
	FRONT
	FRONT
	FRONT
	FRONT
	FRONT
	FRONT
irq:
	PAGE
	MOVD	STOP(R18_PLATFORM), R18_PLATFORM
	CBNZ	R18_PLATFORM, stop
	PAGE
	MOVD	IRQ(R18_PLATFORM), R18_PLATFORM
	JMP	(R18_PLATFORM)
other:
	PAGE
	MOVD	STOP(R18_PLATFORM), R18_PLATFORM
	CBNZ	R18_PLATFORM, stop
	PAGE
	MOVD	OTHER(R18_PLATFORM), R18_PLATFORM
	JMP	(R18_PLATFORM)
stop:
	CMP	$const_stopBare, R18_PLATFORM
	BEQ	bare
	SAVE
	B	stopped
bare:
	MOVD	$1, R0
	MOVD	R0, secondary_stopped(RSP)
stopped:
	WFI
	B	stopped

// func frontEnd()
TEXT ·frontEnd(SB),NOSPLIT|NOFRAME,$0-0
	RET

// func secondaryStart()
//
// EL1 on the CPU's own tables, R1 its state. The stack pointer of EL1 stays the
// state's address. Does not return.
TEXT ·secondaryStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R1, RSP
	MOVD	$(3<<20), R0 // CPACR_EL1.FPEN
	MSR	R0, CPACR_EL1
	MOVD	$3, R0 // the counters at EL0
	MSR	R0, CNTKCTL_EL1
	MOVD	secondary_front(R1), R0
	MSR	R0, VBAR_EL1
	MOVD	secondary_stack(R1), R0
	MSR	R0, SP_EL0
	MOVD	$·secondaryUser(SB), R0
	MSR	R0, ELR_EL1
	MOVD	$0x3c0, R0
	MSR	R0, SPSR_EL1
	MOVD	R1, R0
	ISB	$15
	ERET

// func secondaryUser()
//
// Calls the function, a Go func value, at EL0 with what ABIInternal wants: the
// value in R26, g in R28 (none). When it returns the CPU halts.
TEXT ·secondaryUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R29, R2 // vet wants it saved
	MOVD	RSP, R1
	SUB	$64, R1
	MOVD	R1, RSP
	MOVD	R0, 24(RSP)
	MOVD	ZR, R29
	MOVD	ZR, g
	MOVD	R0, 8(RSP)
	BL	·takeInterrupts(SB)
	MOVD	24(RSP), R0
	MOVD	$1, R1
	MOVD	R1, secondary_started(R0)
	MOVD	secondary_function(R0), R26
	MOVD	(R26), R1
	BL	(R1)
	MOVD	$const_gateWait, R0
	BL	·gateInstruction(SB)
	B	0(PC)

// func secondaryLower()
//
// A synchronous exception from EL0: the gate, or the end.
TEXT ·secondaryLower(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MRS	ESR_EL1, R18_PLATFORM
	LSR	$26, R18_PLATFORM
	CMP	$0x15, R18_PLATFORM // SVC
	BNE	other
	MRS	ESR_EL1, R18_PLATFORM
	UBFX	$0, R18_PLATFORM, $16, R18_PLATFORM
	CMP	$const_svcGate, R18_PLATFORM
	BNE	other
	B	·gateRequest(SB)
other:
	B	·secondaryTrap(SB)

// func secondaryTrap()
//
// Saves the registers in the CPU's state and goes on at EL0, on a stack of its
// own, with R0 the state.
TEXT ·secondaryTrap(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	RSP, R18_PLATFORM
	STP	(R0, R1), (secondary_saved+0)(R18_PLATFORM)
	STP	(R2, R3), (secondary_saved+16)(R18_PLATFORM)
	STP	(R4, R5), (secondary_saved+32)(R18_PLATFORM)
	STP	(R6, R7), (secondary_saved+48)(R18_PLATFORM)
	STP	(R8, R9), (secondary_saved+64)(R18_PLATFORM)
	STP	(R10, R11), (secondary_saved+80)(R18_PLATFORM)
	STP	(R12, R13), (secondary_saved+96)(R18_PLATFORM)
	STP	(R14, R15), (secondary_saved+112)(R18_PLATFORM)
	STP	(R16, R17), (secondary_saved+128)(R18_PLATFORM)
	STP	(R19, R20), (secondary_saved+152)(R18_PLATFORM)
	STP	(R21, R22), (secondary_saved+168)(R18_PLATFORM)
	STP	(R23, R24), (secondary_saved+184)(R18_PLATFORM)
	STP	(R25, R26), (secondary_saved+200)(R18_PLATFORM)
	STP	(R27, g), (secondary_saved+216)(R18_PLATFORM)
	STP	(R29, R30), (secondary_saved+232)(R18_PLATFORM)
	MRS	ELR_EL1, R0
	MRS	SPSR_EL1, R1
	STP	(R0, R1), (secondary_trap+trapFrame_pc)(R18_PLATFORM)
	MRS	SP_EL0, R0
	MRS	TPIDR_EL1, R1
	STP	(R0, R1), (secondary_trap+trapFrame_sp)(R18_PLATFORM)
	MOVD	R1, (secondary_saved+144)(R18_PLATFORM)
	MRS	ESR_EL1, R0
	MRS	FAR_EL1, R1
	STP	(R0, R1), (secondary_trap+trapFrame_esr)(R18_PLATFORM)
	MOVD	secondary_trapStack(R18_PLATFORM), R0
	MSR	R0, SP_EL0
	MOVD	$·secondaryFatal(SB), R0
	MSR	R0, ELR_EL1
	MOVD	$0x3c0, R0
	MSR	R0, SPSR_EL1
	MOVD	R18_PLATFORM, R0
	ERET

// func secondaryFatal()
TEXT ·secondaryFatal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R29, R2 // vet wants it saved
	MOVD	RSP, R1
	SUB	$64, R1
	MOVD	R1, RSP
	MOVD	R0, 8(RSP)
	MOVD	ZR, R29
	MOVD	ZR, g
	BL	·handleSecondary(SB)
	B	0(PC)

// func secondarySymbols() (front, frontEnd, start, lower, trap, exception, interrupt uintptr)
//
// Where this code is. Clobbers R0.
TEXT ·secondarySymbols(SB),NOSPLIT,$0-56
	MOVD	$·front(SB), R0
	MOVD	R0, front+0(FP)
	MOVD	$·frontEnd(SB), R0
	MOVD	R0, frontEnd+8(FP)
	MOVD	$·secondaryStart(SB), R0
	MOVD	R0, start+16(FP)
	MOVD	$·secondaryLower(SB), R0
	MOVD	R0, lower+24(FP)
	MOVD	$·secondaryTrap(SB), R0
	MOVD	R0, trap+32(FP)
	MOVD	$·exception(SB), R0
	MOVD	R0, exception+40(FP)
	MOVD	$·interrupt(SB), R0
	MOVD	R0, interrupt+48(FP)
	RET
