#include "textflag.h"

// Fields of the code's page. trampoline/layout.go has the same numbers.
#define FIELD_STACK       0x400
#define FIELD_ROOT4       0x408
#define FIELD_ROOT5       0x410
#define FIELD_BLOCK       0x418
#define FIELD_BLOCK_VA    0x420
#define FIELD_ENTRY_STACK 0x428
#define FIELD_GDTR        0x430
#define FIELD_IDTR        0x440

// Selectors of the page's GDT.
#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18

// func handoffAMD64()
TEXT ·handoffAMD64(SB), NOSPLIT|NOFRAME, $0-0
	// The freeze point: ENDBR64, for CET's indirect branch tracking (SDM 1 17.3.1).
	BYTE $0xf3; BYTE $0x0f; BYTE $0x1e; BYTE $0xfa
	CLI                           // SDM 3A 6.8.1: no maskable interrupt from here
	CLD
	BYTE $0x4c; BYTE $0x8d; BYTE $0x3d; LONG $0 // LEAQ 0(IP), R15
	ANDQ $~0xfff, R15             // the page, at its physical address
	MOVQ FIELD_STACK(R15), SP     // nothing is pushed to the host's stack

	// An NMI, debug exception or machine check is harmless after LIDT (SDM 3A
	// 6.10, 6.14). The GDT comes next, because the gates name its selector.
	LIDT FIELD_IDTR(R15)
	LGDT FIELD_GDTR(R15)

	// Breakpoints of the host off: only the fixed bit (SDM 3B 18.2.4). With
	// DR7.GD this is a #DB first, which clears GD.
	MOVL $0x400, BX
	MOVQ BX, DR7

	// CR4 keeps LA57, which cannot change in long mode, and VMXE, which cannot
	// in VMX operation (SDM 3A 2.5, 3C 24.8). PAE, PSE, OSFXSR, OSXMMEXCPT are
	// set; all else goes off at once: PGE and PCIDE with every translation
	// they kept (SDM 3A 4.10.4.1), CET before CR0.WP and before the far return,
	// which would want a shadow stack; SMEP, SMAP, PKE, PKS, UMIP, MCE, LASS.
	MOVQ CR4, BX
	ANDL $0x3000, BX
	ORL  $0x630, BX
	MOVQ BX, CR4

	// Segments of the page's GDT: CS by a far return (SDM 3A 5.8.1), flat data
	// in the others, whose load also sets the bases of FS and GS to 0 (SDM 3A
	// 3.4.4), no LDT.
	PUSHQ $CODE_SELECTOR
	BYTE  $0x48; BYTE $0x8d; BYTE $0x15; LONG $3 // LEAQ 3(IP), DX: behind the far return
	PUSHQ DX
	RETFQ
	MOVL  $DATA_SELECTOR, DX
	MOVW  DX, SS; MOVW DX, DS; MOVW DX, ES; MOVW DX, FS; MOVW DX, GS
	XORL  DX, DX
	LLDT  DX

	// CR0: PE, MP, ET, NE, WP, PG; caches on, no task switched, no alignment
	// checks (SDM 3A 2.5).
	MOVL $0x80010033, BX
	MOVQ BX, CR0

	// EFER: SCE, LME, LMA, NXE (SDM 3A 2.2.1), before the tables that use NX.
	MOVL $0xc0000080, CX
	MOVL $0xd01, AX
	WRMSR                         // DX is 0

	// The root for as many levels as the CPU was found with (SDM 3A 4.5).
	MOVQ CR4, BX
	BTL  $12, BX
	MOVQ FIELD_ROOT4(R15), BX
	JCC  levels
	MOVQ FIELD_ROOT5(R15), BX

levels:
	MOVQ BX, CR3                  // SDM 3A 4.10.4.1: nothing of the host is left

	// The entry state, see package handoff.
	MOVQ FIELD_BLOCK(R15), DI
	MOVQ FIELD_BLOCK_VA(R15), SI
	XORL AX, AX; XORL BX, BX; XORL CX, CX; XORL BP, BP
	XORL R8, R8; XORL R9, R9; XORL R10, R10; XORL R11, R11
	XORL R12, R12; XORL R13, R13; XORL R14, R14
	PUSHQ $2
	POPFQ                         // TF, NT, IOPL, AC, ID and the flags of XORL off
	MOVQ FIELD_ENTRY_STACK(R15), SP
	MOVQ AX, R15
	BYTE $0xff; BYTE $0x25; LONG $0 // JMP *0(IP): the quadword behind it
	QUAD $0x1122334455667788        // the entry; found and cleared by generate

// func interruptAMD64() returns with the hand-off's own segments: the frame may
// name the host's code segment, which the page's GDT does not have. A null SS is
// fine in ring 0 of 64-bit mode (SDM 2A, IRETQ).
TEXT ·interruptAMD64(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $CODE_SELECTOR, 8(SP)
	MOVQ $0, 32(SP)
	IRETQ
