package machinetest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where the parts of Image lie. The image begins at imageBase, at 1 MiB.
const (
	imageBase   = 0x100000 // page tables: the lowest 4 GiB identity mapped
	prologue32  = 0x106000 // entered by PVH
	prologue64  = 0x106100 // entered by the Linux 64-bit protocol, and from prologue32
	imageGDT    = 0x106800
	imageGDTR   = 0x106880
	imageEnd    = 0x110000
	imageNotes  = 0x106900
	notesLength = 20

	// Entry is where the code that Image wraps lies and begins, in ring 0 of
	// long mode.
	Entry = 0x107000

	// CodeEnd is the first address after the room for that code.
	CodeEnd = 0x10c000

	// StackTop is the stack pointer at Entry.
	StackTop = imageEnd

	// CodeSelector and DataSelector are the selectors at Entry, of a table
	// that the image holds.
	CodeSelector = 0x10
	DataSelector = 0x18
)

// imm is a 32-bit immediate.
func imm(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// prologue32Code turns on long mode and goes on at prologue64.
var prologue32Code = bytes.Join([][]byte{
	{0xfa},                 // cli
	{0xfc},                 // cld
	{0xb8}, imm(imageBase), // mov eax, imageBase
	{0x0f, 0x22, 0xd8}, // mov cr3, eax
	{0x0f, 0x20, 0xe0}, // mov eax, cr4
	{0x0d}, imm(0x620), // or eax, PAE|OSFXSR|OSXMMEXCPT
	{0x0f, 0x22, 0xe0},      // mov cr4, eax
	{0xb9}, imm(0xc0000080), // mov ecx, EFER
	{0x0f, 0x32},       // rdmsr
	{0x0d}, imm(0x900), // or eax, LME|NXE
	{0x0f, 0x30},            // wrmsr
	{0x0f, 0x20, 0xc0},      // mov eax, cr0
	{0x0d}, imm(0x80010023), // or eax, PG|WP|NE|MP|PE
	{0x83, 0xe0, 0xf3},                 // and eax, ~(TS|EM)
	{0x0f, 0x22, 0xc0},                 // mov cr0, eax
	{0x0f, 0x01, 0x15}, imm(imageGDTR), // lgdt [imageGDTR]
	{0xea}, imm(prologue64), {CodeSelector, 0x00}, // jmp 0x10:prologue64
}, nil)

// prologue64Code makes the two ways in alike: own tables, own segments.
var prologue64Code = bytes.Join([][]byte{
	{0x0f, 0x01, 0x14, 0x25}, imm(imageGDTR), // lgdt [imageGDTR]
	{0xb8}, imm(imageBase), // mov eax, imageBase
	{0x0f, 0x22, 0xd8},    // mov cr3, rax
	{0xbc}, imm(StackTop), // mov esp, StackTop
	{0xb8}, imm(DataSelector), // mov eax, DataSelector
	{0x8e, 0xd8},         // mov ds, eax
	{0x8e, 0xc0},         // mov es, eax
	{0x8e, 0xd0},         // mov ss, eax
	{0x8e, 0xe0},         // mov fs, eax
	{0x8e, 0xe8},         // mov gs, eax
	{0x6a, CodeSelector}, // push CodeSelector
	{0x68}, imm(Entry),   // push Entry
	{0x48, 0xcb}, // retfq
}, nil)

// Image wraps amd64 code as an ELF64 file that every runner boots, by PVH or
// by the Linux 64-bit protocol. The code begins at Entry in the same state
// either way: ring 0, interrupts off, the lowest 4 GiB mapped to themselves
// writable and executable.
func Image(code []byte) []byte {
	if len(code) > CodeEnd-Entry {
		panic("machinetest: code does not fit") // a mistake in a test
	}
	order := binary.LittleEndian
	memory := make([]byte, imageEnd-imageBase)
	if err := machine.WriteIdentityTables(physmem.NewBytes(imageBase, memory), imageBase); err != nil {
		panic(err) // it fits
	}
	copy(memory[prologue32-imageBase:], prologue32Code)
	copy(memory[prologue64-imageBase:], prologue64Code)
	copy(memory[Entry-imageBase:], code)
	for i, d := range []uint64{0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff} {
		order.PutUint64(memory[imageGDT-imageBase+8*i:], d)
	}
	order.PutUint16(memory[imageGDTR-imageBase:], 4*8-1)
	order.PutUint64(memory[imageGDTR-imageBase+2:], imageGDT)
	var note []byte
	for _, v := range []uint32{4, 4, 18} { // name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY
		note = order.AppendUint32(note, v)
	}
	note = order.AppendUint32(append(note, "Xen\x00"...), prologue32)
	copy(memory[imageNotes-imageBase:], note)
	return wrapELF(memory)
}

// wrapELF makes an ELF64 file of one segment and a note in it.
func wrapELF(memory []byte) []byte {
	const headers = 0x1000 // the segment begins on a page of the file
	var b bytes.Buffer
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	write := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			panic(err) // a structure of fixed size
		}
	}
	write(elf.Header64{
		Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Entry: prologue64, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2, Shentsize: 64,
	})
	write(elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: 7, Off: headers, Vaddr: imageBase, Paddr: imageBase,
		Filesz: uint64(len(memory)), Memsz: uint64(len(memory)), Align: headers,
	})
	write(elf.Prog64{
		Type: uint32(elf.PT_NOTE), Flags: 4, Off: headers + imageNotes - imageBase, Vaddr: imageNotes, Paddr: imageNotes,
		Filesz: notesLength, Memsz: notesLength, Align: 4,
	})
	b.Write(make([]byte, headers-b.Len()))
	b.Write(memory)
	return b.Bytes()
}
