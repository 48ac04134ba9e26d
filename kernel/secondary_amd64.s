//go:build linux

#include "go_asm.h"
#include "textflag.h"

// Secondary CPUs: from the real-mode stub to the function in ring 3, and their
// exceptions, which all end in a panic.

// func secondaryStart()
//
// Ring 0, 64-bit mode on the kernel's tables, RDI the CPU's block. Control
// registers become those of CPU 0. Does not return.
TEXT ·secondaryStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	CLD
	MOVQ	·k+(kernelState_processorState+processorState_cr4)(SB), AX
	MOVQ	AX, CR4
	MOVQ	·k+(kernelState_processorState+processorState_xcr0)(SB), AX
	TESTQ	AX, AX
	JEQ	noXSAVE
	XORL	CX, CX
	XORL	DX, DX
	BYTE	$0x0f; BYTE $0x01; BYTE $0xd1 // XSETBV
noXSAVE:
	MOVQ	·k+(kernelState_processorState+processorState_cr0)(SB), AX
	MOVQ	AX, CR0
	LEAQ	(const_secondaryState+secondary_gdtr)(DI), AX
	LGDT	(AX)
	LEAQ	(const_secondaryState+secondary_idtr)(DI), AX
	LIDT	(AX)
	MOVL	$const_taskSelector, AX
	LTR	AX
	MOVL	$const_msrFSBase, CX
	LEAQ	const_secondaryTLS(DI), AX
	MOVQ	AX, DX
	SHRQ	$32, DX
	WRMSR
	LEAQ	const_secondaryStack(DI), SP
	LEAQ	const_secondaryUserStack(DI), AX
	PUSHQ	$const_userData
	PUSHQ	AX
	PUSHQ	$2
	PUSHQ	$const_userCode
	LEAQ	·secondaryUser(SB), AX
	PUSHQ	AX
	IRETQ

DATA secondaryMXCSR<>+0(SB)/4, $0x1f80
GLOBL secondaryMXCSR<>(SB), NOPTR|RODATA, $4

// func secondaryUser()
//
// Calls the function, a Go func value, in ring 3 with what ABIInternal wants: g
// in R14 (none), X15 zero. When it returns the CPU halts.
TEXT ·secondaryUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	BP
	XORL	BP, BP
	LDMXCSR	secondaryMXCSR<>(SB)
	BYTE	$0xdb; BYTE $0xe3 // FNINIT
	MOVQ	$1, (const_secondaryState+secondary_started)(DI)
	MOVQ	(const_secondaryState+secondary_function)(DI), DX
	XORL	R14, R14
	XORPS	X15, X15
	MOVQ	(DX), AX
	CALL	AX
	MOVL	$const_gateHalt, CX
	CALL	·gateInstruction(SB)
	BYTE	$0x0f; BYTE $0x0b // UD2

#define TRAP(n) PUSHQ $0; PUSHQ $n; JMP ·secondaryTrap(SB); PCALIGN $16
#define TRAPCODE(n) PUSHQ $n; JMP ·secondaryTrap(SB); PCALIGN $16

// func secondaryVectors()
//
// As vectors, on IST stacks of the CPU's own.
TEXT ·secondaryVectors(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	TRAP(0)
	TRAP(1)
	PUSHQ	$0
	PUSHQ	$2
	JMP	·secondaryNMI(SB)
	PCALIGN	$16
	TRAP(3)
	TRAP(4)
	TRAP(5)
	PUSHQ	$0
	PUSHQ	$6
	JMP	·secondaryUndefined(SB)
	PCALIGN	$16
	TRAP(7)
	TRAPCODE(8)
	TRAP(9)
	TRAPCODE(10)
	TRAPCODE(11)
	TRAPCODE(12)
	TRAPCODE(13)
	TRAPCODE(14)
	TRAP(15)
	TRAP(16)
	TRAPCODE(17)
	TRAP(18)
	TRAP(19)
	TRAP(20)
	TRAPCODE(21)
	TRAP(22)
	TRAP(23)
	TRAP(24)
	TRAP(25)
	TRAP(26)
	TRAP(27)
	TRAP(28)
	TRAPCODE(29)
	TRAPCODE(30)
	TRAP(31)
	TRAP(32) // the timer that ends a notifier
	IRETQ // 33: nothing is done

// func secondaryTrap()
//
// Saves the general registers behind the trap frame and goes on in ring 3 on the
// same stack, RDI the saved registers.
TEXT ·secondaryTrap(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
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
	MOVQ	CR2, SI
	PUSHQ	$const_userData
	PUSHQ	DI
	PUSHQ	$2
	PUSHQ	$const_userCode
	LEAQ	·secondaryFatal(SB), AX
	PUSHQ	AX
	IRETQ

// func secondaryFatal()
TEXT ·secondaryFatal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	BP
	XORL	BP, BP
	CLD
	SUBQ	$24, SP
	MOVQ	DI, 0(SP)
	MOVQ	SI, 8(SP)
	CALL	·handleSecondary(SB)
	BYTE	$0x0f; BYTE $0x0b // UD2

// func secondaryUndefined()
//
// As undefined.
TEXT ·secondaryUndefined(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
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
	JMP	·secondaryTrap(SB)

// func secondaryNMI()
//
// Another CPU's panic stops this one. Without a panic, or in its own, it goes
// on.
TEXT ·secondaryNMI(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	AX
	PUSHQ	BX
	MOVQ	SP, BX
	MOVQ	72(BX), BX // the word above the CPU's frame: the block
	MOVQ	·k+(kernelState_panic+panicState_at)(SB), AX
	MOVQ	panicWork_owner(AX), AX
	TESTQ	AX, AX
	JEQ	back
	CMPQ	AX, (const_secondaryState+secondary_place)(BX)
	JEQ	back
	POPQ	BX
	POPQ	AX
	JMP	·secondaryTrap(SB)
back:
	POPQ	BX
	POPQ	AX
	LEAQ	16(SP), SP
	IRETQ

// func secondarySymbols() (start, vectors uintptr)
//
// Where this code is. Clobbers AX.
TEXT ·secondarySymbols(SB),NOSPLIT,$0-16
	LEAQ	·secondaryStart(SB), AX
	MOVQ	AX, start+0(FP)
	LEAQ	·secondaryVectors(SB), AX
	MOVQ	AX, vectors+8(FP)
	RET
