// What the system-level comparison with QEMU runs: one program that makes every
// kind of exception, translation and trap, and logs what it finds. It is entered
// at EL1, or at EL2, with the MMU off. Each log entry is 64 bytes: vector, ESR,
// ELR, FAR, SPSR, exception level, and two numbers of the step.
//
//	aarch64-linux-gnu-as -march=armv8.2-a -o system.o system.s
//	aarch64-linux-gnu-objcopy -O binary system.o system.bin

	.equ LOG, 0x40400000
	.equ L1, 0x40500000
	.equ L2, 0x40501000
	.equ L3, 0x40502000
	.equ L3B, 0x40503000
	.equ DATA, 0x40600000
	.equ PAGES, 0x40800000 // what L3 maps
	.equ PAGESB, 0x40a00000 // what L3B maps
	.equ NORMAL, 0x703 // page, AF, inner shareable, attribute 0
	.equ BLOCK, 0x701

	.macro put address, value
	ldr x0, =\address
	ldr x1, =\value
	str x1, [x0]
	.endm

	// step n: what the log says of an exception from here on.
	.macro step n
	mov x19, #\n
	mov x18, #0
	.endm

	// note n, value: a log entry of its own.
	.macro note n, value
	mov x19, #\n
	mov x18, \value
	mov x27, #-1
	bl log
	.endm

	.macro run0 where // what is at EL0, to its SVC #99
	adr x30, \where
	bl user
	.endm

	.text
	b start
	.balign 2048
vectors:
	.irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	.balign 128
	mov x27, #\i
	b caught
	.endr
	.balign 128
caught:
	mrs x26, CurrentEL
	cmp x26, #8
	b.eq caught2
	mrs x20, esr_el1
	mrs x21, elr_el1
	mrs x22, far_el1
	mrs x23, spsr_el1
	stp x27, x20, [x28], #16
	stp x21, x22, [x28], #16
	stp x23, x26, [x28], #16
	stp x19, x18, [x28], #16
	lsr x20, x20, #26
	cmp x20, #0x15
	b.eq 1f
	cmp x20, #0x16
	b.eq 1f
	add x21, x21, #4
1:	cmp x25, #0
	csel x21, x25, x21, ne
	cmp x24, #0
	csel x23, x24, x23, ne
	mov x24, #0
	mov x25, #0
	bic x23, x23, #(1<<20)
	msr elr_el1, x21
	msr spsr_el1, x23
	eret
caught2:
	mrs x20, esr_el2
	mrs x21, elr_el2
	mrs x22, far_el2
	mrs x23, spsr_el2
	stp x27, x20, [x28], #16
	stp x21, x22, [x28], #16
	stp x23, x26, [x28], #16
	stp x19, x18, [x28], #16
	lsr x20, x20, #26
	cmp x20, #0x15
	b.eq 1f
	cmp x20, #0x16
	b.eq 1f
	add x21, x21, #4
1:	cmp x25, #0
	csel x21, x25, x21, ne
	cmp x24, #0
	csel x23, x24, x23, ne
	mov x24, #0
	mov x25, #0
	bic x23, x23, #(1<<20)
	msr elr_el2, x21
	msr spsr_el2, x23
	eret

log:
	stp x27, xzr, [x28], #16
	stp xzr, xzr, [x28], #16
	stp xzr, xzr, [x28], #16
	stp x19, x18, [x28], #16
	ret

	// EL0 at x30's address, and back behind the caller's BL by SVC #99.
user:
	mrs x16, CurrentEL
	msr spsr_el1, xzr
	cmp x16, #8
	b.eq 1f
	msr elr_el1, x15
	isb
	eret
1:	msr spsr_el2, xzr
	msr elr_el2, x15
	isb
	eret

	// at EL0: x15 address, x14 where to go on, x13 SPSR for that
	.macro el0 where
	adr x15, \where
	adr x16, usercode
	sub x15, x15, x16
	ldr x16, =PAGES + 0x3000
	add x15, x15, x16
	adr x14, 9f
	mrs x16, CurrentEL
	mov x13, #0x3c1
	orr x13, x13, x16
	bl user
9:
	.endm

start:
	ldr x28, =LOG
	mov x24, #0
	mov x25, #0
	ldr x0, =0x40600000
	mov sp, x0
	mrs x26, CurrentEL
	cmp x26, #8
	b.eq at_el2
	adr x0, vectors
	msr vbar_el1, x0
	isb
	bl el1_steps
	ldr x0, =0x84000008
	hvc #0
	b .

// ------------------------------------------------------------------ EL1
el1_steps:
	mov x29, x30
	// exceptions by instructions
	step 1
	svc #0x1234
	step 2
	brk #0x55
	step 3
	udf #7
	step 4
	.inst 0xd4a00001 // DCPS1
	step 6
	msr cpacr_el1, xzr
	isb
	fadd d0, d0, d0
	step 7
	mrs x0, fpcr
	step 8
	ldr q0, [sp]
	mov x0, #(3<<20)
	msr cpacr_el1, x0
	isb
	step 9
	adr x25, 1f
	adr x0, start
	add x0, x0, #2
	br x0
1:
	step 10 // unaligned with the MMU off: Device
	ldr x0, =DATA+1
	ldr x1, [x0]
	step 11
	str w1, [x0]
	step 12
	ldxr x1, [x0]
	step 13
	ldar w1, [x0]
	step 14
	ldp x1, x2, [x0]
	step 15 // a stack pointer that is not aligned
	mrs x1, sctlr_el1
	orr x2, x1, #8
	msr sctlr_el1, x2
	isb
	mov x3, sp
	sub sp, sp, #8
	ldr x2, [sp]
	step 16
	stp x2, x2, [sp, #-16]!
	mov x4, sp
	mov sp, x3
	msr sctlr_el1, x1
	isb
	note 17, x4
	step 18 // illegal return: EL3
	adr x0, 1f
	msr elr_el1, x0
	mov x0, #0x3cd
	msr spsr_el1, x0
	adr x25, 2f
	eret
1:	nop
2:
	step 20 // flags through SPSR
	mov x0, #5
	cmp x0, #5
	svc #1
	cmp x0, #6
	svc #2
	mov x0, #0x7fffffffffffffff
	cmn x0, #1
	svc #3
	// exclusives
	ldr x0, =DATA
	mov x1, #77
	ldxr x2, [x0]
	stxr w3, x1, [x0]
	note 21, x3
	stxr w3, x1, [x0]
	note 22, x3
	ldxr x2, [x0]
	clrex
	stxr w3, x1, [x0]
	note 23, x3
	ldxr x2, [x0]
	add x4, x0, #64
	stxr w3, x1, [x4]
	note 24, x3
	ldaxp x2, x5, [x0]
	stlxp w3, x1, x1, [x0]
	note 25, x3
	ldr x2, [x0, #8]
	note 26, x2
	// timers
	mov x0, #-1
	msr cntp_cval_el0, x0
	mov x0, #1
	msr cntp_ctl_el0, x0
	isb
	mrs x0, cntp_ctl_el0
	note 27, x0
	msr cntp_cval_el0, xzr
	isb
	mrs x0, cntp_ctl_el0
	note 28, x0
	mov x0, #3
	msr cntv_ctl_el0, x0
	msr cntv_cval_el0, xzr
	isb
	mrs x0, cntv_ctl_el0
	note 29, x0
	msr cntv_ctl_el0, xzr
	msr cntp_ctl_el0, xzr
	mov x0, #-5
	msr cntp_tval_el0, x0
	mrs x0, cntp_ctl_el0
	note 30, x0
	mrs x0, daif
	note 31, x0
	msr daifclr, #3
	mrs x0, daif
	note 32, x0
	msr daifset, #15
	mrs x0, spsel
	note 33, x0
	msr spsel, #0
	step 34
	svc #4
	msr spsel, #1
	mrs x0, CurrentEL
	note 35, x0
	bl tables
	bl enable
	bl translations
	bl users
	bl disable
	mov x30, x29
	ret

enable: // of EL1&0
	ldr x0, =0x4400ff
	msr mair_el1, x0
	ldr x0, =(25 | 1<<8 | 1<<10 | 3<<12 | 1<<23 | 25<<16 | 2<<30 | 1<<32)
	msr tcr_el1, x0
	ldr x0, =L1
	msr ttbr0_el1, x0
	msr ttbr1_el1, x0
	dsb sy
	isb
	tlbi vmalle1
	dsb sy
	isb
	mrs x0, sctlr_el1
	orr x0, x0, #1
	orr x0, x0, #4
	orr x0, x0, #0x1000
	msr sctlr_el1, x0
	isb
	ret
disable:
	mrs x0, sctlr_el1
	bic x0, x0, #1
	msr sctlr_el1, x0
	isb
	ret

tables:
	put L1, 0x60000000000405
	put L1+8, L2+3
	put L1+24, 0x10000000701 // beyond IPS
	put L1+32, 0x40000301 // AF clear
	put L2, 0x40000000+BLOCK
	put L2+8, 0x40200000+BLOCK
	put L2+16, 0x40400000+BLOCK
	put L2+24, 0x40600000+BLOCK
	put L2+32, L3+3
	put L2+40, L3B+3+(1<<62)+(1<<60)+(1<<59) // read-only, no execution
	put L2+56, 0x40400301 // AF clear
	put L2+64, 0x1000000000+BLOCK // beyond IPS
	put L2+72, L3B+3+(1<<61) // nothing for EL0
	put L3, DATA+NORMAL
	put L3+8, DATA+NORMAL+0x80
	put L3+16, DATA+NORMAL+0x40
	put L3+32, DATA+0x303
	put L3+40, DATA+0x701
	put L3+48, DATA+NORMAL+(3<<53)
	put L3+56, DATA+0x1000+NORMAL+4
	put L3+64, DATA+NORMAL+0xc0+(1<<54)
	put L3+72, 0x1000000000+NORMAL
	put L3+80, DATA+NORMAL+8+0x40+(1<<53)
	put L3B, DATA+NORMAL
	put L3B+8, DATA+NORMAL+0x40
	adr x1, usercode
	ldr x2, =NORMAL+0xc0
	orr x1, x1, x2
	ldr x0, =L3+24
	str x1, [x0]
	dsb sy
	ret

	.macro try n, address
	step \n
	ldr x0, =\address
	mov x18, #1
	ldr x1, [x0]
	mov x18, #2
	str x1, [x0]
	mov x18, #3
	adr x25, 9f
	blr x0
9:	mov x25, #0
	at s1e1r, x0
	isb
	mrs x1, par_el1
	note \n+1, x1
	at s1e1w, x0
	isb
	mrs x1, par_el1
	note \n+2, x1
	at s1e0r, x0
	isb
	mrs x1, par_el1
	note \n+3, x1
	at s1e0w, x0
	isb
	mrs x1, par_el1
	note \n+4, x1
	.endm

translations:
	mov x17, x30
	ldr x0, =DATA
	ldr x1, =0xd65f03c0 // RET
	str x1, [x0]
	dc cvau, x0
	dsb sy
	ic iallu
	dsb sy
	isb
	try 100, PAGES
	try 110, PAGES+0x1000
	try 120, PAGES+0x2000
	try 130, PAGES+0x4000
	try 140, PAGES+0x5000
	try 150, PAGES+0x6000
	try 160, PAGES+0x8000
	try 170, PAGES+0x9000
	try 180, PAGESB
	try 190, PAGESB+0x1000
	try 200, 0x40c00000
	try 210, 0x40e00000
	try 220, 0x41000000
	try 230, 0x41200000
	try 240, 0x41201000
	try 250, 0x80000000
	try 260, 0xc0000000
	try 270, 0x100000000
	try 280, 0x8000000000
	try 290, 0xffffffff00000000
	try 300, 0x0100000040600000
	try 310, PAGES+0xa000
	step 320 // Device
	ldr x0, =PAGES+0x7001
	ldr x1, [x0]
	step 321
	strh w1, [x0]
	step 322 // across into an invalid page
	ldr x0, =PAGES+0x3ffc
	ldr x1, [x0]
	step 323
	ldp x1, x2, [x0]
	step 324 // a store that would cross from good to bad
	ldr x0, =PAGES+0x2ffc+0x8000
	str x1, [x0]
	step 325
	ldr x0, =PAGES+0x1000
	dc cvac, x0
	step 326
	dc ivac, x0
	step 327
	ldr x0, =PAGES+0x4000
	dc cvac, x0
	step 328
	ic ivau, x0
	step 329
	dc zva, x0
	step 330
	ldr x0, =PAGES+0x7000
	dc zva, x0
	step 331
	ldr x0, =PAGES+0x1000
	ldxr x1, [x0]
	stxr w2, x1, [x0]
	step 332
	prfm pldl1keep, [x0]
	step 333
	ldr x0, =PAGES+0x1008
	str q0, [x0]
	step 334
	ldr x0, =PAGES+0x4010
	ldtr x1, [x0]
	step 335
	ldr x0, =PAGES
	ldtr x1, [x0]
	step 336
	sttr x1, [x0]
	step 337
	ldr x0, =PAGES+0x2000
	sttr x1, [x0]
	step 338 // alignment checks on
	mrs x2, sctlr_el1
	orr x3, x2, #2
	msr sctlr_el1, x3
	isb
	ldr x0, =DATA+3
	ldr x1, [x0]
	step 339
	str q0, [x0]
	step 340
	ldrb w1, [x0]
	step 341 // WXN
	orr x3, x2, #(1<<19)
	msr sctlr_el1, x2
	isb
	mov x30, x17
	ret

// At EL0. Whatever faults goes on behind; SVC #99 ends it.
users:
	mov x17, x30
	mrs x12, sctlr_el1
	bic x0, x12, #(1<<26) // UCI
	bic x0, x0, #(1<<15) // UCT
	bic x0, x0, #(1<<14) // DZE
	bic x0, x0, #(1<<16) // nTWI
	bic x0, x0, #(1<<18) // nTWE
	bic x0, x0, #(1<<9) // UMA
	msr sctlr_el1, x0
	msr cntkctl_el1, xzr
	isb
	step 400
	el0 usercode
	mrs x0, sctlr_el1
	orr x0, x0, #(1<<26)
	orr x0, x0, #(1<<15)
	orr x0, x0, #(1<<14)
	orr x0, x0, #(1<<16)
	orr x0, x0, #(1<<18)
	orr x0, x0, #(1<<9)
	msr sctlr_el1, x0
	mov x0, #3
	msr cntkctl_el1, x0
	mov x0, #(1<<20)
	msr cpacr_el1, x0
	isb
	step 500
	el0 usercode
	mov x0, #(3<<20)
	msr cpacr_el1, x0
	msr sctlr_el1, x12
	isb
	ldr x0, =DATA // it is other than when it was executed
	dc cvau, x0
	dsb sy
	ic ivau, x0
	dsb sy
	isb
	step 600
	el0 userfar
	mov x30, x17
	ret

	.balign 4096
usercode:
	add x18, x18, #1
	mrs x0, ctr_el0
	add x18, x18, #1
	ldr x0, =PAGES+0x2000
	dc cvau, x0
	add x18, x18, #1
	ic ivau, x0
	add x18, x18, #1
	dc zva, x0
	add x18, x18, #1
	mrs x1, cntvct_el0
	add x18, x18, #1
	mrs x1, cntpct_el0
	add x18, x18, #1
	mrs x1, cntfrq_el0
	add x18, x18, #1
	mrs x1, cntp_ctl_el0
	add x18, x18, #1
	msr daifset, #2
	add x18, x18, #1
	mrs x1, daif
	add x18, x18, #1
	fmov d0, x0
	add x18, x18, #1
	mrs x1, sctlr_el1
	add x18, x18, #1
	mrs x1, tpidr_el0
	add x18, x18, #1
	msr tpidrro_el0, x1
	add x18, x18, #1
	mrs x1, CurrentEL
	add x18, x18, #1
	ldr x0, =PAGES
	ldr x1, [x0]
	add x18, x18, #1
	ldr x0, =PAGES+0x1000
	ldr x1, [x0]
	add x18, x18, #1
	ldr x0, =PAGES+0x2000
	str x1, [x0]
	add x18, x18, #1
	ldr x0, =PAGES+0x3000
	str x1, [x0]
	add x18, x18, #1
	ldr x0, =DATA
	dc cvac, x0
	add x18, x18, #1
	dc civac, x0
	add x18, x18, #1
	eret
	add x18, x18, #1
	hvc #1
	add x18, x18, #1
	smc #1
	add x18, x18, #1
	tlbi vmalle1
	add x18, x18, #1
	msr spsel, #0
	add x18, x18, #1
	brk #9
	add x18, x18, #1
	udf #1
	add x18, x18, #1
	mov x25, x14
	mov x24, x13
	svc #99
	.ltorg
userfar:
	add x18, x18, #1
	adr x25, 1f
	ldr x0, =DATA
	br x0
1:	add x18, x18, #1
	adr x25, 1f
	ldr x0, =PAGES+0x8000
	br x0
1:	add x18, x18, #1
	adr x25, 1f
	ldr x0, =PAGES+0x2000
	blr x0
1:	mov x25, #0
	add x18, x18, #1
	adr x25, 1f
	ldr x0, =PAGES+0x4000
	br x0
1:	add x18, x18, #1
	mov x25, x14
	mov x24, x13
	svc #99
	.ltorg

	.balign 4096
// ------------------------------------------------------------------ EL2
at_el2:
	adr x0, vectors
	msr vbar_el2, x0
	msr vbar_el1, x0
	mov x0, #0x33ff
	msr cptr_el2, x0
	mov x0, #(1<<31)
	msr hcr_el2, x0
	msr cnthctl_el2, xzr
	isb
	step 700
	svc #5
	step 701
	hvc #6
	step 702
	brk #7
	ldr x0, =DATA+1
	step 703
	ldr x1, [x0]
	step 704
	mov x0, #0x37ff
	msr cptr_el2, x0
	isb
	fmov d0, x0
	mov x0, #0x33ff
	msr cptr_el2, x0
	isb
	bl tables
	// down to EL1, with traps
	ldr x0, =(1<<31 | 1<<26 | 1<<30 | 1<<19 | 1<<18 | 1<<22 | 1<<25 | 1<<21 | 1<<13 | 1<<14)
	msr hcr_el2, x0
	ldr x0, =0x800033ff
	msr cptr_el2, x0
	ldr x0, =0x30d00800
	msr sctlr_el1, x0
	isb
	step 710
	adr x0, el1_trapped
	msr elr_el2, x0
	mov x0, #0x3c5
	msr spsr_el2, x0
	eret
el1_trapped:
	ldr x0, =0x40600000
	mov sp, x0
	add x18, x18, #1
	msr sctlr_el1, x1
	add x18, x18, #1
	mrs x1, ttbr0_el1
	add x18, x18, #1
	mrs x1, id_aa64mmfr0_el1
	add x18, x18, #1
	mrs x1, actlr_el1
	add x18, x18, #1
	dc csw, xzr
	add x18, x18, #1
	tlbi vmalle1
	add x18, x18, #1
	mrs x1, cpacr_el1
	add x18, x18, #1
	wfi
	add x18, x18, #1
	mrs x1, cntpct_el0
	add x18, x18, #1
	mrs x1, cntp_ctl_el0
	add x18, x18, #1
	mrs x1, cntvct_el0
	mrs x1, CurrentEL
	note 730, x1
	step 731 // back to EL2
	adr x25, 1f
	mov x24, #0x3c9
	hvc #2
1:	mrs x1, CurrentEL
	note 732, x1
	mov x0, #(1<<31)
	msr hcr_el2, x0
	isb
	step 733
	adr x0, el1_plain
	msr elr_el2, x0
	mov x0, #0x3c5
	msr spsr_el2, x0
	eret
el1_plain:
	add x18, x18, #1
	mrs x1, hcr_el2
	add x18, x18, #1
	msr vbar_el2, x1
	add x18, x18, #1
	svc #8
	add x18, x18, #1
	adr x25, 1f
	mov x24, #0x3c9
	hvc #2
1:
	mov x0, #(1<<31)
	msr hcr_el2, x0
	mov x0, #0x33ff
	msr cptr_el2, x0
	mov x0, #3
	msr cnthctl_el2, x0
	isb
	step 740 // EL2's own regime
	ldr x0, =0x4400ff
	msr mair_el2, x0
	ldr x0, =(25 | 1<<8 | 1<<10 | 3<<12 | 1<<16 | 1<<23 | 1<<31)
	msr tcr_el2, x0
	ldr x0, =L1
	msr ttbr0_el2, x0
	dsb sy
	tlbi alle2
	dsb sy
	isb
	mrs x0, sctlr_el2
	orr x0, x0, #1
	orr x0, x0, #4
	msr sctlr_el2, x0
	isb
	.macro try2 n, address
	step \n
	ldr x0, =\address
	mov x18, #1
	ldr x1, [x0]
	mov x18, #2
	str x1, [x0]
	at s1e2r, x0
	isb
	mrs x1, par_el1
	note \n+1, x1
	at s1e2w, x0
	isb
	mrs x1, par_el1
	note \n+2, x1
	.endm
	try2 750, PAGES
	try2 760, PAGES+0x1000
	try2 770, PAGES+0x4000
	try2 780, 0x40c00000
	try2 790, 0xc0000000
	try2 800, 0xffffffff00000000
	try2 810, 0x8000000000
	mrs x0, sctlr_el2
	bic x0, x0, #1
	msr sctlr_el2, x0
	isb
	// a host: E2H and TGE
	ldr x0, =(1<<31 | 1<<34 | 1<<27)
	msr hcr_el2, x0
	isb
	mov x0, #(3<<20)
	msr cpacr_el1, x0
	isb
	ldr x0, =0x30d00800
	msr sctlr_el1, x0
	isb
	mrs x0, sctlr_el2
	and x0, x0, #0x1000
	note 820, x0
	mov x0, #0x1234
	msr contextidr_el1, x0
	mrs x0, contextidr_el2
	note 821, x0
	msr far_el1, x0
	mrs x0, far_el2
	note 822, x0
	mov x0, #0x55
	msr s3_5_c6_c0_0, x0 // FAR_EL12
	mrs x0, far_el1
	note 823, x0
	mrs x0, s3_5_c6_c0_0
	note 824, x0
	mrs x0, elr_el1
	step 825
	hvc #3
	step 826
	svc #3
	bl enable
	ldr x0, =PAGES
	mov x1, #5
	step 830
	str x1, [x0]
	step 831
	ldr x0, =PAGES+0x1000
	str x1, [x0]
	step 832
	ldr x0, =PAGES+0x2000
	str x1, [x0]
	msr pan, #1
	step 833
	str x1, [x0]
	step 834
	ldtr x1, [x0]
	step 835
	msr uao, #1
	ldtr x1, [x0]
	msr uao, #0
	msr pan, #0
	step 836
	at s1e1r, x0
	isb
	mrs x1, par_el1
	note 837, x1
	at s1e0w, x0
	isb
	mrs x1, par_el1
	note 838, x1
	msr pan, #1
	at s1e1rp, x0
	isb
	mrs x1, par_el1
	note 839, x1
	msr pan, #0
	ldr x0, =PAGES+0x4000
	at s1e1w, x0
	isb
	mrs x1, par_el1
	note 840, x1
	bl users
	step 841 // an illegal return: to EL1 with TGE
	adr x0, 1f
	msr elr_el1, x0
	mov x0, #0x3c5
	msr spsr_el1, x0
	adr x25, 2f
	eret
1:	nop
2:	bl disable
	ldr x0, =0x84000008
	smc #0
	b .
	.ltorg
