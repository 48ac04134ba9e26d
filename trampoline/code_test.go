package trampoline_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/trampoline"
	"github.com/seed64aab995/rescuekernel/trampoline/internal/generate"
)

// instruction is one of the trampoline's.
type instruction struct {
	offset int
	text   string // Intel syntax, upper case, the next instruction's address as [NEXT]
	length int
	inst   x86asm.Inst
}

// endbr64 is the one that x86asm does not know.
var endbr64 = []byte{0xf3, 0x0f, 0x1e, 0xfa}

// disassemble takes code apart up to the entry field, which follows the last
// jump, and the interrupt stub behind it.
func disassemble(t tester) (handOff, interrupt []instruction) {
	t.Helper()
	code, err := trampoline.Code(handoff.AMD64)
	require.NoError(t, err)
	handOff = disassembleUntil(t, code, 0, x86asm.JMP)
	last := handOff[len(handOff)-1]
	stub := last.offset + last.length + 8 // the field
	stub = (stub + 15) &^ 15
	return handOff, disassembleUntil(t, code, stub, x86asm.IRETQ)
}

func disassembleUntil(t tester, code []byte, offset int, end x86asm.Op) []instruction {
	var found []instruction
	for {
		if bytes.HasPrefix(code[offset:], endbr64) {
			found = append(found, instruction{offset: offset, text: "ENDBR64", length: 4})
			offset += 4
			continue
		}
		inst, err := x86asm.Decode(code[offset:], 64)
		require.NoError(t, err, "at %#x", offset)
		require.NotZero(t, inst.Op, "at %#x", offset)
		text := strings.ToUpper(x86asm.IntelSyntax(inst, uint64(offset), nil))
		found = append(found, instruction{offset, text, inst.Len, inst})
		if inst.Op == end {
			return found
		}
		offset += inst.Len
	}
}

// offsetOf is where an instruction is that occurs once.
func offsetOf(t tester, text string) uint64 {
	t.Helper()
	code, _ := disassemble(t)
	for _, i := range code {
		if i.text == text {
			return uint64(i.offset)
		}
	}
	require.Fail(t, "no instruction "+text)
	return 0
}

func TestDisassembly(t *testing.T) {
	t.Parallel()
	code, stub := disassemble(t)
	var b strings.Builder
	for _, i := range append(code, stub...) {
		fmt.Fprintf(&b, "%03x  %s\n", i.offset, i.text)
	}
	golden(t, "amd64.txt", []byte(b.String()))
	require.Equal(t, trampoline.Instructions, len(code))
}

// TestNoHostMemory: every operand in memory is a field of the page, the
// trampoline's stack, or the quadword behind the jump.
func TestNoHostMemory(t *testing.T) {
	t.Parallel()
	code, stub := disassemble(t)
	for _, i := range append(code, stub...) {
		for _, arg := range i.inst.Args {
			m, ok := arg.(x86asm.Mem)
			if !ok {
				continue
			}
			require.Contains(t, []x86asm.Reg{x86asm.R15, x86asm.RIP, x86asm.RSP}, m.Base, i.text)
			require.Zero(t, m.Index, i.text)
			require.Less(t, m.Disp, int64(trampoline.PageSize), i.text)
		}
	}
}

// TestGenerated builds the trampoline anew and compares it with what is
// committed.
func TestGenerated(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
	for _, make := range []func() (*generate.Trampoline, error){generate.AMD64, generate.ARM64} {
		made, err := make()
		require.NoError(t, err)
		file, err := made.GoFile()
		require.NoError(t, err)
		committed, err := os.ReadFile(made.File())
		require.NoError(t, err)
		require.Equal(t, string(committed), string(file), "run go generate ./trampoline")
	}
}

// TestContextLoader assembles testdata/context.s anew.
func TestContextLoader(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"as", "objcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not in PATH", tool)
		}
	}
	dir := t.TempDir()
	object, binary := filepath.Join(dir, "context.o"), filepath.Join(dir, "context.bin")
	for _, command := range [][]string{
		{"as", "--64", "-o", object, "testdata/context.s"},
		{"objcopy", "-O", "binary", "-j", ".text", object, binary},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("this %s is not GNU's for x86-64: %v: %s", command[0], err, out)
		}
	}
	made, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.Equal(t, contextLoader(t), made)
}

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}
