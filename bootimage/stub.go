package bootimage

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Offsets in the stub's page.
const (
	stub64   = 0x000 // entry in long mode
	stub32   = 0x100 // entry in protected mode
	stubGDT  = 0x200 // null, 64-bit code
	stubGDTR = 0x220
	stubIDTR = 0x230
	stubSize = 0x240
)

// stub is what the entry stubs need to know. All physical addresses are below
// 4 GiB.
type stub struct {
	page       uint32 // where the stub is
	boot       uint32 // the boot area
	root4      uint32
	root5      uint32
	block      uint32
	entry      uint64
	stackTop   uint64
	blockAlias uint64 // the block in the direct map
}

// assembler appends instructions; at is the address of the next byte.
type assembler struct {
	code []byte
	base uint32
}

func (a *assembler) bytes(b ...byte)   { a.code = append(a.code, b...) }
func (a *assembler) long(v uint32)     { a.code = binary.LittleEndian.AppendUint32(a.code, v) }
func (a *assembler) quad(v uint64)     { a.code = binary.LittleEndian.AppendUint64(a.code, v) }
func (a *assembler) at() uint32        { return a.base + uint32(len(a.code)) }
func (a *assembler) relative(v uint32) { a.long(v - a.at() - 4) } // from the end of the field

// encode returns the bytes of the page. Package handoff documents the state that
// the code must leave.
func (s *stub) encode() []byte {
	page := make([]byte, stubSize)
	common := s.encode64(page)
	s.encode32(page, common)
	binary.LittleEndian.PutUint64(page[stubGDT+8:], 0x00af9b000000ffff) // selector 8: 64-bit code, ring 0
	binary.LittleEndian.PutUint16(page[stubGDTR:], 15)
	binary.LittleEndian.PutUint64(page[stubGDTR+2:], uint64(s.page)+stubGDT)
	return page
}

// encode64 writes the entry for long mode (Linux x86/boot.rst, 64-bit boot
// protocol: RSI is struct boot_params, the loader's tables map this page at its
// physical address) and what both entries have in common, whose address it
// returns.
func (s *stub) encode64(page []byte) (common uint32) {
	a := &assembler{base: s.page + stub64}
	a.bytes(0xfa, 0xfc) // cli; cld
	a.bytes(0x0f, 0x31) // rdtsc
	a.bytes(0x89, 0x05) // mov [boot time], eax
	a.relative(s.boot + handoff.BootOffsetTime)
	a.bytes(0x89, 0x15) // mov [boot time + 4], edx
	a.relative(s.boot + handoff.BootOffsetTime + 4)
	a.bytes(0x48, 0x89, 0x35) // mov [boot pointer], rsi
	a.relative(s.boot + handoff.BootOffsetPointer)
	a.bytes(0xb8) // mov eax, BootLinux
	a.long(uint32(handoff.BootLinux))
	a.bytes(0x89, 0x05) // mov [boot protocol], eax
	a.relative(s.boot + handoff.BootOffsetProtocol)
	common = a.at()
	s.encodeControl(a)
	s.encodeJump(a)
	copy(page[stub64:stub32], a.code)
	return common
}

// encodeControl appends what sets the control registers and page tables.
func (s *stub) encodeControl(a *assembler) {
	a.bytes(0xb9) // mov ecx, IA32_EFER
	a.long(0xc0000080)
	a.bytes(0x0f, 0x32, 0x0d) // rdmsr; or eax, SCE|LME|NXE
	a.long(1<<0 | 1<<8 | 1<<11)
	a.bytes(0x0f, 0x30)       // wrmsr
	a.bytes(0x0f, 0x20, 0xe0) // mov rax, cr4
	a.bytes(0xbb)             // mov ebx, root4
	a.long(s.root4)
	a.bytes(0xb9) // mov ecx, root5
	a.long(s.root5)
	a.bytes(0x25) // and eax, LA57
	a.long(1 << 12)
	a.bytes(0x0f, 0x45, 0xd9) // cmovnz ebx, ecx
	a.bytes(0x0d)             // or eax, PSE|PAE|OSFXSR|OSXMMEXCPT
	a.long(1<<4 | 1<<5 | 1<<9 | 1<<10)
	a.bytes(0x0f, 0x22, 0xe0) // mov cr4, rax
	a.bytes(0x0f, 0x22, 0xdb) // mov cr3, rbx
	a.bytes(0xb8)             // mov eax, PE|MP|ET|NE|WP|PG
	a.long(1<<0 | 1<<1 | 1<<4 | 1<<5 | 1<<16 | 1<<31)
	a.bytes(0x0f, 0x22, 0xc0) // mov cr0, rax
}

// encodeJump appends what leaves no segment or register of the loader, and
// jumps.
func (s *stub) encodeJump(a *assembler) {
	a.bytes(0x0f, 0x01, 0x15) // lgdt [gdtr]
	a.relative(s.page + stubGDTR)
	a.bytes(0x0f, 0x01, 0x1d) // lidt [idtr]: limit 0
	a.relative(s.page + stubIDTR)
	a.bytes(0x48, 0xbc) // mov rsp, stackTop
	a.quad(s.stackTop)
	a.bytes(0x6a, 0x08)       // push 8
	a.bytes(0x48, 0x8d, 0x05) // lea rax, [code]
	a.relative(a.at() + 4 + 3)
	a.bytes(0x50, 0x48, 0xcb) // push rax; retfq
	a.bytes(0x31, 0xc0)       // code: xor eax, eax
	for _, modrm := range []byte{0xd8, 0xc0, 0xd0, 0xe0, 0xe8} {
		a.bytes(0x8e, modrm) // mov ds, es, ss, fs, gs = null
	}
	a.bytes(0x6a, 0x02, 0x9d) // push 2; popfq
	a.bytes(0x48, 0xb8)       // mov rax, entry
	a.quad(s.entry)
	a.bytes(0x50) // push rax
	a.bytes(0x48, 0xbe)
	a.quad(s.blockAlias) // mov rsi, block in the direct map
	a.bytes(0xbf)
	a.long(s.block)                                               // mov edi, block
	a.bytes(0xb8, 0, 0, 0, 0, 0xb9, 0, 0, 0, 0, 0xba, 0, 0, 0, 0) // mov eax, ecx, edx = 0
	a.bytes(0xbb, 0, 0, 0, 0, 0xbd, 0, 0, 0, 0)                   // mov ebx, ebp = 0
	for r := byte(0); r < 8; r++ {
		a.bytes(0x41, 0xb8+r, 0, 0, 0, 0) // mov r8d to r15d = 0
	}
	a.bytes(0xc3) // ret to the entry
}

// encode32 writes the PVH entry (Xen docs/misc/pvh.pandoc): protected mode,
// paging off, EBX is struct hvm_start_info.
func (s *stub) encode32(page []byte, common uint32) {
	a := &assembler{base: s.page + stub32}
	a.bytes(0xfa, 0xfc) // cli; cld
	a.bytes(0x0f, 0x31) // rdtsc
	a.bytes(0xa3)       // mov [boot time], eax
	a.long(s.boot + handoff.BootOffsetTime)
	a.bytes(0x89, 0x15) // mov [boot time + 4], edx
	a.long(s.boot + handoff.BootOffsetTime + 4)
	a.bytes(0x89, 0x1d) // mov [boot pointer], ebx
	a.long(s.boot + handoff.BootOffsetPointer)
	a.bytes(0xb8) // mov eax, BootPVH
	a.long(uint32(handoff.BootPVH))
	a.bytes(0xa3) // mov [boot protocol], eax
	a.long(s.boot + handoff.BootOffsetProtocol)
	a.bytes(0xb8) // mov eax, PAE
	a.long(1 << 5)
	a.bytes(0x0f, 0x22, 0xe0) // mov cr4, eax
	a.bytes(0xb8)             // mov eax, root4
	a.long(s.root4)
	a.bytes(0x0f, 0x22, 0xd8) // mov cr3, eax
	a.bytes(0xb9)             // mov ecx, IA32_EFER
	a.long(0xc0000080)
	a.bytes(0x0f, 0x32, 0x0d) // rdmsr; or eax, LME|NXE
	a.long(1<<8 | 1<<11)
	a.bytes(0x0f, 0x30) // wrmsr
	a.bytes(0xb8)       // mov eax, PE|ET|NE|WP|PG
	a.long(1<<0 | 1<<4 | 1<<5 | 1<<16 | 1<<31)
	a.bytes(0x0f, 0x22, 0xc0) // mov cr0, eax
	a.bytes(0x0f, 0x01, 0x15) // lgdt [gdtr]
	a.long(s.page + stubGDTR)
	a.bytes(0xea) // jmp 8:common
	a.long(common)
	a.bytes(0x08, 0x00)
	copy(page[stub32:stubGDT], a.code)
}
