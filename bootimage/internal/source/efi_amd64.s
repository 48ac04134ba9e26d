#include "textflag.h"

// Fields of the code's page. bootimage/efistub.go has the same numbers.
#define AREA         0x800 // the EFI area
#define BOOT         0x808 // the boot area
#define BLOCK        0x810
#define LAST         0x818 // the image's last byte
#define ROOT4        0x820
#define ROOT5        0x828
#define IDENTITY     0x830 // three empty tables on top of each other
#define ENTRY        0x848
#define STACK        0x850
#define DIRECT       0x858 // the direct map's table of 1 GiB entries
#define SPARE        0x860 // two empty tables
#define DIRECTBASE   0x870
#define GUID         0x880 // EFI_LOADED_IMAGE_PROTOCOL_GUID
#define MESSAGE      0x890
#define GDTR         0x96e // limit; the base is aligned
#define IDTR         0x97e // limit 0, base 0
#define CAPACITY     0x988

// Offsets in the tables of UEFI 2.10: system table 4.3, boot services 4.4, simple
// text output 12.4, loaded image 9.1.
#define CONOUT         0x40
#define RUNTIME        0x58
#define BOOTSERVICES   0x60
#define TABLES         0x68
#define TABLELIST      0x70
#define GETMEMORYMAP   0x38
#define HANDLEPROTOCOL 0x98
#define EXITBOOT       0xe8
#define OUTPUTSTRING   0x08
#define OPTIONSSIZE    0x30
#define OPTIONS        0x38

// The frame: 32 bytes for what is called, its fifth argument, then ours.
#define FIFTH      0x20
#define SIZE       0x28
#define KEY        0x30
#define DESCRIPTOR 0x38
#define VERSION    0x40
#define FRAME      0x48

#define ATTEMPTS 8

// func efiAMD64()
//
// UEFI 2.10, 2.3.4.2: long mode, the firmware's identity map, Microsoft's calling
// convention with RCX the image's handle and RDX the system table.
TEXT ·efiAMD64(SB), NOSPLIT|NOFRAME, $0-0
	BYTE $0xf3; BYTE $0x0f; BYTE $0x1e; BYTE $0xfa // ENDBR64
	PUSHQ BX; PUSHQ BP; PUSHQ SI; PUSHQ DI
	PUSHQ R12; PUSHQ R13; PUSHQ R14; PUSHQ R15
	SUBQ $FRAME, SP
	MOVQ CX, R12
	MOVQ DX, R13
	BYTE $0x4c; BYTE $0x8d; BYTE $0x3d; LONG $0 // LEAQ 0(IP), R15
	ANDQ $~0xfff, R15             // the page
	RDTSC
	MOVQ BOOT(R15), BX
	MOVL AX, 0x10(BX)
	MOVL DX, 0x14(BX)
	MOVQ BOOTSERVICES(R13), R14
	MOVQ AREA(R15), BX
	MOVQ R13, 0(BX)
	MOVQ RUNTIME(R13), AX
	MOVQ AX, 8(BX)
	MOVL $ATTEMPTS, BP
	MOVQ R15, AX
	SHRQ $39, AX
	JNE  fail                     // no table of ours reaches there

	// The configuration tables.
	MOVQ TABLES(R13), CX
	CMPQ CX, $64
	JBE  tables
	MOVL $64, CX
tables:
	MOVQ CX, 0x28(BX)
	IMUL3Q $24, CX, CX
	MOVQ TABLELIST(R13), SI
	LEAQ 0x100(BX), DI
	REP; MOVSB

	// The load options, if the image's handle has any.
	MOVQ R12, CX
	LEAQ GUID(R15), DX
	LEAQ SIZE(SP), R8
	CALL HANDLEPROTOCOL(R14)
	TESTQ AX, AX
	JNE  again
	MOVQ SIZE(SP), AX
	MOVL OPTIONSSIZE(AX), CX
	MOVQ OPTIONS(AX), SI
	TESTQ SI, SI
	JEQ  again
	CMPL CX, $0x1000
	JBE  options
	MOVL $0x1000, CX
options:
	MOVQ CX, 0x30(BX)
	LEAQ 0x1000(BX), DI
	REP; MOVSB

again:
	// A map that changed meanwhile is refused, and asked for once more (7.4.6).
	MOVQ CAPACITY(R15), AX
	MOVQ AX, SIZE(SP)
	LEAQ SIZE(SP), CX
	LEAQ 0x2000(BX), DX
	LEAQ KEY(SP), R8
	LEAQ DESCRIPTOR(SP), R9
	LEAQ VERSION(SP), AX
	MOVQ AX, FIFTH(SP)
	CALL GETMEMORYMAP(R14)
	TESTQ AX, AX
	JNE  fail
	MOVQ R12, CX
	MOVQ KEY(SP), DX
	CALL EXITBOOT(R14)
	TESTQ AX, AX
	JEQ  left
	DECL BP
	JNE  again
	JMP  back

fail:
	// Nothing has ended yet: firmware can say so.
	CMPL BP, $ATTEMPTS
	JNE  back
	MOVQ AX, BP
	MOVQ CONOUT(R13), CX
	TESTQ CX, CX
	JEQ  said
	LEAQ MESSAGE(R15), DX
	CALL OUTPUTSTRING(CX)
said:
	MOVQ $(1<<63|9), AX           // EFI_OUT_OF_RESOURCES (appendix D)
back:
	ADDQ $FRAME, SP
	POPQ R15; POPQ R14; POPQ R13; POPQ R12
	POPQ DI; POPQ SI; POPQ BP; POPQ BX
	RET

left:
	CLI
	CLD
	MOVQ SIZE(SP), AX
	MOVQ AX, 0x10(BX)
	MOVQ DESCRIPTOR(SP), AX
	MOVQ AX, 0x18(BX)
	MOVL VERSION(SP), AX
	MOVL AX, 0x20(BX)
	MOVQ BOOT(R15), DI
	MOVL $4, 0(DI)                // handoff.BootEFI
	MOVQ BX, 8(DI)

	// This page at its own address: present, accessed; tables writable, too.
	MOVQ IDENTITY(R15), DI
	MOVQ (IDENTITY+8)(R15), SI
	MOVQ R15, AX
	SHRQ $30, AX
	ANDL $511, AX
	LEAQ 0x23(SI), DX
	MOVQ DX, (DI)(AX*8)
	MOVQ (IDENTITY+16)(R15), DI
	MOVQ R15, AX
	SHRQ $21, AX
	ANDL $511, AX
	LEAQ 0x23(DI), DX
	MOVQ DX, (SI)(AX*8)
	MOVQ R15, AX
	SHRQ $12, AX
	ANDL $511, AX
	LEAQ 0x21(R15), DX
	MOVQ DX, (DI)(AX*8)

	// The GiBs of the image above the four that the direct map has.
	MOVQ DIRECT(R15), SI
	MOVQ BLOCK(R15), R8
	MOVQ SPARE(R15), DI
	MOVL $2, R9
gigabyte:
	SHRQ $30, R8
	CMPQ R8, $4
	JCS  mapped
	LEAQ 0x27(DI), AX
	MOVQ AX, (SI)(R8*8)
	SHLQ $30, R8
	MOVQ $0x80000000000000e7, AX  // user, writable, no execute, 2 MiB
	ORQ  AX, R8
	MOVL $512, CX
large:
	MOVQ R8, (DI)
	ADDQ $8, DI
	ADDQ $0x200000, R8
	DECL CX
	JNE  large
mapped:
	MOVQ (SPARE+8)(R15), DI
	MOVQ LAST(R15), R8
	DECL R9
	JNE  gigabyte

	// As package handoff has it: EFER, CR4 with LA57 as found, CR3, CR0.
	MOVL $0xc0000080, CX
	RDMSR
	ORL  $0x901, AX
	WRMSR
	MOVQ CR4, AX
	MOVQ ROOT4(R15), BX
	ANDL $0x1000, AX
	JEQ  levels
	MOVQ ROOT5(R15), BX
levels:
	ORL  $0x630, AX
	MOVQ AX, CR4
	MOVQ BX, CR3
	MOVL $0x80010033, AX
	MOVQ AX, CR0
	LGDT GDTR(R15)
	LIDT IDTR(R15)                // limit 0
	MOVQ STACK(R15), SP
	PUSHQ $8
	BYTE $0x48; BYTE $0x8d; BYTE $0x05; LONG $3 // LEAQ 3(IP), AX: behind the far return
	PUSHQ AX
	BYTE $0x48; BYTE $0xcb        // RETFQ to the next instruction
	XORL AX, AX
	MOVW AX, DS
	MOVW AX, ES
	MOVW AX, SS
	MOVW AX, FS
	MOVW AX, GS
	PUSHQ ENTRY(R15)
	MOVQ BLOCK(R15), DI
	MOVQ DIRECTBASE(R15), SI
	ADDQ DI, SI
	PUSHQ $2
	POPFQ                         // from here nothing changes flags
	MOVL $0, AX; MOVL $0, CX; MOVL $0, DX; MOVL $0, BX; MOVL $0, BP
	MOVL $0, R8; MOVL $0, R9; MOVL $0, R10; MOVL $0, R11
	MOVL $0, R12; MOVL $0, R13; MOVL $0, R14; MOVL $0, R15
	BYTE $0xc3                    // to the entry
