//go:build linux

#include "go_asm.h"
#include "textflag.h"

// func gate(operation uint32, value uint64) (result uint64)
//
// Asks ring 0 for what only it may do. operation is an MSR's number (write it)
// or one of the gate constants. Clobbers AX, CX, DX.
TEXT ·gate(SB),NOSPLIT,$0-24
	MOVL	operation+0(FP), CX
	MOVQ	value+8(FP), AX
	MOVQ	AX, DX
	SHRQ	$32, DX
	CMPL	CX, $const_gateEnter
	JNE	call
	MOVQ	·k+(kernelState_processorState+processorState_enterArgument)(SB), DI
call:
	CALL	·gateInstruction(SB)
	SHLQ	$32, DX
	MOVL	AX, AX
	ORQ	DX, AX
	MOVQ	AX, result+16(FP)
	RET

// func gateInstruction()
//
// The gate itself: the one UD2 that ring 0 takes as a request.
TEXT ·gateInstruction(SB),NOSPLIT|NOFRAME,$0-0
	BYTE	$0x0f; BYTE $0x0b // UD2
	RET

// func ticks() uintptr
TEXT ·ticks(SB),NOSPLIT,$0-8
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

// func pause()
TEXT ·pause(SB),NOSPLIT,$0-0
	PAUSE
	RET

// func cpuid(leaf uint32) (eax, ebx, ecx, edx uint32)
//
// CPUID of subleaf 0, in ring 0: in ring 3 some hypervisors let it tell of the
// real CPU. Clobbers AX, BX, CX, DX.
TEXT ·cpuid(SB),NOSPLIT,$0-24
	MOVL	leaf+0(FP), AX
	MOVL	$const_gateIdentify, CX
	CALL	·gateInstruction(SB)
	MOVL	AX, eax+8(FP)
	MOVL	BX, ebx+12(FP)
	MOVL	CX, ecx+16(FP)
	MOVL	DX, edx+20(FP)
	RET

// func randomNumber() (value uint64, ok bool)
TEXT ·randomNumber(SB),NOSPLIT,$0-9
	RDRANDQ	AX
	MOVQ	AX, value+0(FP)
	SETCS	ok+8(FP)
	RET

// func fill(address, bytes, value uintptr)
//
// Stores value into so many bytes, a multiple of 8. Clobbers AX, CX, DI.
TEXT ·fill(SB),NOSPLIT,$0-24
	MOVQ	address+0(FP), DI
	MOVQ	bytes+8(FP), CX
	SHRQ	$3, CX
	MOVQ	value+16(FP), AX
	CLD
	REP; STOSQ
	RET

// func inputByte(port uint16) byte
TEXT ·inputByte(SB),NOSPLIT,$0-9
	MOVW	port+0(FP), DX
	INB
	MOVB	AX, ret+8(FP)
	RET

// func inputWord(port uint16) uint16
TEXT ·inputWord(SB),NOSPLIT,$0-10
	MOVW	port+0(FP), DX
	INW
	MOVW	AX, ret+8(FP)
	RET

// func inputLong(port uint16) uint32
TEXT ·inputLong(SB),NOSPLIT,$0-12
	MOVW	port+0(FP), DX
	INL
	MOVL	AX, ret+8(FP)
	RET

// func outputByte(port uint16, value byte)
TEXT ·outputByte(SB),NOSPLIT,$0-3
	MOVW	port+0(FP), DX
	MOVB	value+2(FP), AX
	OUTB
	RET

// func outputWord(port uint16, value uint16)
TEXT ·outputWord(SB),NOSPLIT,$0-4
	MOVW	port+0(FP), DX
	MOVW	value+2(FP), AX
	OUTW
	RET

// func outputLong(port uint16, value uint32)
TEXT ·outputLong(SB),NOSPLIT,$0-8
	MOVW	port+0(FP), DX
	MOVL	value+4(FP), AX
	OUTL
	RET

// func outputBytes(port uint16, address, count uintptr)
//
// Writes count bytes from address to the port, in one exit of a virtual
// machine. Clobbers CX, DX, SI.
TEXT ·outputBytes(SB),NOSPLIT,$0-24
	MOVW	port+0(FP), DX
	MOVQ	address+8(FP), SI
	MOVQ	count+16(FP), CX
	CLD
	REP; OUTSB
	RET

// func symbols() (text, etext, rodata, erodata, end, vectors, clock uintptr)
//
// Addresses that the linker knows. Clobbers AX.
TEXT ·symbols(SB),NOSPLIT,$0-56
	LEAQ	runtime·text(SB), AX
	MOVQ	AX, text+0(FP)
	LEAQ	runtime·etext(SB), AX
	MOVQ	AX, etext+8(FP)
	LEAQ	runtime·rodata(SB), AX
	MOVQ	AX, rodata+16(FP)
	LEAQ	runtime·erodata(SB), AX
	MOVQ	AX, erodata+24(FP)
	LEAQ	runtime·end(SB), AX
	MOVQ	AX, end+32(FP)
	LEAQ	·vectors(SB), AX
	MOVQ	AX, vectors+40(FP)
	LEAQ	·clock(SB), AX
	MOVQ	AX, clock+48(FP)
	RET

// func clock()
//
// clock_gettime of the vDSO, C calling convention: EDI the clock, RSI the
// timespec, result 0. Runs on any stack and calls nothing. Clobbers AX, CX, DX.
TEXT ·clock(SB),NOSPLIT|NOFRAME,$0-0
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	SUBQ	·k+kernelState_clockBase(SB), AX
	MOVQ	AX, DX
	SHRQ	$24, DX
	ANDL	$0xffffff, AX
	MOVQ	·k+kernelState_clockScale(SB), CX
	IMULQ	CX, DX
	IMULQ	CX, AX
	SHRQ	$24, AX
	ADDQ	DX, AX
	TESTL	DI, DI // CLOCK_REALTIME is 0
	JNE	monotonic
	ADDQ	·k+kernelState_wallClock(SB), AX
monotonic:
	XORL	DX, DX
	MOVL	$1000000000, CX
	DIVQ	CX
	MOVQ	AX, (SI)
	MOVQ	DX, 8(SI)
	XORL	AX, AX
	RET

// func onPanicStack()
//
// Runs runPanic on the panic stack. Does not return. The call is indirect
// because this is another stack: the linker must not add the two up.
TEXT ·onPanicStack(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	MOVQ	·leave+0x40(SB), SP
	PUSHQ	BP
	PUSHQ	BP
	XORL	BP, BP
	LEAQ	·runPanic(SB), AX
	CALL	AX
	BYTE	$0x0f; BYTE $0x0b // UD2

// func goroutine() (self, bss, end uintptr)
//
// The running goroutine's g, and where the image has variables with pointers.
TEXT ·goroutine(SB),NOSPLIT,$0-24
	MOVQ	(TLS), AX
	MOVQ	AX, self+0(FP)
	LEAQ	runtime·bss(SB), AX
	MOVQ	AX, bss+8(FP)
	LEAQ	runtime·ebss(SB), AX
	MOVQ	AX, end+16(FP)
	RET
