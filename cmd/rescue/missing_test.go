package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/symbols"
)

// spoilMain writes an instruction over the first of main.main, and gives where
// that is.
func spoilMain(t *testing.T, image string, instruction []byte) uint64 {
	t.Helper()
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	table, err := symbols.Open(bytes.NewReader(data))
	require.NoError(t, err)
	address, found := table.SymbolAddress("main.main")
	require.True(t, found)
	file, err := elf.NewFile(bytes.NewReader(data))
	require.NoError(t, err)
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && address-p.Vaddr < p.Filesz {
			copy(data[p.Off+address-p.Vaddr:], instruction)
		}
	}
	require.NoError(t, os.WriteFile(image, data, 0o600))
	return address
}

// An instruction that the emulator lacks ends a drill with all that one needs to
// know of it: its bytes, what it is, where it is, and all registers.
func TestDrillOfMissingInstruction(t *testing.T) {
	t.Parallel()
	needGo(t)
	for _, test := range []struct {
		arch        string
		instruction []byte
		says        []string // %#x: where it is
	}{
		{"amd64", []byte{0xc5, 0xfc, 0x77}, []string{"an instruction that is not there: c5 fc 77 ", " vzeroall at %#x, ring 3", "registers rax=0x", " rip=%#x rflags=0x", " cr3=0x"}},
		{"arm64", []byte{0x00, 0x80, 0x20, 0x05}, []string{"an instruction that is not emulated: 00 80 20 05 .word 0x05208000 at %#x, EL0", "registers pc=%#x x0=0x", " x30=0x", " ttbr0_el1=0x"}},
	} {
		t.Run(test.arch, func(t *testing.T) {
			t.Parallel()
			image := filepath.Join(t.TempDir(), "host")
			requireDone(t, "build", "--arch", test.arch, "-o", image, host)
			at := spoilMain(t, image, test.instruction)
			r := requireFails(t, exitOther, "drill failed: boot: ", "drill", "--arch", test.arch, "--host", image, "--rescue", image)
			for _, text := range test.says {
				if strings.Contains(text, "%") {
					text = fmt.Sprintf(text, at)
				}
				require.Contains(t, r.errors, text)
			}
		})
	}
}
