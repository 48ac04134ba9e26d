//go:build linux && amd64

package kernel

import "encoding/binary"

// startupCode makes the page that a secondary CPU of amd64 starts with, in real
// mode at page:0 (SDM 3A 9.4.4): over protected mode to 64-bit mode on the
// tables at root, then to the address start with RDI the CPU's block. page is
// below 1 MiB, root below 4 GiB.
func startupCode(page, root uint32, fiveLevels bool, block, start uintptr) []byte {
	const table, operand = 0x80, 0xa0 // descriptor table and operand of LGDT
	order := binary.LittleEndian
	var code []byte
	bytes := func(b ...byte) { code = append(code, b...) }
	long := func(v uint32) { code = order.AppendUint32(code, v) }
	far := func() (at int) { // far jump to what follows; the selector comes later
		long(page + uint32(len(code)) + 6)
		return len(code)
	}

	bytes(0xfa, 0xfc)             // cli; cld
	bytes(0x8c, 0xc8, 0x8e, 0xd8) // mov ax, cs; mov ds, ax
	bytes(0x66, 0x0f, 0x01, 0x16, operand, 0)
	bytes(0x0f, 0x20, 0xc0)             // mov eax, cr0
	bytes(0x66, 0x83, 0xc8, 0x01)       // or eax, PE
	bytes(0x0f, 0x22, 0xc0, 0x66, 0xea) // mov cr0, eax; jmp far 8:
	far()
	bytes(0x08, 0x00)

	bytes(0x66, 0xb8, 0x10, 0x00)             // mov ax, 0x10
	bytes(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0) // mov ds, es, ss, ax
	levels := uint32(0)
	if fiveLevels {
		levels = 1 << 12
	}
	bytes(0xb8) // mov eax, PAE and LA57
	long(1<<5 | levels)
	bytes(0x0f, 0x22, 0xe0, 0xb8) // mov cr4, eax; mov eax, root
	long(root)
	bytes(0x0f, 0x22, 0xd8, 0xb9) // mov cr3, eax; mov ecx, IA32_EFER
	long(0xc0000080)
	bytes(0x0f, 0x32, 0x0d) // rdmsr; or eax, LME|NXE
	long(1<<8 | 1<<11)
	bytes(0x0f, 0x30, 0xb8) // wrmsr; mov eax, PE|ET|NE|WP|PG
	long(1<<0 | 1<<4 | 1<<5 | 1<<16 | 1<<31)
	bytes(0x0f, 0x22, 0xc0, 0xea) // mov cr0, eax; jmp far 0x18:
	far()
	bytes(0x18, 0x00)

	bytes(0x48, 0xbf) // mov rdi, block
	code = order.AppendUint64(code, uint64(block))
	bytes(0x48, 0xb8) // mov rax, start
	code = order.AppendUint64(code, uint64(start))
	bytes(0xff, 0xe0) // jmp rax

	code = append(code, make([]byte, 0xb0-len(code))...)
	for i, d := range []uint64{0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff} {
		order.PutUint64(code[table+8*i:], d)
	}
	order.PutUint16(code[operand:], 31)
	order.PutUint32(code[operand+2:], page+table)
	return code
}
