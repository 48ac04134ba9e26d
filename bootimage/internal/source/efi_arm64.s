#include "textflag.h"

// Fields of the code's page. bootimage/efistub.go has the same numbers.
#define AREA         0x800 // the EFI area
#define BLOCK        0x810 // BOOT is before it
#define IDENTITY     0x830 // three empty tables on top of each other
#define TRAMPOLINE   0x848 // package trampoline's page
#define DIRECT       0x858 // the direct map's table of 1 GiB entries, empty
#define ATTRIBUTES   0x860 // of its entries
#define PAGE         0x868 // attributes of the trampoline's page
#define GUID         0x880 // EFI_LOADED_IMAGE_PROTOCOL_GUID
#define MESSAGE      0x890
#define CAPACITY     0x988

// Offsets in the tables of UEFI 2.10: system table 4.3, boot services 4.4, runtime
// services 4.5, simple text output 12.4, loaded image 9.1.
#define CONOUT         0x40
#define RUNTIME        0x58
#define BOOTSERVICES   0x60
#define TABLES         0x68
#define GETTIME        0x18
#define GETMEMORYMAP   0x38
#define HANDLEPROTOCOL 0x98
#define EXITBOOT       0xe8
#define OUTPUTSTRING   0x08
#define OPTIONSSIZE    0x30
#define OPTIONS        0x38

// The frame.
#define SIZE       0x00
#define KEY        0x08
#define DESCRIPTOR 0x10
#define VERSION    0x18
#define SAVED      0x20
#define FRAME      0x80

#define ATTEMPTS 8

#define BTI_C     WORD $0xd503245f
#define DC_CVAC_R2 WORD $0xd50b7a22

// func efiARM64()
//
// UEFI 2.10, 2.3.6.2: EL1 or EL2, the firmware's identity map, X0 the image's
// handle, X1 the system table.
TEXT ·efiARM64(SB), NOSPLIT|NOFRAME, $0-0
	BTI_C
	SUB  $FRAME, RSP
	STP  (R19, R20), (SAVED+0x00)(RSP)
	STP  (R21, R22), (SAVED+0x10)(RSP)
	STP  (R23, R24), (SAVED+0x20)(RSP)
	STP  (R25, R26), (SAVED+0x30)(RSP)
	STP  (R29, R30), (SAVED+0x40)(RSP)
	ISB  $15
	MRS  CNTVCT_EL0, R2
	MOVD R0, R20                  // handle
	MOVD R1, R21                  // system table
	WORD $0x10000013              // ADR X19, this instruction
	AND  $~0xfff, R19             // the page
	ADD  $AREA, R19, R25
	LDP  (R25), (R23, R24)        // EFI area, boot area
	MOVD R2, 0x10(R24)
	MOVD BOOTSERVICES(R21), R22
	MOVD RUNTIME(R21), R0
	STP  (R21, R0), (R23)
	MOVD $ATTEMPTS, R26
	LSR  $39, R19, R2
	CBNZ R2, fail                 // no table of ours reaches there

	// The time, the only clock that every machine has.
	MOVD GETTIME(R0), R2
	ADD  $0x40, R23, R0
	MOVD ZR, R1
	CALL (R2)
	CBZ  R0, timed
	STP  (ZR, ZR), 0x40(R23)
timed:

	// The configuration tables.
	ADD  $TABLES, R21, R0
	LDP  (R0), (R1, R2)           // how many, where
	CMP  $64, R1
	MOVD $64, R3
	CSEL HI, R3, R1, R1
	MOVD R1, 0x28(R23)
	ADD  $0x100, R23, R3
	CBZ  R1, tabled
table:
	LDP.P 16(R2), (R4, R5)
	STP.P (R4, R5), 16(R3)
	MOVD.P 8(R2), R4
	MOVD.P R4, 8(R3)
	SUB  $1, R1
	CBNZ R1, table
tabled:

	// The load options, if the image's handle has any.
	MOVD R20, R0
	ADD  $GUID, R19, R1
	ADD  $SIZE, RSP, R2
	MOVD HANDLEPROTOCOL(R22), R3
	CALL (R3)
	CBNZ R0, again
	MOVD SIZE(RSP), R0
	MOVWU OPTIONSSIZE(R0), R1
	MOVD OPTIONS(R0), R2
	CBZ  R2, again
	MOVD $0x1000, R3
	CMP  R3, R1
	CSEL HI, R3, R1, R1
	MOVD R1, 0x30(R23)
	ADD  R3, R23, R3
option:
	CBZ  R1, again
	MOVBU.P 1(R2), R4
	MOVB.P R4, 1(R3)
	SUB  $1, R1
	B    option

again:
	// A map that changed meanwhile is refused, and asked for once more (7.4.6).
	MOVD CAPACITY(R19), R0
	MOVD R0, SIZE(RSP)
	ADD  $SIZE, RSP, R0
	ADD  $0x2000, R23, R1
	ADD  $KEY, RSP, R2
	ADD  $DESCRIPTOR, RSP, R3
	ADD  $VERSION, RSP, R4
	MOVD GETMEMORYMAP(R22), R5
	CALL (R5)
	CBNZ R0, fail
	MOVD R20, R0
	MOVD KEY(RSP), R1
	MOVD EXITBOOT(R22), R2
	CALL (R2)
	CBZ  R0, left
	SUB  $1, R26
	CBNZ R26, again
	B    back

fail:
	// Nothing has ended yet: firmware can say so.
	CMP  $ATTEMPTS, R26
	BNE  back
	MOVD CONOUT(R21), R0
	CBZ  R0, said
	ADD  $MESSAGE, R19, R1
	MOVD OUTPUTSTRING(R0), R2
	CALL (R2)
said:
	MOVD $(1<<63|9), R0           // EFI_OUT_OF_RESOURCES (appendix D)
back:
	LDP  (SAVED+0x00)(RSP), (R19, R20)
	LDP  (SAVED+0x10)(RSP), (R21, R22)
	LDP  (SAVED+0x20)(RSP), (R23, R24)
	LDP  (SAVED+0x30)(RSP), (R25, R26)
	LDP  (SAVED+0x40)(RSP), (R29, R30)
	ADD  $FRAME, RSP
	RET

left:
	MSR  $15, DAIFSet
	LDP  DESCRIPTOR(RSP), (R6, R7) // bytes of a descriptor, version
	MOVD SIZE(RSP), R5
	STP  (R5, R6), 0x10(R23)
	MOVW R7, 0x20(R23)
	MOVD $4, R0                   // handoff.BootEFI
	MOVW R0, 0(R24)
	MOVD R23, 8(R24)

	// The trampoline's page at its own address.
	ADD  $IDENTITY, R19, R0
	LDP  (R0), (R1, R2)
	LDP  16(R0), (R3, R8)         // the last table, the page
	UBFX $30, R8, $9, R4
	ORR  $3, R2, R5
	MOVD R5, (R1)(R4<<3)
	UBFX $21, R8, $9, R4
	ORR  $3, R3, R5
	MOVD R5, (R2)(R4<<3)
	UBFX $12, R8, $9, R4
	MOVD PAGE(R19), R5
	ORR  R8, R5
	MOVD R5, (R3)(R4<<3)

	// The direct map: every GiB that has memory which may be cached, which the
	// map says of each range (7.2.3, EFI_MEMORY_WB).
	MOVD DIRECT(R19), R0
	MOVD ATTRIBUTES(R19), R1
	ADD  $0x2000, R23, R2
	MOVD 0x10(R23), R3
	ADD  R2, R3                   // the map's end
descriptor:
	ADD  R6, R2, R4
	CMP  R3, R4
	BHI  mapped
	MOVD 8(R2), R9                // its first byte
	MOVD 24(R2), R10              // pages
	MOVD 32(R2), R11              // attributes
	MOVD R4, R2
	TBZ  $3, R11, descriptor
	CBZ  R10, descriptor
	ADD  R10<<12, R9, R10
	SUB  $1, R10                  // its last
	LSR  $30, R9
	LSR  $30, R10
gigabyte:
	CMP  R10, R9
	BHI  descriptor
	CMP  $511, R9
	BHI  descriptor
	ORR  R9<<30, R1, R11
	MOVD R11, (R0)(R9<<3)
	ADD  $1, R9
	B    gigabyte
mapped:

	// All of the image to the point of coherency, a cache line at a time
	// (CTR_EL0.DminLine): the firmware may have copied it with caches on.
	MRS  CTR_EL0, R0
	UBFX $16, R0, $4, R0
	MOVD $4, R1
	LSL  R0, R1
	ADD  $BLOCK, R19, R0
	LDP  (R0), (R2, R3)           // block, last byte
clean:
	DC_CVAC_R2
	ADD  R1, R2
	CMP  R3, R2
	BLS  clean
	DSB  $15
	ISB  $15
	JMP  (R8)                     // the hand-off
