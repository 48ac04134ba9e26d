package symbols_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/symbols"
	"github.com/seed64aab995/rescuekernel/symbols/symbolstest"
)

// functionTableELF is an ELF file with one Go function, main.f, of 16 bytes at
// 0x1000, whose lines are 10 for 4 bytes and then 12, in file f.go.
func functionTableELF() []byte {
	le := binary.LittleEndian
	const header = 72
	table := make([]byte, header)
	le.PutUint32(table, 0xfffffff1)
	table[6], table[7] = 1, 8
	le.PutUint64(table[8:], 1)  // functions
	le.PutUint64(table[16:], 1) // files
	part := func(i int, data []byte) {
		le.PutUint64(table[8+8*(3+i):], uint64(len(table)))
		table = append(table, data...)
	}
	part(0, []byte("\x00main.f\x00"))
	part(1, make([]byte, 4))
	part(2, []byte("f.go\x00"))
	part(3, []byte{
		0,           // offset 0 means no program
		2, 16, 0, 0, // file 0 for 16 bytes
		22, 4, 4, 12, 0, // -1+11 = 10 for 4, then 12 for 12
	})
	functions := le.AppendUint32(nil, 0)
	functions = le.AppendUint32(functions, 12)
	functions = le.AppendUint32(functions, 16)
	for _, field := range []uint32{0, 1, 0, 0, 0, 1, 5, 0, 0, 9} {
		functions = le.AppendUint32(functions, field)
	}
	part(4, functions)
	return symbolstest.File{
		Machine: elf.EM_X86_64,
		Sections: []symbolstest.Section{
			{Name: ".text", Address: 0x1000, Data: make([]byte, 16)},
			{Name: ".gopclntab", Address: 0x2000, Data: table},
		},
	}.Build()
}

func TestFunctionTable(t *testing.T) {
	t.Parallel()
	data := functionTableELF()
	table, err := symbols.Open(bytes.NewReader(data))
	require.NoError(t, err)
	s, ok := table.Lookup("main.f")
	require.True(t, ok)
	require.Equal(t, symbols.Symbol{Name: "main.f", Address: 0x1000, Size: 16, Function: true}, s)
	for pc, want := range map[uint64]int{0x1000: 10, 0x1003: 10, 0x1004: 12, 0x100f: 12} {
		file, line, ok := table.Line(pc)
		require.True(t, ok, "%#x", pc)
		require.Equal(t, "f.go", file)
		require.Equal(t, want, line, "%#x", pc)
	}
	for _, pc := range []uint64{0, 0xfff, 0x1010, ^uint64(0)} {
		_, _, ok := table.Line(pc)
		require.False(t, ok, "%#x", pc)
		require.NotContains(t, table.Format(pc), "main.f")
	}
}

// Every way to break the header is an error, never a wrong table.
func TestFunctionTableBroken(t *testing.T) {
	t.Parallel()
	whole := functionTableELF()
	start := bytes.Index(whole, []byte{0xf1, 0xff, 0xff, 0xff})
	for name, change := range map[string]func(table []byte){
		"magic":        func(table []byte) { table[0] = 0xfb },
		"pointers":     func(table []byte) { table[7] = 4 },
		"count":        func(table []byte) { binary.LittleEndian.PutUint64(table[8:], 1<<40) },
		"names offset": func(table []byte) { binary.LittleEndian.PutUint64(table[32:], 1<<62) },
		"functions":    func(table []byte) { binary.LittleEndian.PutUint64(table[64:], 1<<30) },
	} {
		data := bytes.Clone(whole)
		change(data[start:])
		_, err := symbols.Open(bytes.NewReader(data))
		require.ErrorIs(t, err, symbols.ErrNoSymbols, name)
	}
}

const program = `package main

//go:noinline
func marker(n int) int {
	if n == 0 {
		return 1
	}
	return n * marker(n-1) // line 8
}

func main() { println(marker(5)) }
`

// buildProgram links program for an architecture, in the way that flags say.
func buildProgram(t *testing.T, architecture string, flags ...string) string {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go tool to build a program with")
	}
	directory := t.TempDir()
	source := filepath.Join(directory, "main.go")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	out := filepath.Join(directory, "program")
	command := exec.Command(tool, append([]string{"build", "-o", out}, append(flags, source)...)...)
	command.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+architecture, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return out
}

// A stripped Go program, where .text is not at the usual place either, has
// the same answers as one with its symbol table.
func TestGoPrograms(t *testing.T) {
	t.Parallel()
	for _, architecture := range []string{"amd64", "arm64"} {
		t.Run(architecture, func(t *testing.T) {
			t.Parallel()
			full := openFile(t, buildProgram(t, architecture, "-ldflags=-T 0x500000411000"))
			stripped := openFile(t, buildProgram(t, architecture, "-ldflags=-s -w -T 0x500000411000"))
			require.Equal(t, architecture, stripped.Architecture())
			require.NotEmpty(t, stripped.GoBuildID())
			for _, name := range []string{"main.marker", "main.main", "runtime.mallocgc", "runtime.goexit"} {
				want, ok := full.Lookup(name)
				require.True(t, ok, name)
				got, ok := stripped.Lookup(name)
				require.True(t, ok, name)
				require.Equal(t, want.Address, got.Address, name)
				require.Equal(t, name+"+0x4", stripped.Format(got.Address+4))
			}
			marker, _ := stripped.Lookup("main.marker")
			file, line, ok := stripped.Line(marker.Address)
			require.True(t, ok)
			require.Equal(t, "main.go", filepath.Base(file))
			require.Equal(t, 4, line)
			lines := map[int]bool{}
			for pc := marker.Address; pc < marker.Address+marker.Size; pc += 4 {
				_, line, _ := stripped.Line(pc)
				lines[line] = true
			}
			require.True(t, lines[6] && lines[8], "lines %v", lines)
			code := make([]byte, 16)
			_, err := stripped.ReadVirtual(code, marker.Address)
			require.NoError(t, err)
			require.NotEqual(t, make([]byte, 16), code)
		})
	}
}

func openFile(t *testing.T, path string) *symbols.Table {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	table, err := symbols.Open(file)
	require.NoError(t, err)
	return table
}
