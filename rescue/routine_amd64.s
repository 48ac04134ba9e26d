#include "textflag.h"

// func crcHardware(crc uint32, p, n uintptr) uint32
//
// Clobbers AX, CX, SI.
TEXT ·crcHardware(SB), NOSPLIT, $0-28
	MOVL crc+0(FP), AX
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX

words:
	CMPQ CX, $8
	JLT  bytes
	CRC32Q (SI), AX
	ADDQ $8, SI
	SUBQ $8, CX
	JMP  words

bytes:
	TESTQ CX, CX
	JEQ  done
	CRC32B (SI), AX
	INCQ SI
	DECQ CX
	JMP  bytes

done:
	MOVL AX, ret+24(FP)
	RET

// func counter() uint64
//
// Clobbers AX, DX.
TEXT ·counter(SB), NOSPLIT, $0-8
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET
