package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/symbols/symbolstest"
)

// The test host is an amd64 machine with 256 KiB of memory, whose kernel has
// the pages of one table at hostKernel: code, data, a stack.
const (
	hostRAM    = physmem.Address(0x100000)
	hostSize   = 0x40000
	hostKernel = uint64(0xfffffe0000000000)
	hostFirst  = physmem.Address(0x110000) // mapped at hostKernel
	hostPages  = 32
	hostNotes  = physmem.Address(0x13e000)

	hostCode  = hostKernel + 0x1000
	hostData  = hostKernel + 0x2000
	hostStack = hostKernel + 0x8000
	hostDmap  = uint64(0xfffff80000000000)
	hostBuild = "go/test/build"
)

var hostText = []byte{
	0x55, 0x48, 0x89, 0xe5, // push %rbp; mov %rsp,%rbp
	0xe8, 0x07, 0, 0, 0, // call crash, 16 bytes from the start
	0x5d, 0xc3, // pop %rbp; ret
}

const hostLog = "host: booting\nhost: \x1b[1mpanic\x1b[m: test\n"

// hostELF is the kernel of the test host.
func hostELF(build string) []byte {
	text := make([]byte, 0x100)
	copy(text, hostText)
	return symbolstest.File{
		Machine:   elf.EM_X86_64,
		GoBuildID: build,
		Sections: []symbolstest.Section{
			{Name: ".text", Address: hostCode, Data: text},
			{Name: ".bss", Address: hostData, Size: 0x1000},
			{Name: ".rodata", Address: hostKernel + 0x100000, Data: []byte{0x90, 0xc3}}, // not mapped
		},
		Symbols: []symbolstest.Symbol{
			{Name: "main.main", Section: ".text", Address: hostCode, Size: 0x10, Type: elf.STT_FUNC},
			{Name: "main.crash", Section: ".text", Address: hostCode + 0x10, Size: 0x10, Type: elf.STT_FUNC},
			{Name: "counter", Section: ".bss", Address: hostData, Size: 4, Type: elf.STT_OBJECT},
			{Name: "constant", Section: ".rodata", Address: hostKernel + 0x100000, Size: 2, Type: elf.STT_OBJECT},
		},
	}.Build()
}

// hostMemory is the memory of the test host.
func hostMemory() *physmem.Bytes {
	ram := make([]byte, hostSize)
	put := func(address physmem.Address, data []byte) { copy(ram[address-hostRAM:], data) }
	word := func(address physmem.Address, value uint64) {
		binary.LittleEndian.PutUint64(ram[address-hostRAM:], value)
	}
	const present, writable = 1, 2
	// Entries 508 and 0 of PML4, PDPT and PD lead to the one page table.
	word(hostRAM+508*8, uint64(hostRAM+0x1000)|present|writable)
	word(hostRAM+0x1000, uint64(hostRAM+0x2000)|present|writable)
	word(hostRAM+0x2000, uint64(hostRAM+0x3000)|present|writable)
	for i := range physmem.Address(hostPages) {
		word(hostRAM+0x3000+8*i, uint64(hostFirst+i*0x1000)|present|writable)
	}
	at := func(virtual uint64) physmem.Address { return hostFirst + physmem.Address(virtual-hostKernel) }
	put(at(hostCode), hostText)
	put(at(hostData), []byte{0x2a, 0, 0, 0})
	word(at(hostStack), hostStack+0x20) // main.crash was called by main.main,
	word(at(hostStack)+8, hostCode+9)
	word(at(hostStack)+0x20, 0) // and that by nobody
	return physmem.NewBytes(hostRAM, ram)
}

// hostSource is what a rescue program would dump.
func hostSource() minidump.Source {
	return minidump.Source{
		Architecture: minidump.AMD64,
		Memory:       hostMemory(),
		Readable:     physmem.Ranges{{Start: hostRAM, End: hostRAM + hostSize}},
		Redact:       physmem.Ranges{{Start: 0x120000, End: 0x122000}},
		AMD64:        amd64.Paging{Root: hostRAM},
		KernelBase:   hostKernel, KernelEnd: hostKernel + 1<<21,
		DirectMapBase: hostDmap, DirectMapEnd: hostDmap + 1<<30,
		MessageBuffer: minidump.MessageBuffer{
			Content: bytes.NewReader(append([]byte(hostLog), make([]byte, 512-len(hostLog))...)), Positioned: true, Position: uint64(len(hostLog))},
		NotesArea: physmem.Range{Start: hostNotes, End: hostNotes + 0x2000},
		Notes: minidump.Notes{
			BuildID: []byte(hostBuild), HostName: "testhost", Panic: "test", Version: "host 1.0",
			CPUs: hostCPUs(),
		},
	}
}

// hostDump writes the test host's dump, and its kernel, into a directory.
func hostDump(t *testing.T, change ...func(s *minidump.Source)) (dump, kernel string) {
	t.Helper()
	source := hostSource()
	for _, f := range change {
		f(&source)
	}
	d, err := minidump.NewDumper(source)
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = d.WriteTo(&b)
	require.NoError(t, err)
	return writeTemporary(t, "vmcore", b.Bytes()), writeTemporary(t, "kernel", hostELF(hostBuild))
}

func writeTemporary(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}
