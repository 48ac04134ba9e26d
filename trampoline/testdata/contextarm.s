// The way into a host context of arm64, for the test of contexts. It is loaded
// and entered with the MMU off at EL1 or EL2, reads the context block at CTX
// (armContext in the test has the same offsets), and ends with an exception return
// to the freeze point.
//
//	aarch64-linux-gnu-as -o context.o contextarm.s && aarch64-linux-gnu-objcopy -O binary -j .text context.o contextarm.bin
.set CTX, 0x40300000
start:
  mov x20, #CTX
  ldp x21, x22, [x20]           // which level; HCR_EL2
  ldp x23, x24, [x20, #0x10]    // MAIR, TCR
  ldp x25, x26, [x20, #0x20]    // TTBR0, TTBR1
  ldp x27, x28, [x20, #0x30]    // SCTLR, SPSR
  ldp x29, x30, [x20, #0x40]    // the freeze point, SP
  ldp x18, x19, [x20, #0x50]    // MDSCR, VBAR
  mrs x1, CurrentEL
  cmp x1, #8
  b.ne el1
  cbnz x21, el2
  msr hcr_el2, x22              // down to EL1
  isb
  mov x2, #0x0800
  movk x2, #0x30d0, lsl #16
  msr sctlr_el1, x2
  mov x2, #0x3c5
  msr spsr_el2, x2
  adr x2, el1
  msr elr_el2, x2
  eret
el1:
  msr mair_el1, x23
  msr tcr_el1, x24
  msr ttbr0_el1, x25
  msr ttbr1_el1, x26
  msr mdscr_el1, x18
  msr vbar_el1, x19
  isb
  tlbi vmalle1
  dsb sy
  isb
  msr sctlr_el1, x27
  isb
  msr elr_el1, x29
  msr spsr_el1, x28
  mov sp, x30
  eret
el2:
  msr hcr_el2, x22
  isb
  msr mair_el2, x23
  msr tcr_el2, x24
  msr ttbr0_el2, x25
  cmp x21, #2
  b.ne plain
  msr s3_4_c2_c0_1, x26         // TTBR1_EL2, with VHE
plain:
  msr vbar_el2, x19
  isb
  tlbi alle2
  dsb sy
  isb
  msr sctlr_el2, x27
  isb
  msr elr_el2, x29
  msr spsr_el2, x28
  mov sp, x30
  eret
