//go:build linux

#include "go_asm.h"
#include "textflag.h"

// Ring 0 from the image's first instruction to the IRETQ into ring 3. All that
// could be made beforehand was made beforehand: the page tables are active, the
// descriptor tables lie in the image. Nothing here uses memory but the image's
// data pages and the entry stack.

// Global descriptor table. SYSRETQ wants user data, then 64-bit user code, at
// STAR[63:48]+8 and +16 (SDM 3A 5.8.8); the selectors are Linux's. All accessed
// bits are set, so the CPU writes it only at LTR.
DATA ·control+(const_controlGDT+0x10)(SB)/8, $0x00af9b000000ffff // 0x10 ring-0 code
DATA ·control+(const_controlGDT+0x18)(SB)/8, $0x00cf93000000ffff // 0x18 ring-0 data
DATA ·control+(const_controlGDT+0x20)(SB)/8, $0x00cffb000000ffff // 0x20 32-bit user code
DATA ·control+(const_controlGDT+0x28)(SB)/8, $0x00cff3000000ffff // 0x28 user data
DATA ·control+(const_controlGDT+0x30)(SB)/8, $0x00affb000000ffff // 0x30 64-bit user code
DATA ·control+(const_controlGDT+0x38)(SB)/8, $0x0000890000002068 // 0x38 TSS, base put in by entry
DATA ·control+(const_controlTSS+0x04)(SB)/8, $·control+const_controlRSP0(SB)
DATA ·control+(const_controlTSS+0x24)(SB)/8, $·control+const_controlNMI(SB)
DATA ·control+(const_controlTSS+0x2c)(SB)/8, $·control+const_controlDoubleFault(SB)
DATA ·control+(const_controlTSS+0x34)(SB)/8, $·control+const_controlMachineCheck(SB)
DATA ·control+(const_controlTSS+0x66)(SB)/2, $0x68 // the I/O bitmap: zeros, every port is ring 3's
DATA ·control+(const_controlTSS+0x2068)(SB)/1, $0xff // and its closing byte
GLOBL ·control(SB), NOPTR, $const_controlSize

// Operands of LGDT and LIDT.
DATA gdtr<>+0(SB)/2, $0x47
DATA gdtr<>+2(SB)/8, $·control+const_controlGDT(SB)
GLOBL gdtr<>(SB), NOPTR|RODATA, $10
DATA idtr<>+0(SB)/2, $(16*const_vectorCount-1)
DATA idtr<>+2(SB)/8, $·control+const_controlIDT(SB)
GLOBL idtr<>(SB), NOPTR|RODATA, $10

// What the exception stubs leave ring 0 with: IRETQ frames.
DATA ·leave+0x00(SB)/8, $·exceptionUser(SB)
DATA ·leave+0x08(SB)/8, $const_userCode
DATA ·leave+0x10(SB)/8, $2
DATA ·leave+0x18(SB)/8, $·control+const_controlExceptionStack(SB)
DATA ·leave+0x20(SB)/8, $const_userData
DATA ·leave+0x28(SB)/8, $·fatalUser(SB)
DATA ·leave+0x30(SB)/8, $const_userCode
DATA ·leave+0x38(SB)/8, $2
DATA ·leave+0x40(SB)/8, $·control+const_controlPanicStack(SB)
DATA ·leave+0x48(SB)/8, $const_userData
GLOBL ·leave(SB), NOPTR, $0x50

// func entry()
//
// The ELF's entry point. Linux gets here in ring 3: an ordinary program. In
// ring 0 the state is that of package handoff: RDI the physical address of the
// block, RSI its address in the direct map, interrupts off, RSP the entry
// stack. Does not return.
TEXT ·entry(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	BYTE	$0x8c; BYTE $0xc8 // MOVL CS, AX
	ANDL	$3, AX
	JEQ	ring0
	JMP	_rt0_amd64_linux(SB)
ring0:
	CLI
	CLD
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ·k+kernelState_entryTicks(SB)
	MOVQ	DI, ·k+kernelState_blockAddress(SB)
	MOVQ	SI, ·k+kernelState_block(SB)
	MOVQ	CR3, AX
	MOVQ	AX, ·k+kernelState_root(SB)
	MOVQ	CR4, AX
	MOVQ	AX, ·k+(kernelState_processorState+processorState_entryCR4)(SB)
	// EFER: SYSCALL and no-execute (SDM 4, IA32_EFER)
	MOVL	$const_msrEFER, CX
	RDMSR
	ORL	$(1<<0|1<<11), AX
	WRMSR
	MOVQ	AX, ·k+(kernelState_processorState+processorState_efer)(SB)
	// CR4: PAE, MCE, OSFXSR, OSXMMEXCPT, OSXSAVE where there is XSAVE; of what
	// was there only LA57 and VMXE stay (SDM 3A 2.5).
	MOVL	$1, AX
	XORL	CX, CX
	CPUID
	SHRL	$24, BX
	MOVQ	BX, ·k+kernelState_cpu(SB) // initial APIC ID
	MOVQ	CR4, AX
	ANDQ	$(1<<12|1<<13), AX
	ORQ	$(1<<5|1<<6|1<<9|1<<10), AX
	BTL	$26, CX
	JCC	noXSAVE
	ORQ	$(1<<18), AX
	MOVQ	AX, CR4
	MOVL	CX, R9
	XORL	CX, CX
	XORL	DX, DX
	MOVL	$3, AX // XCR0: x87 and SSE
	BTL	$28, R9
	JCC	noAVX
	MOVL	$7, AX // and AVX
noAVX:
	BYTE	$0x0f; BYTE $0x01; BYTE $0xd1 // XSETBV
	MOVQ	AX, ·k+(kernelState_processorState+processorState_xcr0)(SB)
	JMP	control0
noXSAVE:
	MOVQ	AX, CR4
control0:
	// CR0: MP, NE, WP on; EM, TS, NW, CD off
	MOVQ	CR0, AX
	ANDQ	$~(1<<2|1<<3|1<<29|1<<30), AX
	ORQ	$(1<<1|1<<5|1<<16), AX
	MOVQ	AX, CR0
	MOVQ	AX, ·k+(kernelState_processorState+processorState_cr0)(SB)
	MOVQ	CR4, AX
	MOVQ	AX, ·k+(kernelState_processorState+processorState_cr4)(SB)
	// The TSS descriptor's base is in three pieces (SDM 3A 8.2.3).
	LEAQ	·control+const_controlTSS(SB), AX
	MOVW	AX, ·control+(const_controlGDT+0x3a)(SB)
	SHRQ	$16, AX
	MOVB	AX, ·control+(const_controlGDT+0x3c)(SB)
	SHRQ	$8, AX
	MOVB	AX, ·control+(const_controlGDT+0x3f)(SB)
	SHRQ	$8, AX
	MOVL	AX, ·control+(const_controlGDT+0x40)(SB)
	LGDT	gdtr<>(SB)
	LIDT	idtr<>(SB)
	MOVL	$const_taskSelector, AX
	LTR	AX
	MOVL	$const_msrSTAR, CX
	XORL	AX, AX
	MOVL	$0x00230010, DX
	WRMSR
	MOVL	$const_msrLSTAR, CX
	LEAQ	·systemCall(SB), AX
	MOVQ	AX, DX
	SHRQ	$32, DX
	WRMSR
	MOVL	$const_msrFMASK, CX
	MOVL	$0x47700, AX // TF, IF, DF, IOPL, NT, AC
	XORL	DX, DX
	WRMSR
	// Go code called from assembly loads g from -8(FS).
	MOVL	$const_msrFSBase, CX
	LEAQ	·control+const_controlTLS(SB), AX
	MOVQ	AX, ·k+(kernelState_processorState+processorState_fsBase)(SB)
	MOVQ	AX, DX
	SHRQ	$32, DX
	WRMSR
	PUSHQ	$const_userData
	LEAQ	·control+const_controlSyscallStack(SB), AX
	PUSHQ	AX
	PUSHQ	$2
	PUSHQ	$const_userCode
	LEAQ	·userStart(SB), AX
	PUSHQ	AX
	IRETQ

DATA mxcsr<>+0(SB)/4, $0x1f80
GLOBL mxcsr<>(SB), NOPTR|RODATA, $4

// func userStart()
//
// The first instructions in ring 3, on the system call stack: the kernel's
// initialization in steps (each within the linker's limit for nosplit call
// chains), then the runtime's entry as Linux would call it.
TEXT ·userStart(SB),NOSPLIT|NOFRAME|TOPFRAME,$0-0
	PUSHQ	BP // vet wants it saved
	PUSHQ	BP
	XORL	BP, BP
	LDMXCSR	mxcsr<>(SB)
	BYTE	$0xdb; BYTE $0xe3 // FNINIT
	CALL	·initProcessor(SB)
	CALL	·initFacts(SB)
	CALL	·initMemory(SB)
	CALL	·initAddressSpace(SB)
	CALL	·initProtection(SB)
	CALL	·initClock(SB)
	CALL	·initProcess(SB)
	MOVQ	·k+kernelState_startStack(SB), SP
	XORL	AX, AX
	XORL	BX, BX
	XORL	CX, CX
	XORL	DX, DX
	XORL	SI, SI
	XORL	DI, DI
	JMP	_rt0_amd64_linux(SB)
