//go:build linux

#include "go_asm.h"
#include "textflag.h"

// EL1 from the image's first instruction to the ERET into EL0. All that could be
// made beforehand was made beforehand: the page tables are active. EL1 has no
// stack and writes to the kernel's state only.
//
// State is reached by its address ("$sym"), never by a load from a symbol: that
// would take R27.

// Bits of the system registers that are set here.
#define FP_AT_EL0     (3<<20) // CPACR_EL1.FPEN
#define COUNTER_AT_EL0 3      // CNTKCTL_EL1.EL0PCTEN, EL0VCTEN
#define EL0_MASKED    0x3c0

// Something else than zeros keeps the stacks out of .bss, which is not mapped yet.
DATA ·control+0(SB)/8, $1
GLOBL ·control(SB), NOPTR, $const_controlSize

#define ID(register, i) MRS register, R0; MOVD R0, (kernelState_processorState+processorState_id+8*i)(R1)

// func entry()
//
// The ELF's entry point. Linux gets here at EL0 with all registers zero: an
// ordinary program. At EL1 the state is that of package handoff: X0 the physical
// address of the block, X1 its address in the direct map, the MMU on, everything
// masked. Does not return.
TEXT ·entry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	CBNZ	R1, level1
	MOVD	$_rt0_arm64_linux(SB), R2
	JMP	(R2)
level1:
	ISB	$15
	MRS	CNTVCT_EL0, R2
	MOVD	R0, R3
	MOVD	R1, R4
	MOVD	$·k(SB), R1
	MOVD	R2, kernelState_entryTicks(R1)
	MOVD	R3, kernelState_blockAddress(R1)
	MOVD	R4, kernelState_block(R1)
	MRS	TTBR0_EL1, R0
	MOVD	R0, kernelState_root(R1)
	MRS	SCTLR_EL1, R0
	MOVD	R0, (kernelState_processorState+processorState_sctlr)(R1)
	MRS	TCR_EL1, R0
	MOVD	R0, (kernelState_processorState+processorState_tcr)(R1)
	MRS	MAIR_EL1, R0
	MOVD	R0, (kernelState_processorState+processorState_mair)(R1)
	ID(MIDR_EL1, 0)
	ID(MPIDR_EL1, 1)
	ID(ID_AA64PFR0_EL1, 2)
	ID(ID_AA64PFR1_EL1, 3)
	ID(ID_AA64MMFR0_EL1, 4)
	ID(ID_AA64MMFR1_EL1, 5)
	ID(ID_AA64MMFR2_EL1, 6)
	ID(ID_AA64ISAR0_EL1, 7)
	ID(ID_AA64ISAR1_EL1, 8)
	ID(ID_AA64DFR0_EL1, 9)
	MRS	MPIDR_EL1, R0
	AND	$0xff00ffffff, R0
	MOVD	R0, kernelState_cpu(R1)
	MOVD	$FP_AT_EL0, R0
	MSR	R0, CPACR_EL1
	MOVD	R0, (kernelState_processorState+processorState_cpacr)(R1)
	MOVD	$COUNTER_AT_EL0, R0
	MSR	R0, CNTKCTL_EL1
	MOVD	$·vectors(SB), R0
	MSR	R0, VBAR_EL1
	MOVD	$·k+(kernelState_processorState+processorState_first)(SB), R0
	MOVD	R0, RSP // EL1 has no stack: it finds the CPU's state here
	MOVD	$·control+const_controlSyscallStack(SB), R0
	MSR	R0, SP_EL0
	MOVD	$·userStart(SB), R0
	MSR	R0, ELR_EL1
	MOVD	$EL0_MASKED, R0
	MSR	R0, SPSR_EL1
	ISB	$15
	ERET

// func userStart()
//
// The first instructions at EL0, on the system call stack: the kernel's
// initialization in steps (each within the linker's limit for nosplit call
// chains), then the runtime's entry as Linux would call it.
TEXT ·userStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVD	R29, R0 // vet wants it saved
	MOVD	RSP, R1
	SUB	$64, R1
	MOVD	R1, RSP
	MOVD	R0, 8(RSP)
	MOVD	ZR, R29
	MOVD	ZR, g
	BL	·initProcessor(SB)
	BL	·initFacts(SB)
	BL	·initMemory(SB)
	BL	·initAddressSpace(SB)
	BL	·initProtection(SB)
	BL	·initClock(SB)
	BL	·initProcess(SB)
	MOVD	$·k(SB), R1
	MOVD	kernelState_startStack(R1), R0
	MOVD	R0, RSP
	MOVD	ZR, R0
	MOVD	ZR, R1
	MOVD	ZR, R29
	MOVD	ZR, R30
	MOVD	$_rt0_arm64_linux(SB), R2
	JMP	(R2)
