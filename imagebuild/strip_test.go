package imagebuild_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/imagebuild"
)

// small is an ELF file of one loaded section and one that is not.
func small() []byte {
	order := binary.LittleEndian
	file := make([]byte, 0x200)
	copy(file, "\x7fELF\x02\x01\x01")
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: 0x1100, Phoff: 64, Shoff: 0x140,
		Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64, Shnum: 3, Shstrndx: 2,
	}
	copy(header.Ident[:], file)
	put := func(at int, value any) {
		_, err := binary.Encode(file[at:], order, value)
		if err != nil {
			panic(err)
		}
	}
	put(0, &header)
	put(64, &elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: 5, Vaddr: 0x1000, Filesz: 0x110, Memsz: 0x110})
	copy(file[0x100:], "machine code....")
	copy(file[0x110:], "\x00.text\x00.names\x00")
	put(0x180, &elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC), Addr: 0x1100, Off: 0x100, Size: 16})
	put(0x1c0, &elf.Section64{Name: 7, Type: uint32(elf.SHT_STRTAB), Off: 0x110, Size: 14})
	return file
}

func TestStripKeepsWhatIsLoaded(t *testing.T) {
	t.Parallel()
	file := small()
	stripped, err := imagebuild.Strip(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, file[64:0x110], stripped[64:0x110])
	f, err := elf.NewFile(bytes.NewReader(stripped))
	require.NoError(t, err)
	require.Len(t, f.Sections, 3)
	require.Equal(t, ".shstrtab", f.Sections[2].Name)
	text, err := f.Section(".text").Data()
	require.NoError(t, err)
	require.Equal(t, "machine code....", string(text))
	again, err := imagebuild.Strip(bytes.NewReader(stripped))
	require.NoError(t, err)
	require.Equal(t, stripped, again, "there is nothing left to strip")
}

func TestStripRefusals(t *testing.T) {
	t.Parallel()
	change := func(at int, value ...byte) []byte {
		file := small()
		copy(file[at:], value)
		return file
	}
	for name, test := range map[string]struct {
		file []byte
		says string
	}{
		"empty":             {nil, "EOF"},
		"text":              {[]byte("#!/bin/sh -e and more\n"), "bad magic"},
		"32 bits":           {change(4, 1), ""},
		"big-endian":        {change(5, 2), ""},
		"cut":               {small()[:0x1f0], ""},
		"huge segment":      {change(64+32, 0, 0, 0, 0, 1), "at most"},
		"segment far away":  {change(64+8, 0, 0, 0, 0, 1), "at most"},
		"segment not there": {change(64+32, 0, 0, 1), "unexpected EOF"},
	} {
		_, err := imagebuild.Strip(bytes.NewReader(test.file))
		require.ErrorContains(t, err, test.says, name)
	}
}

func FuzzStrip(f *testing.F) {
	f.Add(small())
	f.Add(small()[:0x1c0])
	f.Fuzz(func(t *testing.T, file []byte) {
		stripped, err := imagebuild.Strip(bytes.NewReader(file))
		if err != nil {
			return
		}
		if _, err := elf.NewFile(bytes.NewReader(stripped)); err != nil {
			t.Fatal("a stripped file is not one:", err)
		}
	})
}
