#include "textflag.h"

// Loads and stores of one register without write-back: the only forms whose
// syndrome tells a hypervisor what they do (DDI 0487 D24.2.40, ISV). DMB OSH, all
// accesses: before a store for what the device is to see, after a load for
// what the device has written.

#define DMB_OSH DMB $0x3

// func load8(address uintptr) uint8
TEXT ·load8(SB), NOSPLIT, $0-9
	MOVD address+0(FP), R0
	MOVBU (R0), R1
	DMB_OSH
	MOVB R1, ret+8(FP)
	RET

// func load16(address uintptr) uint16
TEXT ·load16(SB), NOSPLIT, $0-10
	MOVD address+0(FP), R0
	MOVHU (R0), R1
	DMB_OSH
	MOVH R1, ret+8(FP)
	RET

// func load32(address uintptr) uint32
TEXT ·load32(SB), NOSPLIT, $0-12
	MOVD address+0(FP), R0
	MOVWU (R0), R1
	DMB_OSH
	MOVW R1, ret+8(FP)
	RET

// func load64(address uintptr) uint64
TEXT ·load64(SB), NOSPLIT, $0-16
	MOVD address+0(FP), R0
	MOVD (R0), R1
	DMB_OSH
	MOVD R1, ret+8(FP)
	RET

// func store8(address uintptr, v uint8)
TEXT ·store8(SB), NOSPLIT, $0-9
	MOVD address+0(FP), R0
	MOVBU v+8(FP), R1
	DMB_OSH
	MOVB R1, (R0)
	RET

// func store16(address uintptr, v uint16)
TEXT ·store16(SB), NOSPLIT, $0-10
	MOVD address+0(FP), R0
	MOVHU v+8(FP), R1
	DMB_OSH
	MOVH R1, (R0)
	RET

// func store32(address uintptr, v uint32)
TEXT ·store32(SB), NOSPLIT, $0-12
	MOVD address+0(FP), R0
	MOVWU v+8(FP), R1
	DMB_OSH
	MOVW R1, (R0)
	RET

// func store64(address uintptr, v uint64)
TEXT ·store64(SB), NOSPLIT, $0-16
	MOVD address+0(FP), R0
	MOVD v+8(FP), R1
	DMB_OSH
	MOVD R1, (R0)
	RET
