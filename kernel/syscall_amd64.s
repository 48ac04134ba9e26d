//go:build linux

#include "go_asm.h"
#include "textflag.h"

// func systemCall()
//
// SYSCALL lands here: in ring 0 on hardware, and still in ring 3 where a
// hypervisor emulates it so (KVM without VMX). RCX is the return address, R11
// the flags. Seven instructions in ring 0, no stack.
TEXT ·systemCall(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVQ	CX, ·k+(kernelState_processorState+processorState_returnAddress)(SB)
	BYTE	$0x41; BYTE $0x8c; BYTE $0xcb // MOVL CS, R11
	ANDL	$3, R11
	JNE	user
	LEAQ	·systemCallUser(SB), CX
	MOVL	$2, R11
	BYTE	$0x48; BYTE $0x0f; BYTE $0x07 // SYSRETQ
user:
	JMP	·systemCallUser(SB)

// func systemCallUser()
//
// The rest in ring 3: saves the general registers in the thread, runs the call
// on the system call stack, and goes on with the thread that the scheduler
// chose, by a plain jump. Vector registers are not kept: no caller of SYSCALL
// in Go expects them to be. Clobbers RCX and R11 as SYSCALL does.
TEXT ·systemCallUser(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVQ	·k+kernelState_current(SB), CX
	MOVQ	AX, (thread_registers+registers_ax)(CX)
	MOVQ	BX, (thread_registers+registers_bx)(CX)
	MOVQ	DX, (thread_registers+registers_dx)(CX)
	MOVQ	SI, (thread_registers+registers_si)(CX)
	MOVQ	DI, (thread_registers+registers_di)(CX)
	MOVQ	BP, (thread_registers+registers_bp)(CX)
	MOVQ	R8, (thread_registers+registers_r8)(CX)
	MOVQ	R9, (thread_registers+registers_r9)(CX)
	MOVQ	R10, (thread_registers+registers_r10)(CX)
	MOVQ	R12, (thread_registers+registers_r12)(CX)
	MOVQ	R13, (thread_registers+registers_r13)(CX)
	MOVQ	R14, (thread_registers+registers_r14)(CX)
	MOVQ	R15, (thread_registers+registers_r15)(CX)
	MOVQ	SP, (thread_registers+registers_sp)(CX)
	MOVQ	·k+(kernelState_processorState+processorState_returnAddress)(SB), R11
	MOVQ	R11, (thread_registers+registers_ip)(CX)
	LEAQ	·control+const_controlSyscallStack(SB), SP
	XORL	BP, BP
	CLD
	CALL	·handleSystemCall(SB)
	MOVQ	·k+kernelState_current(SB), CX
	MOVQ	(thread_registers+registers_ax)(CX), AX
	MOVQ	(thread_registers+registers_bx)(CX), BX
	MOVQ	(thread_registers+registers_dx)(CX), DX
	MOVQ	(thread_registers+registers_si)(CX), SI
	MOVQ	(thread_registers+registers_di)(CX), DI
	MOVQ	(thread_registers+registers_bp)(CX), BP
	MOVQ	(thread_registers+registers_r8)(CX), R8
	MOVQ	(thread_registers+registers_r9)(CX), R9
	MOVQ	(thread_registers+registers_r10)(CX), R10
	MOVQ	(thread_registers+registers_r12)(CX), R12
	MOVQ	(thread_registers+registers_r13)(CX), R13
	MOVQ	(thread_registers+registers_r14)(CX), R14
	MOVQ	(thread_registers+registers_r15)(CX), R15
	MOVQ	(thread_registers+registers_ip)(CX), R11
	MOVQ	(thread_registers+registers_sp)(CX), SP
	JMP	R11
