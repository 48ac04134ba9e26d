#include "textflag.h"

// Plain MOVs: an XCHG, as sync/atomic stores with, would be a read and a write
// of the register, and hypervisors emulate fewer forms. Order comes from the
// memory's type (Intel SDM 3A 12.3: uncached accesses are strongly ordered) and from
// total store order.

// func load8(address uintptr) uint8
TEXT ·load8(SB), NOSPLIT, $0-9
	MOVQ address+0(FP), BX
	MOVB (BX), AX
	MOVB AX, ret+8(FP)
	RET

// func load16(address uintptr) uint16
TEXT ·load16(SB), NOSPLIT, $0-10
	MOVQ address+0(FP), BX
	MOVW (BX), AX
	MOVW AX, ret+8(FP)
	RET

// func load32(address uintptr) uint32
TEXT ·load32(SB), NOSPLIT, $0-12
	MOVQ address+0(FP), BX
	MOVL (BX), AX
	MOVL AX, ret+8(FP)
	RET

// func load64(address uintptr) uint64
TEXT ·load64(SB), NOSPLIT, $0-16
	MOVQ address+0(FP), BX
	MOVQ (BX), AX
	MOVQ AX, ret+8(FP)
	RET

// func store8(address uintptr, v uint8)
TEXT ·store8(SB), NOSPLIT, $0-9
	MOVQ address+0(FP), BX
	MOVB v+8(FP), AX
	MOVB AX, (BX)
	RET

// func store16(address uintptr, v uint16)
TEXT ·store16(SB), NOSPLIT, $0-10
	MOVQ address+0(FP), BX
	MOVW v+8(FP), AX
	MOVW AX, (BX)
	RET

// func store32(address uintptr, v uint32)
TEXT ·store32(SB), NOSPLIT, $0-12
	MOVQ address+0(FP), BX
	MOVL v+8(FP), AX
	MOVL AX, (BX)
	RET

// func store64(address uintptr, v uint64)
TEXT ·store64(SB), NOSPLIT, $0-16
	MOVQ address+0(FP), BX
	MOVQ v+8(FP), AX
	MOVQ AX, (BX)
	RET
