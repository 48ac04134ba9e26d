package minidump

import (
	"bytes"
	"context"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// debuggee is a program of which a machine runs nothing: its image lies in
// memory, as if it were a kernel that has just been loaded.
const debuggee = `package main

var Answer = 0x1234abcd

var Text = "text in the data of the host"

//go:noinline
func Crash(n int) int { Answer += n; return Answer }

func main() { println(Crash(1), Text) }
`

// buildDebuggee builds it for an architecture, linked at a kernel's address.
func buildDebuggee(t *testing.T, architecture string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
	directory := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "main.go"), []byte(debuggee), 0o600))
	program := filepath.Join(directory, "host")
	build := exec.Command("go", "build", "-o", program, "-ldflags", "-T 0x500000411000", "main.go")
	build.Dir = directory
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+architecture, "CGO_ENABLED=0", "GO111MODULE=off", "GOFLAGS=")
	out, err := build.CombinedOutput()
	if err != nil {
		t.Skipf("building a program: %v: %s", err, out)
	}
	return program
}

// loadedMachine has the program's segments in memory, mapped with small pages
// in the kernel's window, and a page of stack behind them.
func loadedMachine(t *testing.T, program *elf.File, architecture Architecture) (m *machine, stack uint64) {
	t.Helper()
	ram := []physmem.Range{{Start: 0x40000000, End: 0x41000000}}
	m = &machine{
		config:    machineConfig{name: "loaded", architecture: architecture, levels: 4, pageSize: 4096, ram: ram, kernelSize: 1 << 30, density: 1 << 30},
		memory:    &patternMemory{ram: ram, written: map[physmem.Address][]byte{}},
		available: ram, kernelBase: 0x500000000000, kernelEnd: 0x500040000000,
		directBase: 0x400000000000, directEnd: 0x500000000000, ring: make([]byte, generatedRing),
	}
	m.frames()
	m.root = m.newTable()
	pa := ram[0].Start + 0x10000
	end := uint64(0)
	for _, p := range program.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		data := make([]byte, (p.Memsz+p.Vaddr%4096+4095)&^4095)
		_, err := io.ReadFull(p.Open(), data[p.Vaddr%4096:][:p.Filesz])
		require.NoError(t, err)
		m.memory.write(data, pa)
		for at := 0; at < len(data); at += 4096 {
			m.mapLeaf(p.Vaddr&^4095+uint64(at), pa+physmem.Address(at), 4096)
		}
		pa += physmem.Address(len(data))
		end = max(end, p.Vaddr+p.Memsz)
	}
	stack = (end+0xffff)&^0xffff + 0x10000
	m.memory.write(make([]byte, 4096), pa)
	m.mapLeaf(stack, pa, 4096)
	return m, stack
}

// debuggeeCPUs are two CPUs, of which the second panicked at pc.
func debuggeeCPUs(t *testing.T, architecture Architecture, pc, sp uint64) []CPUNote {
	t.Helper()
	cpus := []CPUNote{{Number: 0, Architecture: architecture}, {Number: 4, Flags: CPUPanicked, Architecture: architecture}}
	for i := range cpus {
		var err error
		if architecture == AMD64 {
			s := amd64.CPUState{Valid: amd64.StateGeneral, RIP: pc, RSP: sp}
			cpus[i].State, err = s.AppendBinary(nil)
		} else {
			s := arm64.CPUState{Valid: arm64.StateGeneral, PC: pc, SP: sp}
			cpus[i].State, err = s.AppendBinary(nil)
		}
		require.NoError(t, err)
		sp += 8
	}
	return cpus
}

// debuggerCore writes a core of the program with one CPU at the start of
// Crash.
func debuggerCore(t *testing.T, program string, architecture Architecture) string {
	t.Helper()
	f, err := elf.Open(program)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	m, stack := loadedMachine(t, f, architecture)
	s := m.source()
	s.Bitmap = nil // all pages
	s.AMD64, s.ARM64 = amd64.Paging{Root: m.root}, arm64.Paging{Root: m.root}
	s = m.withNotes(s, 1)
	symbols, err := f.Symbols()
	require.NoError(t, err)
	var pc uint64
	for _, symbol := range symbols {
		if symbol.Name == "main.Crash" {
			pc = symbol.Value
		}
	}
	require.NotZero(t, pc)
	s.Notes.CPUs = debuggeeCPUs(t, architecture, pc, stack+0x7f8)
	_, _, r := openDump(t, s)
	c, err := NewELFCore(context.Background(), r)
	require.NoError(t, err)
	var w bytes.Buffer
	_, err = c.WriteTo(&w)
	require.NoError(t, err)
	return writeFile(t, "core", w.Bytes())
}

// debugger runs a debugger and returns what it says.
func debugger(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	command := exec.Command(path, arguments...)
	command.Env = append(os.Environ(), debuggerHome(t)...)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// debuggerHome is the environment of a debugger that keeps out of the user's
// files. Go's telemetry is off in it: Delve and the go command that it runs
// would start a process of their own for it, which outlives them and writes
// into the directory while the test removes it.
func debuggerHome(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	configuration := filepath.Join(home, "configuration")
	for _, directory := range []string{ // what os.UserConfigDir gives: Unix, macOS, Windows
		configuration, filepath.Join(home, "Library", "Application Support"), filepath.Join(home, "AppData"),
	} {
		telemetry := filepath.Join(directory, "go", "telemetry")
		require.NoError(t, os.MkdirAll(telemetry, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(telemetry, "mode"), []byte("off"), 0o600))
	}
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + configuration, "AppData=" + filepath.Join(home, "AppData")}
}

func requireNoComplaint(t *testing.T, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		lower := strings.ToLower(line)
		for _, word := range []string{"warning", "error", "cannot", "corrupt", "truncated", "unable"} {
			require.NotContains(t, lower, word, "%s", out)
		}
	}
}

func TestGDB(t *testing.T) {
	t.Parallel()
	for _, architecture := range []Architecture{AMD64, ARM64} {
		t.Run(architecture.String(), func(t *testing.T) {
			t.Parallel()
			program := buildDebuggee(t, architecture.String())
			core := debuggerCore(t, program, architecture)
			if architecture == ARM64 && exec.Command("gdb", "-batch", "-nx", "-ex", "set architecture aarch64").Run() != nil {
				t.Skip("this gdb does not know arm64")
			}
			out := debugger(t, "gdb", "-batch", "-nx", "-iex", "set auto-load off", "-iex", "set python print-stack none", program, core,
				"-ex", "info threads", "-ex", "x/1gx &main.Answer", "-ex", "info symbol $pc", "-ex", "info registers "+map[Architecture]string{AMD64: "rsp", ARM64: "sp"}[architecture])
			requireNoComplaint(t, out)
			require.Contains(t, out, "0x000000001234abcd")
			require.Contains(t, out, "main[Crash] in section .text")
			require.Regexp(t, "sp +0x5[0-9a-f]*0800", out)
			require.Contains(t, out, "LWP 5") // CPU 4 panicked, and comes first
		})
	}
}

func TestDelve(t *testing.T) {
	t.Parallel()
	for _, architecture := range []Architecture{AMD64, ARM64} {
		t.Run(architecture.String(), func(t *testing.T) {
			t.Parallel()
			program := buildDebuggee(t, architecture.String())
			core := debuggerCore(t, program, architecture)
			script := writeFile(t, "script", []byte("threads\nprint %x main.Answer\nprint main.Text\nregs\nexit\n"))
			out := debugger(t, "dlv", "core", program, core, "--init", script, "--allow-non-terminal-interactive=true")
			require.Contains(t, out, "main.Crash")
			require.Contains(t, out, "1234abcd")
			require.Contains(t, out, "text in the data of the host")
			requireNoComplaint(t, out)
		})
	}
}
