//go:build linux

#include "go_asm.h"
#include "textflag.h"

// func runtimeEnter()
//
// Calls a runtime service of EFI: in ring 0 by gateEnter, on the stack of the gate's
// #UD with the CPU's frame on top, DI the address of a runtimeFrame. The service gets
// tables and a stack of its own and Microsoft's calling convention (UEFI 2.10,
// 2.3.4.2), and loses no register that gate's caller may keep.
TEXT ·runtimeEnter(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVQ	BX, (runtimeFrame_saved+0)(DI)
	MOVQ	BP, (runtimeFrame_saved+8)(DI)
	MOVQ	SI, (runtimeFrame_saved+16)(DI)
	MOVQ	R8, (runtimeFrame_saved+24)(DI)
	MOVQ	R9, (runtimeFrame_saved+32)(DI)
	MOVQ	R10, (runtimeFrame_saved+40)(DI)
	MOVQ	R11, (runtimeFrame_saved+48)(DI)
	MOVQ	R12, (runtimeFrame_saved+56)(DI)
	MOVQ	DI, BX
	MOVQ	CR3, BP
	MOVQ	SP, R12
	MOVQ	runtimeFrame_root(BX), AX
	MOVQ	AX, CR3
	MOVQ	runtimeFrame_stack(BX), SP
	SUBQ	$0x30, SP // 32 bytes for the service, the fifth argument, 16-byte alignment
	MOVQ	runtimeFrame_fifth(BX), AX
	MOVQ	AX, 0x20(SP)
	MOVQ	runtimeFrame_first(BX), CX
	MOVQ	runtimeFrame_second(BX), DX
	MOVQ	runtimeFrame_third(BX), R8
	MOVQ	runtimeFrame_fourth(BX), R9
	MOVQ	runtimeFrame_function(BX), AX
	CALL	AX
	MOVQ	R12, SP
	MOVQ	BP, CR3
	MOVQ	AX, runtimeFrame_status(BX)
	MOVQ	BX, DI
	MOVQ	(runtimeFrame_saved+0)(DI), BX
	MOVQ	(runtimeFrame_saved+8)(DI), BP
	MOVQ	(runtimeFrame_saved+16)(DI), SI
	MOVQ	(runtimeFrame_saved+24)(DI), R8
	MOVQ	(runtimeFrame_saved+32)(DI), R9
	MOVQ	(runtimeFrame_saved+40)(DI), R10
	MOVQ	(runtimeFrame_saved+48)(DI), R11
	MOVQ	(runtimeFrame_saved+56)(DI), R12
	IRETQ

// func runtimeAddress() uintptr
TEXT ·runtimeAddress(SB),NOSPLIT,$0-8
	LEAQ	·runtimeEnter(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
