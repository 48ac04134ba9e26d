#include "textflag.h"

// func Caller() uint64
// Without a frame of its own, R29 is still the caller's.
TEXT ·Caller(SB), NOSPLIT|NOFRAME, $0-8
	MOVD R29, ret+0(FP)
	RET
