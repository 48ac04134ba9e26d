//go:build linux

#include "go_asm.h"
#include "textflag.h"

// Ring 0 of the exceptions. A stub is 16 bytes, stub n at vectors+16n. It makes
// the stack the same for every vector: vector number, error code, then the
// CPU's frame (SDM 3A 6.14.2).

#define PLAIN(n) PUSHQ $0; PUSHQ $n; JMP ·exception(SB); PCALIGN $16
#define WITHCODE(n) PUSHQ $n; JMP ·exception(SB); PCALIGN $16

// func vectors()
TEXT ·vectors(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PLAIN(0)
	PLAIN(1)
	PUSHQ	$0
	PUSHQ	$2
	JMP	·nonMaskable(SB)
	PCALIGN	$16
	PLAIN(3)
	PLAIN(4)
	PLAIN(5)
	PUSHQ	$0
	PUSHQ	$6
	JMP	·undefined(SB)
	PCALIGN	$16
	PLAIN(7)
	PUSHQ	$8
	JMP	·fatal(SB)
	PCALIGN	$16
	PLAIN(9)
	WITHCODE(10)
	WITHCODE(11)
	WITHCODE(12)
	WITHCODE(13)
	WITHCODE(14)
	PLAIN(15)
	PLAIN(16)
	WITHCODE(17)
	PUSHQ	$0
	PUSHQ	$18
	JMP	·fatal(SB)
	PCALIGN	$16
	PLAIN(19)
	PLAIN(20)
	WITHCODE(21)
	PLAIN(22)
	PLAIN(23)
	PLAIN(24)
	PLAIN(25)
	PLAIN(26)
	PLAIN(27)
	PLAIN(28)
	WITHCODE(29)
	WITHCODE(30)
	PLAIN(31)

// func exception()
//
// Leaves ring 0 for exceptionUser with every general register but RSP as it was.
TEXT ·exception(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVQ	AX, ·k+(kernelState_processorState+processorState_scratch)(SB)
	MOVQ	SP, ·k+(kernelState_processorState+processorState_trapFrame)(SB)
	MOVQ	CR2, AX
	MOVQ	AX, ·k+kernelState_faultAddress(SB)
	MOVQ	·k+(kernelState_processorState+processorState_scratch)(SB), AX
	LEAQ	·leave+0(SB), SP
	IRETQ

// func undefined()
//
// #UD. At the one address of the gate it is a request of the kernel's own Go
// code; see gate. Elsewhere an exception like others.
TEXT ·undefined(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	AX
	PUSHQ	BX
	MOVQ	SP, BX
	LEAQ	·gateInstruction(SB), AX
	CMPQ	AX, 32(BX)
	JNE	other
	POPQ	BX
	POPQ	AX
	JMP	·gateRequest(SB)
other:
	POPQ	BX
	POPQ	AX
	JMP	·exception(SB)

// func gateRequest()
//
// What gate asked for, in ring 0 on the stack of #UD. CX is the operation, DX
// and AX its value.
TEXT ·gateRequest(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	LEAQ	16(SP), SP
	ADDQ	$2, (SP) // over the UD2
	CMPL	CX, $const_gateFirst
	JCC	operation // unsigned not below
	WRMSR
	IRETQ
operation:
	JEQ	root
	CMPL	CX, $const_gateFlushPage
	JEQ	page
	CMPL	CX, $const_gateReadMSR
	JEQ	read
	CMPL	CX, $const_gateEnter
	JEQ	enter
	CMPL	CX, $const_gateHalt
	JEQ	halt
	CMPL	CX, $const_gateIdentify
	JEQ	identify
	CMPL	CX, $const_gateTable
	JEQ	table
	CMPL	CX, $const_gateWindow
	JEQ	window
	LIDT	noIDT<>(SB) // gateReset: an exception without a handler
	BYTE	$0x0f; BYTE $0x0b // UD2
root:
	MOVQ	AX, CR3
	IRETQ
page:
	INVLPG	(AX)
	IRETQ
table:
	LIDT	(AX)
	IRETQ
window:
	ANDQ	$~const_interruptFlag, 16(SP)
	ORQ	AX, 16(SP)
	IRETQ
identify:
	XORL	CX, CX
	CPUID
	IRETQ
read:
	MOVL	AX, CX
	RDMSR
	IRETQ
enter:
	CLD
	JMP	AX
halt:
	CLI
	HLT
	JMP	halt

DATA noIDT<>+0(SB)/8, $0
DATA noIDT<>+8(SB)/2, $0
GLOBL noIDT<>(SB), NOPTR|RODATA, $10

// func nonMaskable()
//
// NMI, on its own IST stack: counted, and nothing else unless the host asked
// for a panic. It may come anywhere, also in the stubs above.
TEXT ·nonMaskable(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	AX
	MOVQ	·k+(kernelState_panic+panicState_at)(SB), AX
	TESTQ	AX, AX
	JEQ	nobody
	CMPQ	panicWork_owner(AX), $1 // this CPU's own panic, or none
	JGT	stop
	CMPQ	panicWork_owner(AX), $0
	JNE	back	// its own: the host's memory is not written any more
nobody:
	INCQ	·k+kernelState_nmis(SB)
	CMPQ	·k+kernelState_panicOnNMI(SB), $0
	JNE	panic
back:
	POPQ	AX
	LEAQ	16(SP), SP
	IRETQ
panic:
	POPQ	AX
	MOVQ	$0, ·k+kernelState_panicOnNMI(SB)
	JMP	·fatal(SB)
stop:	// another CPU panics: see stopOthers
	POPQ	AX
	JMP	·secondaryTrap(SB)

// func fatal()
//
// #DF, #MC and the NMI that panics, on their IST stacks: saves the general
// registers there and leaves for fatalUser on the panic stack with RDI the
// saved registers.
TEXT ·fatal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	AX
	PUSHQ	BX
	PUSHQ	CX
	PUSHQ	DX
	PUSHQ	SI
	PUSHQ	DI
	PUSHQ	BP
	PUSHQ	R8
	PUSHQ	R9
	PUSHQ	R10
	PUSHQ	R11
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	MOVQ	SP, DI
	LEAQ	120(SP), AX
	MOVQ	AX, ·k+(kernelState_processorState+processorState_trapFrame)(SB)
	MOVQ	CR2, AX
	MOVQ	AX, ·k+kernelState_faultAddress(SB)
	LEAQ	·leave+0x28(SB), SP
	IRETQ

// func fatalUser()
TEXT ·fatalUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	BP
	XORL	BP, BP
	CLD
	SUBQ	$24, SP
	MOVQ	DI, 0(SP)
	CALL	·handleFatal(SB)
	BYTE	$0x0f; BYTE $0x0b // UD2

// func exceptionUser()
//
// Ring 3's half of an exception, on the exception stack. The CPU's frame is
// still where it was pushed, at k.trapFrame; the way back is an IRETQ from
// there. handleException may change the frame and the saved registers.
TEXT ·exceptionUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	AX
	PUSHQ	BX
	PUSHQ	CX
	PUSHQ	DX
	PUSHQ	SI
	PUSHQ	DI
	PUSHQ	BP
	PUSHQ	R8
	PUSHQ	R9
	PUSHQ	R10
	PUSHQ	R11
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	CLD
	LEAQ	·control+const_controlVector(SB), AX
	FXSAVE64	(AX)
	XORL	BP, BP
	MOVQ	SP, BX
	SUBQ	$24, SP
	MOVQ	BX, 0(SP)
	CALL	·handleException(SB)
	ADDQ	$24, SP
	LEAQ	·control+const_controlVector(SB), AX
	FXRSTOR64	(AX)
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	R11
	POPQ	R10
	POPQ	R9
	POPQ	R8
	POPQ	BP
	POPQ	DI
	POPQ	SI
	POPQ	DX
	POPQ	CX
	POPQ	BX
	POPQ	AX
	MOVQ	·k+(kernelState_processorState+processorState_trapFrame)(SB), SP
	LEAQ	16(SP), SP // over vector and error code
	IRETQ

// func callGuarded(function, argument, stack, fake, window uintptr) uintptr
//
// Calls a func(*handoff.Notice) on another stack with another g, with interrupts
// on if window is not 0, and returns OutcomeDone, or what endGuarded says. The
// words above the stack pointer are where the callee may spill its argument.
TEXT ·callGuarded(SB),NOSPLIT|NOFRAME,$0-48
	MOVQ	function+0(FP), DX
	MOVQ	argument+8(FP), SI
	MOVQ	stack+16(FP), DI
	MOVQ	fake+24(FP), R14
	MOVQ	window+32(FP), BX
	PUSHQ	BP
	PUSHQ	BX
	MOVQ	·k+(kernelState_panic+panicState_at)(SB), AX
	MOVQ	SP, (panicWork_guard+guardWork_resume)(AX)
	LEAQ	-64(DI), SP
	PUSHQ	DX
	PUSHQ	SI
	MOVL	$const_interruptFlag, AX
	TESTQ	BX, BX
	JEQ	call
	MOVL	$const_gateWindow, CX
	CALL	·gateInstruction(SB)
call:
	POPQ	AX
	POPQ	DX
	XORPS	X15, X15
	XORL	BP, BP
	MOVQ	(DX), CX
	CALL	CX
	MOVQ	·k+(kernelState_panic+panicState_at)(SB), BX
	MOVQ	(panicWork_guard+guardWork_resume)(BX), SP
	CMPQ	(SP), $0
	JEQ	done
	XORL	AX, AX
	MOVL	$const_gateWindow, CX
	CALL	·gateInstruction(SB)
done:
	POPQ	BX
	POPQ	BP
	MOVQ	$const_outcomeDone, ret+40(FP)
	RET

// func endGuarded(outcome uintptr)
//
// Ends the function that callGuarded called: it returns outcome. Does not return.
TEXT ·endGuarded(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	outcome+0(FP), AX
	PUSHQ	BP // vet and the assembler want pairs
	PUSHQ	BP
	MOVQ	·k+(kernelState_panic+panicState_at)(SB), BX
	MOVQ	(panicWork_guard+guardWork_resume)(BX), SP
	MOVQ	AX, 64(SP) // callGuarded's result
	POPQ	BX
	POPQ	BP
	RET
