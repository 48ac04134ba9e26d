#include "textflag.h"

// The context, at a fixed address: what is needed when no register is ours.
#define CONTEXT 0x04100000
#define CONTEXT_HIGH 0x410
#define context_record 0
#define context_x29 8
#define context_exit 16
#define context_sp 24
#define context_g 32
#define context_fp 40
#define context_lr 48
#define context_signal 56
#define context_address 64
#define context_pc 72

// Records: see case.go of package native.
#define record_signal 0
#define record_exit 4
#define record_address 8
#define record_x 16
#define record_x30 256
#define record_sp 264
#define record_nzcv 272
#define record_fpcr 280
#define record_fpsr 288
#define record_pc 296
#define record_v 304

// The kernel's siginfo and ucontext.
#define info_address 16
#define ucontext_pc 440

#define exit_size 20 // bytes of a way out

// func run(record, entry uintptr)
//
// It loads all registers of the record but X29 and X30, which the slot's first
// instruction loads, and goes there. common below comes back.
TEXT ·run(SB), NOSPLIT|NOFRAME, $0-16
	MOVD $CONTEXT, R0
	MOVD RSP, R1
	MOVD R1, context_sp(R0)
	MOVD g, context_g(R0)
	MOVD R29, context_fp(R0)
	MOVD R30, context_lr(R0)
	MOVD record+0(FP), R30
	MOVD entry+8(FP), R29
	MOVD R30, context_record(R0)
	MOVD ZR, context_signal(R0)
	MOVD ZR, context_address(R0)
	MOVD ZR, context_pc(R0)
	ADD  $record_v, R30, R1
	FLDPQ 0(R1), (F0, F1)
	FLDPQ 32(R1), (F2, F3)
	FLDPQ 64(R1), (F4, F5)
	FLDPQ 96(R1), (F6, F7)
	FLDPQ 128(R1), (F8, F9)
	FLDPQ 160(R1), (F10, F11)
	FLDPQ 192(R1), (F12, F13)
	FLDPQ 224(R1), (F14, F15)
	FLDPQ 256(R1), (F16, F17)
	FLDPQ 288(R1), (F18, F19)
	FLDPQ 320(R1), (F20, F21)
	FLDPQ 352(R1), (F22, F23)
	FLDPQ 384(R1), (F24, F25)
	FLDPQ 416(R1), (F26, F27)
	FLDPQ 448(R1), (F28, F29)
	FLDPQ 480(R1), (F30, F31)
	MOVD record_sp(R30), R0
	MOVD R0, RSP
	MOVD record_nzcv(R30), R0
	MSR  R0, NZCV
	MOVD record_fpcr(R30), R0
	MSR  R0, FPCR
	MOVD record_fpsr(R30), R0
	MSR  R0, FPSR
	LDP  16(R30), (R0, R1)
	LDP  32(R30), (R2, R3)
	LDP  48(R30), (R4, R5)
	LDP  64(R30), (R6, R7)
	LDP  80(R30), (R8, R9)
	LDP  96(R30), (R10, R11)
	LDP  112(R30), (R12, R13)
	LDP  128(R30), (R14, R15)
	LDP  144(R30), (R16, R17)
	LDP  160(R30), (R18_PLATFORM, R19)
	LDP  176(R30), (R20, R21)
	LDP  192(R30), (R22, R23)
	LDP  208(R30), (R24, R25)
	LDP  224(R30), (R26, R27)
	MOVD (16+28*8)(R30), g
	B    (R29)

// func synchronise(from, to uintptr)
TEXT ·synchronise(SB), NOSPLIT|NOFRAME, $0-16
	MOVD from+0(FP), R0
	MOVD to+8(FP), R1

again:
	WORD $0xd50b7b20 // dc cvau, x0
	DSB  $11
	WORD $0xd50b7520 // ic ivau, x0
	ADD  $4, R0
	CMP  R1, R0
	BLO  again
	DSB  $11
	ISB  $15
	RET

// common stores what the case left. X30 is the context, X29 the way out and one, and
// what they were is in TPIDR_EL0 and in the context.
TEXT ·common(SB), NOSPLIT|NOFRAME, $0-0
	MOVD R29, context_exit(R30)
	MOVD context_x29(R30), R29
	MOVD context_record(R30), R30
	STP  (R0, R1), 16(R30)
	STP  (R2, R3), 32(R30)
	STP  (R4, R5), 48(R30)
	STP  (R6, R7), 64(R30)
	STP  (R8, R9), 80(R30)
	STP  (R10, R11), 96(R30)
	STP  (R12, R13), 112(R30)
	STP  (R14, R15), 128(R30)
	STP  (R16, R17), 144(R30)
	STP  (R18_PLATFORM, R19), 160(R30)
	STP  (R20, R21), 176(R30)
	STP  (R22, R23), 192(R30)
	STP  (R24, R25), 208(R30)
	STP  (R26, R27), 224(R30)
	STP  (g, R29), (16+28*8)(R30)
	MRS  TPIDR_EL0, R0
	MOVD R0, record_x30(R30)
	MOVD RSP, R0
	MOVD R0, record_sp(R30)
	MRS  NZCV, R0
	MOVD R0, record_nzcv(R30)
	MRS  FPCR, R0
	MOVD R0, record_fpcr(R30)
	MRS  FPSR, R0
	MOVD R0, record_fpsr(R30)
	ADD  $record_v, R30, R1
	FSTPQ (F0, F1), 0(R1)
	FSTPQ (F2, F3), 32(R1)
	FSTPQ (F4, F5), 64(R1)
	FSTPQ (F6, F7), 96(R1)
	FSTPQ (F8, F9), 128(R1)
	FSTPQ (F10, F11), 160(R1)
	FSTPQ (F12, F13), 192(R1)
	FSTPQ (F14, F15), 224(R1)
	FSTPQ (F16, F17), 256(R1)
	FSTPQ (F18, F19), 288(R1)
	FSTPQ (F20, F21), 320(R1)
	FSTPQ (F22, F23), 352(R1)
	FSTPQ (F24, F25), 384(R1)
	FSTPQ (F26, F27), 416(R1)
	FSTPQ (F28, F29), 448(R1)
	FSTPQ (F30, F31), 480(R1)
	MSR  ZR, FPCR
	MOVD $CONTEXT, R0
	MOVD context_signal(R0), R1
	MOVW R1, record_signal(R30)
	MOVD context_exit(R0), R1
	MOVW R1, record_exit(R30)
	MOVD context_address(R0), R1
	MOVD R1, record_address(R30)
	MOVD context_pc(R0), R1
	MOVD R1, record_pc(R30)
	MOVD context_sp(R0), R1
	MOVD R1, RSP
	MOVD context_g(R0), g
	MOVD context_fp(R0), R29
	MOVD context_lr(R0), R30
	RET

// func exits() uintptr
TEXT ·exits(SB), NOSPLIT|NOFRAME, $0-8
	MOVD $·ways(SB), R0
	MOVD R0, ret+0(FP)
	RET

// func handler() uintptr
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0-8
	MOVD $·caught(SB), R0
	MOVD R0, ret+0(FP)
	RET

// caught is called by the kernel for a signal: X0 is its number, X1 its siginfo,
// X2 the ucontext. It writes the signal down and goes on at the way out 16.
TEXT ·caught(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $CONTEXT, R3
	MOVD R0, context_signal(R3)
	MOVD info_address(R1), R4
	MOVD R4, context_address(R3)
	MOVD ucontext_pc(R2), R4
	MOVD R4, context_pc(R3)
	MOVD $·ways(SB), R4
	ADD  $(16*exit_size), R4
	MOVD R4, ucontext_pc(R2)
	RET

// The ways out: one for each word of a slot and one for signals, of five
// instructions each.
#define WAY(n) \
	MSR  R30, TPIDR_EL0               \
	MOVZ $(CONTEXT_HIGH<<16), R30   \
	MOVD R29, context_x29(R30)        \
	MOVZ $(n+1), R29                  \
	JMP  ·common(SB)

TEXT ·ways(SB), NOSPLIT|NOFRAME, $0-0
	WAY(0)
	WAY(1)
	WAY(2)
	WAY(3)
	WAY(4)
	WAY(5)
	WAY(6)
	WAY(7)
	WAY(8)
	WAY(9)
	WAY(10)
	WAY(11)
	WAY(12)
	WAY(13)
	WAY(14)
	WAY(15)
	WAY(16)
