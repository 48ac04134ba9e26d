#include "textflag.h"

// func crcHardware(crc uint32, p, n uintptr) uint32
//
// Clobbers R0, R1, R2, R3.
TEXT ·crcHardware(SB), NOSPLIT, $0-28
	MOVWU crc+0(FP), R0
	MOVD  p+8(FP), R1
	MOVD  n+16(FP), R2

words:
	CMP  $8, R2
	BLT  bytes
	MOVD.P 8(R1), R3
	CRC32CX R3, R0
	SUB  $8, R2
	B    words

bytes:
	CBZ  R2, done
	MOVBU.P 1(R1), R3
	CRC32CB R3, R0
	SUB  $1, R2
	B    bytes

done:
	MOVW R0, ret+24(FP)
	RET

// func counter() uint64
//
// Clobbers R0.
TEXT ·counter(SB), NOSPLIT, $0-8
	ISB  $15
	MRS  CNTVCT_EL0, R0
	MOVD R0, ret+0(FP)
	RET
