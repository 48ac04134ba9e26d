package bootimage

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// program makes an image of three segments as the Go linker lays them out:
// text, read-only data, data with zero pages behind it.
func program(change func(h []byte)) []byte {
	order := binary.LittleEndian
	file := make([]byte, 0x4800)
	copy(file, "\x7fELF\x02\x01\x01")
	order.PutUint16(file[16:], 2)
	order.PutUint16(file[18:], 62)
	order.PutUint64(file[24:], handoff.LinkText+0x20)
	order.PutUint64(file[32:], 64)
	order.PutUint16(file[54:], 56)
	order.PutUint16(file[56:], 3)
	for i, s := range []struct{ flags, offset, fileSize, memorySize uint64 }{
		{5, 0, 0x1f00, 0x1f00}, {4, 0x2000, 0x1000, 0x1000}, {6, 0x3000, 0x1800, 0x9000},
	} {
		p := file[64+56*i:]
		order.PutUint32(p, 1)
		order.PutUint32(p[4:], uint32(s.flags))
		order.PutUint64(p[8:], s.offset)
		order.PutUint64(p[16:], handoff.LinkBase+s.offset)
		order.PutUint64(p[32:], s.fileSize)
		order.PutUint64(p[40:], s.memorySize)
	}
	for i := 0x1000; i < len(file); i++ {
		file[i] = byte(i >> 8)
	}
	if change != nil {
		change(file)
	}
	return file
}

// wrap wraps the program and returns the file's one segment as physical memory.
func wrap(t *testing.T, options Options) (*elf.File, *physmem.Bytes, *handoff.Block) {
	t.Helper()
	file, err := Wrap(bytes.NewReader(program(nil)), options)
	require.NoError(t, err)
	f, err := elf.NewFile(bytes.NewReader(file))
	require.NoError(t, err)
	require.Len(t, f.Progs, 2)
	load := f.Progs[0]
	require.Equal(t, elf.PT_LOAD, load.Type)
	require.Equal(t, load.Filesz, load.Memsz)
	data := make([]byte, load.Filesz)
	_, err = load.ReadAt(data, 0)
	require.NoError(t, err)
	block, err := handoff.Parse(data[:amd64.PageSize])
	require.NoError(t, err)
	return f, physmem.NewBytes(physmem.Address(load.Paddr), data), block
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, base := range []physmem.Address{0, 1 << 20, 0x3457000, 1<<30 - 0x20000} {
		f, memory, block := wrap(t, Options{Base: base})
		if base == 0 {
			base = DefaultBase
		}
		require.Equal(t, base, memory.Range().Start)
		require.Equal(t, memory.Range(), block.Reservation)
		require.Equal(t, handoff.RoleHost, block.Role)
		require.EqualValues(t, handoff.LinkText+0x20, block.Image.Entry)
		require.EqualValues(t, handoff.LinkBase+0x5000, block.Image.FileEnd)
		require.EqualValues(t, handoff.LinkBase+0xc000, block.Image.MemoryEnd)
		require.Equal(t, uint64(block.Range(handoff.PartTrampoline).Start)+stub64, f.Entry)

		note := make([]byte, f.Progs[1].Filesz)
		_, err := f.Progs[1].ReadAt(note, 0)
		require.NoError(t, err)
		require.Equal(t, "Xen\x00", string(note[12:16]))
		require.EqualValues(t, notePhysicalEntry, binary.LittleEndian.Uint32(note[8:]))
		require.EqualValues(t, uint64(block.Range(handoff.PartTrampoline).Start)+stub32, binary.LittleEndian.Uint32(note[16:]))

		image := make([]byte, 0x5000)
		_, err = memory.ReadPhysical(image, block.Range(handoff.PartImage).Start)
		require.NoError(t, err)
		require.Equal(t, append(program(nil)[:0x1f00], make([]byte, 0x100)...), image[:0x2000])
		require.Equal(t, append(program(nil)[0x2000:], make([]byte, 0x800)...), image[0x2000:])
	}
}

func TestModule(t *testing.T) {
	t.Parallel()
	module := bytes.Repeat([]byte("rescue image "), 1000)
	_, memory, block := wrap(t, Options{Module: module})
	extent := block.Parts[handoff.PartMetadata]
	require.EqualValues(t, len(module), extent.Length)
	require.Equal(t, block.Reservation.Size(), extent.End())
	got := make([]byte, extent.Size)
	_, err := memory.ReadPhysical(got, block.Reservation.Start+physmem.Address(extent.Offset))
	require.NoError(t, err)
	require.Equal(t, append(module, make([]byte, len(got)-len(module))...), got)
	require.EqualValues(t, 0x5000, block.Parts[handoff.PartImage].Size)
}

func TestWrapIsDeterministic(t *testing.T) {
	t.Parallel()
	one, err := Wrap(bytes.NewReader(program(nil)), Options{})
	require.NoError(t, err)
	two, err := Wrap(bytes.NewReader(program(nil)), Options{})
	require.NoError(t, err)
	require.True(t, bytes.Equal(one, two))
}

// The tables map what package handoff says, with four and with five levels.
func TestTables(t *testing.T) {
	t.Parallel()
	_, memory, block := wrap(t, Options{})
	for levels, root := range map[int]uint64{4: block.Tables.Root4, 5: block.Tables.Root5} {
		w, err := amd64.NewWalker(memory, nil, amd64.Paging{Root: block.Reservation.Start + physmem.Address(root), Levels: levels})
		require.NoError(t, err)
		image := block.Range(handoff.PartImage).Start
		stub := block.Range(handoff.PartTrampoline).Start
		stack := block.Range(handoff.PartEntryStack)
		var got []amd64.Mapping
		require.NoError(t, w.Walk(0, 1<<47-1, func(m amd64.Mapping) error {
			if m.Virtual < handoff.DirectMapBase || m.Virtual >= handoff.DirectMapBase+handoff.DirectMapLimit {
				m.Entry = 0
				got = append(got, m)
				return nil
			}
			require.EqualValues(t, m.Virtual-handoff.DirectMapBase, m.Physical)
			require.True(t, m.Writable && m.User && !m.Executable && m.Size == largest)
			return nil
		}))
		page := func(va uint64, pa physmem.Address, rights string) amd64.Mapping {
			m := amd64.Mapping{Virtual: va, Physical: pa, Size: amd64.PageSize, Level: 1, User: true}
			for _, r := range rights {
				switch r {
				case 'w':
					m.Writable = true
				case 'x':
					m.Executable = true
				case 's':
					m.User = false
				}
			}
			return m
		}
		want := []amd64.Mapping{page(uint64(stub), stub, "xs")}
		for o := uint64(0); o < entryStack; o += amd64.PageSize {
			want = append(want, page(handoff.EntryStackTop-entryStack+o, stack.Start+physmem.Address(o), "w"))
		}
		for i, rights := range []string{"x", "x", "", "w", "w"} {
			want = append(want, page(handoff.LinkBase+uint64(i)<<12, image+physmem.Address(i)<<12, rights))
		}
		require.Equal(t, want, got, "%d levels", levels)
		_, _, err = w.Translate(handoff.DirectMapBase + firstMap - 1)
		require.NoError(t, err)
	}
}

// disassemble returns the instructions up to and with the last one, which is
// named.
func disassemble(t *testing.T, code []byte, mode int, at uint64, last x86asm.Op) []string {
	t.Helper()
	var text []string
	for {
		inst, err := x86asm.Decode(code, mode)
		require.NoError(t, err, "after %q", text)
		require.NotZero(t, inst.Op)
		line := x86asm.IntelSyntax(inst, at, nil)
		for _, a := range inst.Args {
			if m, ok := a.(x86asm.Mem); ok && m.Base == x86asm.RIP {
				target := at + uint64(inst.Len) + uint64(int32(m.Disp))
				line = regexp.MustCompile(`rip[^]]*`).ReplaceAllString(line, fmt.Sprintf("%#x", target))
			}
		}
		text = append(text, line)
		if inst.Op == last && len(text) > 3 {
			return text
		}
		code, at = code[inst.Len:], at+uint64(inst.Len)
	}
}

func TestStub(t *testing.T) {
	t.Parallel()
	s := stub{page: 0x202000, boot: 0x201000, root4: 0x208000, root5: 0x207000, block: 0x200000, entry: 0x500000411020, stackTop: 0x500000100000, blockAlias: 0x400000200000}
	page := s.encode()
	require.Len(t, page, stubSize)
	require.Equal(t, []string{
		"cli", "cld", "rdtsc", "mov dword ptr [0x201010], eax", "mov dword ptr [0x201014], edx",
		"mov qword ptr [0x201008], rsi", "mov eax, 0x1", "mov dword ptr [0x201000], eax",
		"mov ecx, -0x3fffff80", "rdmsr", "or eax, 0x901", "wrmsr",
		"mov rax, cr4", "mov ebx, 0x208000", "mov ecx, 0x207000", "and eax, 0x1000", "cmovnz ebx, ecx", "or eax, 0x630", "mov cr4, rax",
		"mov cr3, rbx", "mov eax, -0x7ffeffcd", "mov cr0, rax", "lgdt ptr [0x202220]", "lidt ptr [0x202230]",
		"mov rsp, 0x500000100000", "push 0x8", "lea rax, ptr [0x20207c]", "push rax", "ret far",
		"xor eax, eax", "mov ds, ax", "mov es, ax", "mov ss, ax", "mov fs, ax", "mov gs, ax", "push 0x2", "popfq",
		"mov rax, 0x500000411020", "push rax", "mov rsi, 0x400000200000", "mov edi, 0x200000",
		"mov eax, 0x0", "mov ecx, 0x0", "mov edx, 0x0", "mov ebx, 0x0", "mov ebp, 0x0",
		"mov r8d, 0x0", "mov r9d, 0x0", "mov r10d, 0x0", "mov r11d, 0x0", "mov r12d, 0x0", "mov r13d, 0x0", "mov r14d, 0x0", "mov r15d, 0x0",
		"ret",
	}, disassemble(t, page[stub64:], 64, 0x202000, x86asm.RET))
	require.Equal(t, []string{
		"cli", "cld", "rdtsc", "mov dword ptr [0x201010], eax", "mov dword ptr [0x201014], edx", "mov dword ptr [0x201008], ebx",
		"mov eax, 0x2", "mov dword ptr [0x201000], eax", "mov eax, 0x20", "mov cr4, eax", "mov eax, 0x208000", "mov cr3, eax",
		"mov ecx, 0xc0000080", "rdmsr", "or eax, 0x900", "wrmsr", "mov eax, 0x80010031", "mov cr0, eax", "lgdt ptr [0x202220]",
		"jmp far 0x202022, 0x8",
	}, disassemble(t, page[stub32:], 32, 0x202100, x86asm.LJMP))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	put16 := func(at int, v uint16) func([]byte) {
		return func(h []byte) { binary.LittleEndian.PutUint16(h[at:], v) }
	}
	put32 := func(at int, v uint32) func([]byte) {
		return func(h []byte) { binary.LittleEndian.PutUint32(h[at:], v) }
	}
	put64 := func(at int, v uint64) func([]byte) {
		return func(h []byte) { binary.LittleEndian.PutUint64(h[at:], v) }
	}
	tests := map[string]struct {
		change func([]byte)
		base   physmem.Address
		want   error
	}{
		"not ELF":                 {put32(0, 0), 0, ErrImage},
		"for another machine":     {put16(18, 3), 0, ErrImage},
		"linked low":              {put64(64+16, 0x400000), 0, ErrImage},
		"writable text":           {put32(64+4, 7), 0, ErrImage},
		"entry outside":           {put64(24, handoff.LinkBase+0x3000), 0, ErrImage},
		"short file":              {put64(64+2*56+32, 0x1900), 0, ErrImage},
		"base not a page":         {nil, 0x200800, ErrBase},
		"base in low memory":      {nil, 0x1000, ErrBase},
		"base above":              {nil, 1 << 30, ErrBase},
		"base too near the limit": {nil, 1<<30 - 0x4000, ErrBase},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Wrap(bytes.NewReader(program(test.change)), Options{Base: test.base})
			require.ErrorIs(t, err, test.want)
		})
	}
}

func FuzzWrap(f *testing.F) {
	f.Add(program(nil), uint64(0))
	f.Add(program(nil)[:300], uint64(1<<21))
	f.Fuzz(func(t *testing.T, file []byte, base uint64) {
		out, err := Wrap(bytes.NewReader(file), Options{Base: physmem.Address(base)})
		if err != nil {
			return
		}
		_, err = elf.NewFile(bytes.NewReader(out))
		require.NoError(t, err)
	})
}
