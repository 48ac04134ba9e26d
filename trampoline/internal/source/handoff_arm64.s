#include "textflag.h"

// Fields of the code's page. trampoline/layout.go has the same numbers.
#define FIELDS       0x400
#define ROOT         0
#define BLOCK        16
#define ENTRY        32
#define MEMORY       48
#define CONTROL      64
#define VECTORS      0x800

// What the assembler has no names for (DDI 0487 C5.3 to C5.5, D24.2).
#define DC_CIVAC_R2       WORD $0xd50b7e22
#define IC_IALLU          WORD $0xd508751f
#define TLBI_ALLE2        WORD $0xd50c871f
#define TLBI_VMALLE1      WORD $0xd508871f
#define MSR_R0_SCTLR_EL2  WORD $0xd51c1000
#define MSR_R0_HCR_EL2    WORD $0xd51c1100
#define MSR_ZR_MDCR_EL2   WORD $0xd51c113f
#define MSR_R0_CPTR_EL2   WORD $0xd51c1140
#define MSR_ZR_HSTR_EL2   WORD $0xd51c117f
#define MSR_R0_CNTHCTL    WORD $0xd51ce100
#define MSR_ZR_CNTVOFF    WORD $0xd51ce07f
#define MSR_R0_VPIDR_EL2  WORD $0xd51c0000
#define MSR_R0_VMPIDR_EL2 WORD $0xd51c00a0
#define MSR_R0_SPSR_EL2   WORD $0xd51c4000
#define MSR_R0_ELR_EL2    WORD $0xd51c4020
#define MSR_R0_SRE_EL2    WORD $0xd51cc9a0 // ICC_SRE_EL2
#define MRS_SRE_EL2_R0    WORD $0xd53cc9a0
#define MSR_ZR_ICH_HCR    WORD $0xd51ccb1f // ICH_HCR_EL2

// SCTLR with what is 1 for ever, the MMU and the caches off (DDI 0487 D24.2).
#define SCTLR_EL1_OFF 0x30d00800
#define SCTLR_EL2_OFF 0x30c50830
#define EL1H_MASKED   0x3c5

// func handoffARM64()
TEXT ·handoffARM64(SB), NOSPLIT|NOFRAME, $0-0
	// The freeze point: BTI jc, for a host with guarded pages (C6.2.47).
	WORD $0xd50324df
	MSR  $15, DAIFSet             // nothing asynchronous from here
	WORD $0x10000013              // ADR X19, this instruction
	AND  $~0xfff, R19             // the page, at its physical address

	// All that is needed from here on is in registers: with the MMU off memory
	// is what is at the point of coherency.
	ADD  $FIELDS, R19, R2
	LDP  ROOT(R2), (R20, R21)     // root, TCR
	LDP  BLOCK(R2), (R22, R23)    // block, its virtual address
	LDP  ENTRY(R2), (R24, R25)    // entry, its stack
	LDP  MEMORY(R2), (R26, R27)   // MAIR, SCTLR

	// The code goes there, too, a cache line at a time (CTR_EL0.DminLine).
	MRS  CTR_EL0, R0
	UBFX $16, R0, $4, R0
	MOVD $4, R1
	LSL  R0, R1
	MOVD R2, R3
	MOVD R19, R2

clean:
	DC_CIVAC_R2
	ADD  R1, R2
	CMP  R3, R2
	BLO  clean
	DSB  $15

	MRS  CurrentEL, R0
	CMP  $8, R0
	BNE  level1

	// EL2: its MMU off, then VHE, which gives the registers of EL1 their names
	// back (D8.1.2). EL1 gets timer, counter, floating point, pointer
	// authentication and its own identity; nothing is trapped (D24.2).
	MOVD $SCTLR_EL2_OFF, R0
	MSR_R0_SCTLR_EL2
	ISB  $15
	MOVD $(1<<31|1<<40|1<<41), R0 // RW, APK, API
	MSR_R0_HCR_EL2
	ISB  $15
	TLBI_ALLE2
	MOVD $3, R0
	MSR_R0_CNTHCTL
	MSR_ZR_CNTVOFF
	MSR_ZR_MDCR_EL2
	MSR_ZR_HSTR_EL2
	MOVD $0x33ff, R0
	MSR_R0_CPTR_EL2
	MRS  MIDR_EL1, R0
	MSR_R0_VPIDR_EL2
	MRS  MPIDR_EL1, R0
	MSR_R0_VMPIDR_EL2

	// A GIC's CPU interface by system registers is EL1's, too, where the CPU has
	// them (ID_AA64PFR0_EL1.GIC) and firmware lets EL2 turn them on (IHI 0069
	// 12.2, ICC_SRE_EL2; 12.4, ICH_HCR_EL2).
	MRS  ID_AA64PFR0_EL1, R0
	UBFX $24, R0, $4, R0
	CBZ  R0, lower
	MOVD $15, R0                  // SRE, DFB, DIB, Enable
	MSR_R0_SRE_EL2
	ISB  $15
	MRS_SRE_EL2_R0
	TBZ  $0, R0, lower
	MSR_ZR_ICH_HCR                // no trap

lower:
	MOVD $SCTLR_EL1_OFF, R0
	MSR  R0, SCTLR_EL1
	MOVD $EL1H_MASKED, R0
	MSR_R0_SPSR_EL2
	WORD $0x10000080              // ADR X0, level1: 16 bytes on
	MSR_R0_ELR_EL2
	DSB  $15
	ERET

level1:
	MSR  $1, SPSel
	ADD  $VECTORS, R19, R0
	MSR  R0, VBAR_EL1
	MSR  ZR, MDSCR_EL1            // no step, breakpoint or watchpoint (D2.8)
	MOVD $SCTLR_EL1_OFF, R0
	MSR  R0, SCTLR_EL1            // at VA = PA
	ISB  $15

	// Nothing of the host is left in TLB and instruction cache.
	TLBI_VMALLE1
	IC_IALLU
	DSB  $15
	ISB  $15

	// The image's tables, with as many physical address bits as the CPU has, 48
	// at most (TCR_EL1.IPS, ID_AA64MMFR0_EL1.PARange).
	MRS  ID_AA64MMFR0_EL1, R0
	AND  $15, R0
	CMP  $5, R0
	MOVD $5, R1
	CSEL LO, R0, R1, R0
	ORR  R0<<32, R21
	MSR  R26, MAIR_EL1
	MSR  R21, TCR_EL1
	MSR  R20, TTBR0_EL1
	MSR  ZR, TTBR1_EL1
	ISB  $15
	MSR  R27, SCTLR_EL1
	ISB  $15

	// The entry state, see package handoff. ERET sets all of PSTATE.
	MSR  R24, ELR_EL1
	MOVD $EL1H_MASKED, R0
	MSR  R0, SPSR_EL1
	MOVD R25, RSP
	MOVD R22, R0
	MOVD R23, R1
	MOVD ZR, R2; MOVD ZR, R3; MOVD ZR, R4; MOVD ZR, R5; MOVD ZR, R6
	MOVD ZR, R7; MOVD ZR, R8; MOVD ZR, R9; MOVD ZR, R10; MOVD ZR, R11
	MOVD ZR, R12; MOVD ZR, R13; MOVD ZR, R14; MOVD ZR, R15; MOVD ZR, R16
	MOVD ZR, R17; MOVD ZR, R18_PLATFORM; MOVD ZR, R19; MOVD ZR, R20
	MOVD ZR, R21; MOVD ZR, R22; MOVD ZR, R23; MOVD ZR, R24; MOVD ZR, R25
	MOVD ZR, R26; MOVD ZR, R27; MOVD ZR, g; MOVD ZR, R29; MOVD ZR, R30
	ERET
