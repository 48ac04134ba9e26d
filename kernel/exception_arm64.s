//go:build linux

#include "go_asm.h"
#include "textflag.h"

// EL1 of the exceptions. X18, which nothing in Go uses, is the one register that
// a stub has from the beginning; what was in it is kept in TPIDR_EL1.

#define TRAP MSR R18_PLATFORM, TPIDR_EL1; B ·exception(SB); PCALIGN $128
#define TRAP_IRQ MSR R18_PLATFORM, TPIDR_EL1; B ·interrupt(SB); PCALIGN $128

// func vectors()
//
// The vector table (DDI 0487 D1.3.6.3). Nothing is unmasked but synchronous
// exceptions and, in a host with an interrupt controller, IRQs at EL0.
TEXT ·vectors(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PCALIGN	$2048
	TRAP // the same level on SP_EL0
	TRAP
	TRAP
	TRAP
	TRAP // the same level
	TRAP
	TRAP
	TRAP
	// Synchronous, from EL0. A system call goes on in systemCallUser with R18
	// the address to return to: R16 and R17 are the linker's, and nobody has
	// anything there at an SVC.
	MSR	R18_PLATFORM, TPIDR_EL1
	MRS	ESR_EL1, R18_PLATFORM
	LSR	$26, R18_PLATFORM
	CMP	$0x15, R18_PLATFORM // SVC
	BNE	other
	MRS	ESR_EL1, R18_PLATFORM
	UBFX	$0, R18_PLATFORM, $16, R18_PLATFORM
	CBNZ	R18_PLATFORM, request
	MRS	ELR_EL1, R18_PLATFORM
	MOVD	$·systemCallUser(SB), R17
	MSR	R17, ELR_EL1
	ERET
request:
	CMP	$const_svcReturn, R18_PLATFORM
	BEQ	return
	CMP	$const_svcGate, R18_PLATFORM
	BEQ	gate
other:
	B	·exception(SB)
return:
	B	·trapReturn(SB)
gate:
	B	·gateRequest(SB)
	PCALIGN	$128
	TRAP_IRQ
	TRAP
	TRAP
	TRAP // from EL0 in 32-bit state
	TRAP
	TRAP
	TRAP

// The CPU interface of GICv3 (IHI 0069 12.2) and the virtual timer, whose
// registers the assembler has no names for.
#define MRS_SRE_R0       WORD $0xd538cca0 // ICC_SRE_EL1
#define MSR_SRE_R0       WORD $0xd518cca0
#define MSR_PMR_R1       WORD $0xd5184601 // ICC_PMR_EL1
#define MSR_BPR1_R0      WORD $0xd518cc60 // ICC_BPR1_EL1
#define MSR_CTLR_R0      WORD $0xd518cc80 // ICC_CTLR_EL1
#define MSR_IGRPEN1_R0   WORD $0xd518cce0 // ICC_IGRPEN1_EL1
#define MSR_SGI1R_R1     WORD $0xd518cba1 // ICC_SGI1R_EL1
#define MSR_CNTV_TVAL_R1 WORD $0xd51be301 // CNTV_TVAL_EL0
#define MSR_CNTV_CTL_R0  WORD $0xd51be320 // CNTV_CTL_EL0

// func exception()
//
// Leaves EL1 for exceptionUser on the exception stack, with every general
// register but R18 as it was.
TEXT ·exception(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	$·k+kernelState_processorState(SB), R18_PLATFORM
	STP	(R16, R17), processorState_scratch(R18_PLATFORM)
	MRS	ELR_EL1, R16
	MRS	SPSR_EL1, R17
	STP	(R16, R17), (processorState_trap+trapFrame_pc)(R18_PLATFORM)
	MRS	SP_EL0, R16
	MRS	TPIDR_EL1, R17
	STP	(R16, R17), (processorState_trap+trapFrame_sp)(R18_PLATFORM)
	MRS	ESR_EL1, R16
	MRS	FAR_EL1, R17
	STP	(R16, R17), (processorState_trap+trapFrame_esr)(R18_PLATFORM)
	MOVD	$·control+const_controlExceptionStack(SB), R16
	MSR	R16, SP_EL0
	MOVD	$·exceptionUser(SB), R16
	MSR	R16, ELR_EL1
	MOVD	$0x3c0, R16
	MSR	R16, SPSR_EL1
	LDP	processorState_scratch(R18_PLATFORM), (R16, R17)
	ERET

// func trapReturn()
//
// Back to the trapped context, whose registers but these are loaded already.
TEXT ·trapReturn(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	$·k+(kernelState_processorState+processorState_trap)(SB), R18_PLATFORM
	MOVD	trapFrame_pc(R18_PLATFORM), R18_PLATFORM
	MSR	R18_PLATFORM, ELR_EL1
	MOVD	$·k+(kernelState_processorState+processorState_trap)(SB), R18_PLATFORM
	MOVD	trapFrame_pstate(R18_PLATFORM), R18_PLATFORM
	MSR	R18_PLATFORM, SPSR_EL1
	MOVD	$·k+(kernelState_processorState+processorState_trap)(SB), R18_PLATFORM
	MOVD	trapFrame_sp(R18_PLATFORM), R18_PLATFORM
	MSR	R18_PLATFORM, SP_EL0
	MOVD	$·k+(kernelState_processorState+processorState_trap)(SB), R18_PLATFORM
	MOVD	trapFrame_x18(R18_PLATFORM), R18_PLATFORM
	ERET

// func gateRequest()
//
// What gate asked for: R0 is the operation, R1 to R4 are its arguments. At any
// other address than the gate's the SVC is an exception.
TEXT ·gateRequest(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	$·gateInstruction(SB), R17
	MRS	ELR_EL1, R16
	SUB	R17, R16
	CMP	$4, R16
	BEQ	gate
	B	·exception(SB)
gate:
	CMP	$const_gateInterface, R0
	BHS	interrupts
	CMP	$const_gateFlush, R0
	BEQ	flush
	CMP	$const_gateEnter, R0
	BEQ	enter
	CMP	$const_gateHalt, R0
	BEQ	halt
	CMP	$const_gateSwitch, R0
	BEQ	switch
	MOVD	R0, R16
	MOVD	R1, R0
	MOVD	R2, R1
	MOVD	R3, R2
	MOVD	R4, R3
	CMP	$const_gateMonitor, R16
	BEQ	monitor
	HVC	$0
	ERET
monitor:
	SMC	$0
	ERET
flush:
	DSB	$11 // ISH
	WORD	$0xd508831f // TLBI VMALLE1IS
	CBZ	R1, flushed
	WORD	$0xd508711f // IC IALLUIS
flushed:
	DSB	$11
	ISB	$15
	ERET
switch:
	MOVD	R3, RSP
	MSR	R2, VBAR_EL1
	MSR	R1, TTBR0_EL1
	ISB	$15
	WORD	$0xd508871f // TLBI VMALLE1
	DSB	$11
	ISB	$15
	MOVD	ZR, R0
	ERET
enter:
	MOVD	R2, R0
	JMP	(R1)
halt:
	WFI
	B	halt
interrupts:
	CMP	$const_gateTimer, R0
	BEQ	timer
	CMP	$const_gateSend, R0
	BEQ	send
	CMP	$const_gateMask, R0
	BEQ	mask
	CMP	$const_gateWait, R0
	BEQ	wait
	CMP	$const_gateGuard, R0
	BEQ	guard
	MRS_SRE_R0
	ORR	$1, R0
	MSR_SRE_R0
	ISB	$15
	MSR_PMR_R1
	MOVD	ZR, R0
	MSR_BPR1_R0
	MSR_CTLR_R0
	MOVD	$1, R0
	MSR_IGRPEN1_R0
	ISB	$15
	ERET
send:
	DSB	$10 // ISHST
	MSR_SGI1R_R1
	ISB	$15
	ERET
mask:
	MRS	SPSR_EL1, R0
	BIC	$0x3c0, R0
	ORR	R1, R0
	MSR	R0, SPSR_EL1
	ERET
timer:
	MOVD	ZR, R0
	CBZ	R1, set
	MSR_CNTV_TVAL_R1
	MOVD	$1, R0 // ENABLE, and not IMASK
set:
	MSR_CNTV_CTL_R0
	ISB	$15
	ERET
guard:
	MOVD	$·panicVectors(SB), R0
	MSR	R0, VBAR_EL1
	ISB	$15
	ERET
wait:
	MSR	$2, DAIFClr
waiting:
	WFI
	B	waiting

// func exceptionUser()
//
// EL0's half of an exception, on the exception stack. handleException may change
// k.trap and the saved registers; the way back is trapReturn.
TEXT ·exceptionUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	RSP, R18_PLATFORM // SUB $n, RSP would count against the limit of nosplit
	SUB	$784, R18_PLATFORM
	MOVD	R18_PLATFORM, RSP
	STP	(R0, R1), 0(RSP)
	STP	(R2, R3), 16(RSP)
	STP	(R4, R5), 32(RSP)
	STP	(R6, R7), 48(RSP)
	STP	(R8, R9), 64(RSP)
	STP	(R10, R11), 80(RSP)
	STP	(R12, R13), 96(RSP)
	STP	(R14, R15), 112(RSP)
	STP	(R16, R17), 128(RSP)
	STP	(R19, R20), 152(RSP)
	STP	(R21, R22), 168(RSP)
	STP	(R23, R24), 184(RSP)
	STP	(R25, R26), 200(RSP)
	STP	(R27, g), 216(RSP)
	STP	(R29, R30), 232(RSP)
	ADD	$256, RSP, R3
	FSTPQ	(F0, F1), 0(R3)
	FSTPQ	(F2, F3), 32(R3)
	FSTPQ	(F4, F5), 64(R3)
	FSTPQ	(F6, F7), 96(R3)
	FSTPQ	(F8, F9), 128(R3)
	FSTPQ	(F10, F11), 160(R3)
	FSTPQ	(F12, F13), 192(R3)
	FSTPQ	(F14, F15), 224(R3)
	FSTPQ	(F16, F17), 256(R3)
	FSTPQ	(F18, F19), 288(R3)
	FSTPQ	(F20, F21), 320(R3)
	FSTPQ	(F22, F23), 352(R3)
	FSTPQ	(F24, F25), 384(R3)
	FSTPQ	(F26, F27), 416(R3)
	FSTPQ	(F28, F29), 448(R3)
	FSTPQ	(F30, F31), 480(R3)
	MRS	FPCR, R0
	MRS	FPSR, R1
	STP	(R0, R1), 512(R3)
	MOVD	RSP, R0
	SUB	$32, R0, R1
	MOVD	R1, RSP
	MOVD	R0, 8(RSP)
	MOVD	ZR, R29
	BL	·handleException(SB)
	MOVD	RSP, R0
	ADD	$32, R0
	MOVD	R0, RSP
	ADD	$256, RSP, R3
	LDP	512(R3), (R0, R1)
	MSR	R0, FPCR
	MSR	R1, FPSR
	FLDPQ	0(R3), (F0, F1)
	FLDPQ	32(R3), (F2, F3)
	FLDPQ	64(R3), (F4, F5)
	FLDPQ	96(R3), (F6, F7)
	FLDPQ	128(R3), (F8, F9)
	FLDPQ	160(R3), (F10, F11)
	FLDPQ	192(R3), (F12, F13)
	FLDPQ	224(R3), (F14, F15)
	FLDPQ	256(R3), (F16, F17)
	FLDPQ	288(R3), (F18, F19)
	FLDPQ	320(R3), (F20, F21)
	FLDPQ	352(R3), (F22, F23)
	FLDPQ	384(R3), (F24, F25)
	FLDPQ	416(R3), (F26, F27)
	FLDPQ	448(R3), (F28, F29)
	FLDPQ	480(R3), (F30, F31)
	LDP	0(RSP), (R0, R1)
	LDP	16(RSP), (R2, R3)
	LDP	32(RSP), (R4, R5)
	LDP	48(RSP), (R6, R7)
	LDP	64(RSP), (R8, R9)
	LDP	80(RSP), (R10, R11)
	LDP	96(RSP), (R12, R13)
	LDP	112(RSP), (R14, R15)
	LDP	128(RSP), (R16, R17)
	LDP	152(RSP), (R19, R20)
	LDP	168(RSP), (R21, R22)
	LDP	184(RSP), (R23, R24)
	LDP	200(RSP), (R25, R26)
	LDP	216(RSP), (R27, g)
	LDP	232(RSP), (R29, R30)
	SVC	$const_svcReturn

// func systemCallUser()
//
// The rest of a system call, at EL0: saves the general registers in the thread,
// runs the call on the system call stack, and goes on with the thread that the
// scheduler chose, by a plain jump. Vector registers are not kept: no caller of
// SVC in Go expects them to be. Clobbers R16, R17, R18 and the flags.
TEXT ·systemCallUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	$·k+kernelState_current(SB), R17
	MOVD	(R17), R17
	STP	(R0, R1), (thread_registers+registers_x+0)(R17)
	STP	(R2, R3), (thread_registers+registers_x+16)(R17)
	STP	(R4, R5), (thread_registers+registers_x+32)(R17)
	STP	(R6, R7), (thread_registers+registers_x+48)(R17)
	STP	(R8, R9), (thread_registers+registers_x+64)(R17)
	STP	(R10, R11), (thread_registers+registers_x+80)(R17)
	STP	(R12, R13), (thread_registers+registers_x+96)(R17)
	STP	(R14, R15), (thread_registers+registers_x+112)(R17)
	STP	(R19, R20), (thread_registers+registers_x+152)(R17)
	STP	(R21, R22), (thread_registers+registers_x+168)(R17)
	STP	(R23, R24), (thread_registers+registers_x+184)(R17)
	STP	(R25, R26), (thread_registers+registers_x+200)(R17)
	STP	(R27, g), (thread_registers+registers_x+216)(R17)
	STP	(R29, R30), (thread_registers+registers_x+232)(R17)
	MOVD	RSP, R16
	STP	(R16, R18_PLATFORM), (thread_registers+registers_sp)(R17)
	MOVD	$·control+(const_controlSyscallStack-64)(SB), R16
	MOVD	R16, RSP
	MOVD	ZR, R29
	MOVD	ZR, g
	BL	·handleSystemCall(SB)
	MOVD	$·k+kernelState_current(SB), R17
	MOVD	(R17), R17
	LDP	(thread_registers+registers_sp)(R17), (R16, R18_PLATFORM)
	MOVD	R16, RSP
	LDP	(thread_registers+registers_x+0)(R17), (R0, R1)
	LDP	(thread_registers+registers_x+16)(R17), (R2, R3)
	LDP	(thread_registers+registers_x+32)(R17), (R4, R5)
	LDP	(thread_registers+registers_x+48)(R17), (R6, R7)
	LDP	(thread_registers+registers_x+64)(R17), (R8, R9)
	LDP	(thread_registers+registers_x+80)(R17), (R10, R11)
	LDP	(thread_registers+registers_x+96)(R17), (R12, R13)
	LDP	(thread_registers+registers_x+112)(R17), (R14, R15)
	LDP	(thread_registers+registers_x+152)(R17), (R19, R20)
	LDP	(thread_registers+registers_x+168)(R17), (R21, R22)
	LDP	(thread_registers+registers_x+184)(R17), (R23, R24)
	LDP	(thread_registers+registers_x+200)(R17), (R25, R26)
	LDP	(thread_registers+registers_x+216)(R17), (R27, g)
	LDP	(thread_registers+registers_x+232)(R17), (R29, R30)
	JMP	(R18_PLATFORM)
