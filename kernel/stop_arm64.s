//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "stop_arm64.h"

// The CPU interface of version 3 (IHI 0069 12.2), whose registers the assembler
// has no names for.
#define MRS_IAR_R18     WORD $0xd538cc12 // ICC_IAR1_EL1
#define MSR_EOIR_R18    WORD $0xd518cc32 // ICC_EOIR1_EL1
#define MSR_ZR_CNTV_CTL WORD $0xd51be33f // CNTV_CTL_EL0

#define CONTROLLER (kernelState_processorState+processorState_controller)

// func interrupt()
//
// An IRQ, with R18 kept in TPIDR_EL1. The SGI stops the CPU, whose stack pointer
// of EL1 is its state; the timer ends a notifier; any other is ended and
// forgotten. TPIDRRO_EL0, which Go has no use for, keeps R17.
TEXT ·interrupt(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MSR	R17, TPIDRRO_EL0
	MOVD	$·k+CONTROLLER(SB), R17
	MOVD	controller_version(R17), R18_PLATFORM
	CBZ	R18_PLATFORM, none
	CMP	$3, R18_PLATFORM
	BEQ	version3
	MOVD	controller_cpuInterface(R17), R17
	MOVWU	12(R17), R18_PLATFORM // GICC_IAR
	AND	$0x3ff, R18_PLATFORM
	CBZ	R18_PLATFORM, stop
	CMP	$1020, R18_PLATFORM
	BHS	back
	MOVW	R18_PLATFORM, 16(R17) // GICC_EOIR
	B	taken
version3:
	MRS_IAR_R18
	CBZ	R18_PLATFORM, stop
	CMP	$1020, R18_PLATFORM
	BLO	end
	CMP	$1023, R18_PLATFORM
	BLS	back
end:
	MSR_EOIR_R18
taken:
	MOVD	$·k+CONTROLLER(SB), R17
	MOVD	controller_timer(R17), R17
	CMP	R17, R18_PLATFORM
	BEQ	timer
back:
	MRS	TPIDRRO_EL0, R17
	MRS	TPIDR_EL1, R18_PLATFORM
	ERET
none:
	MRS	TPIDRRO_EL0, R17
	B	·exception(SB)
stop:
	// The number of the slot: slotOf has the same rule.
	MOVD	$·k+(kernelState_panic+panicState_at)(SB), R17
	MOVD	(R17), R17
	MOVD	panicWork_owner(R17), R17
	MOVD	secondary_place(RSP), R18_PLATFORM
	CMP	R17, R18_PLATFORM
	BLS	before
	SUB	$1, R18_PLATFORM
before:
	MOVD	$·k+(kernelState_panic+panicState_panicArea)(SB), R17
	MOVD	(R17), R17
	CBZ	R17, bare
	MOVWU	const_panicSlots(R17), R17
	CMP	R17, R18_PLATFORM
	BHS	bare
	MOVD	$·k+(kernelState_panic+panicState_panicArea)(SB), R17
	MOVD	(R17), R17
	ADD	R18_PLATFORM<<const_slotShift, R17, R18_PLATFORM
	ADD	$const_firstSlot, R18_PLATFORM
	MRS	TPIDRRO_EL0, R17
	SAVE
parked:
	WFI
	B	parked
bare:
	MOVD	$1, R0
	MOVD	R0, secondary_stopped(RSP)
	B	parked
timer:
	// The interrupted context does not go on: its registers are free.
	MSR_ZR_CNTV_CTL
	ISB	$15
	MOVD	ZR, R0
	MOVD	ZR, R2
	MOVD	$1, R5
	B	·panicLeave(SB)
