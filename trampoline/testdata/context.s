# The way into a host context, for the test of contexts. It is run by
# machinetest.Image, reads the context block at CTX (contextBlock in the test has
# the same offsets), and ends with a jump to the freeze point.
#
# 4 and 5 levels of page tables cannot be changed in long mode, so it goes
# through 32-bit mode without paging.
#
#	as --64 -o context.o context.s && objcopy -O binary -j .text context.o context.bin
.intel_syntax noprefix
.set CTX, 0x300000
.set BASE, 0x107000
start:
  lgdt [rip+gdtr]
  mov esp, CTX+0x1000
  push 0x08
  push offset BASE+(l32-start)
  retfq
.code32
l32:
  mov eax, cr0                  # paging off
  and eax, 0x7fffffff
  mov cr0, eax
  mov eax, ds:[CTX+0x30]        # CR4 without what needs long mode
  mov cr4, eax
  mov ecx, 0xc0000080
  xor edx, edx
  mov eax, ds:[CTX+0x40]        # EFER
  wrmsr
  mov eax, ds:[CTX+0x28]        # CR3, low half, without a PCID
  and eax, 0xfffff000
  mov cr3, eax
  mov eax, ds:[CTX+0x20]        # CR0
  mov cr0, eax
  .byte 0xea
  .long BASE+(l64-start)
  .word 0x10
.code64
l64:
  mov rax, [CTX+0x38]           # CR4: PCIDE while the PCID is 0
  mov cr4, rax
  mov rax, [CTX+0x28]           # CR3
  mov cr3, rax
  mov rax, [CTX+0x80]           # an address to have in the TLB
  mov al, [rax]
  lidt [CTX+0x10]
  lgdt [CTX]
  mov eax, [CTX+0x58]
  mov ds, eax
  mov es, eax
  mov fs, eax
  mov gs, eax
  mov ss, eax
  push qword ptr [CTX+0x50]
  push offset BASE+(l3-start)
  retfq
l3:
  mov rax, [CTX+0x78]
  mov dr0, rax
  mov rax, [CTX+0x48]
  mov dr7, rax
  mov eax, [CTX+0x88]           # IA32_S_CET, where it is not 0
  test eax, eax
  jz flags
  xor edx, edx
  mov ecx, 0x6a2
  wrmsr
  mov eax, [CTX+0x90]           # IA32_PL0_SSP
  mov ecx, 0x6a4
  wrmsr
  test eax, eax
  jz flags
  setssbsy
flags:
  push qword ptr [CTX+0x60]
  popfq
  mov rsp, [CTX+0x68]
  jmp [CTX+0x70]
gdtr: .word 31
  .quad BASE+(gdt-start)
gdt: .quad 0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff
