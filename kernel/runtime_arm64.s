//go:build linux

#include "go_asm.h"
#include "textflag.h"

#define TLBI_VMALLE1 WORD $0xd508871f

// func runtimeEnter()
//
// Calls a runtime service of EFI: at EL1 by gateEnter, R0 the address of a
// runtimeFrame. The service gets tables and a stack of its own; by its calling
// convention (UEFI 2.10, 2.3.6.4) it keeps R19 to R29. What the gate returns to is in
// ELR_EL1 and SPSR_EL1, which a service without exceptions leaves alone.
TEXT ·runtimeEnter(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	STP	(R19, R20), runtimeFrame_saved(R0)
	STP	(R21, R30), (runtimeFrame_saved+16)(R0)
	MOVD	R18_PLATFORM, (runtimeFrame_saved+32)(R0)
	MOVD	R0, R19
	MRS	TTBR0_EL1, R20
	MOVD	RSP, R21
	MOVD	runtimeFrame_root(R19), R1
	MSR	R1, TTBR0_EL1
	ISB	$15
	TLBI_VMALLE1
	DSB	$11
	ISB	$15
	MOVD	runtimeFrame_stack(R19), R1
	MOVD	R1, RSP
	MOVD	runtimeFrame_first(R19), R0
	MOVD	runtimeFrame_second(R19), R1
	MOVD	runtimeFrame_third(R19), R2
	MOVD	runtimeFrame_fourth(R19), R3
	MOVD	runtimeFrame_fifth(R19), R4
	MOVD	runtimeFrame_function(R19), R5
	CALL	(R5)
	MOVD	R0, runtimeFrame_status(R19)
	MSR	R20, TTBR0_EL1
	ISB	$15
	TLBI_VMALLE1
	DSB	$11
	ISB	$15
	MOVD	R21, RSP
	MOVD	R19, R0
	LDP	runtimeFrame_saved(R0), (R19, R20)
	LDP	(runtimeFrame_saved+16)(R0), (R21, R30)
	MOVD	(runtimeFrame_saved+32)(R0), R18_PLATFORM
	ERET

// func runtimeAddress() uintptr
TEXT ·runtimeAddress(SB),NOSPLIT,$0-8
	MOVD	$·runtimeEnter(SB), R0
	MOVD	R0, ret+0(FP)
	RET
