#include "textflag.h"

// func Caller() uint64
// Without a frame of its own, BP is still the caller's.
TEXT ·Caller(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ BP, ret+0(FP)
	RET
