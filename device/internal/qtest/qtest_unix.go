//go:build unix

package qtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Board is a machine that QEMU makes.
type Board struct {
	Binary  string
	Machine string
	RAM     physmem.Address // where RAM begins
	PortsAt physmem.Address // where I/O ports are in memory; 0: they are ports
}

// The boards.
var (
	Q35     = Board{Binary: "qemu-system-x86_64", Machine: "q35"}
	MicroVM = Board{Binary: "qemu-system-x86_64", Machine: "microvm,acpi=off"}
	// Virt is the arm64 board (QEMU hw/arm/virt.c: VIRT_MEM, VIRT_PCIE_PIO).
	Virt = Board{Binary: "qemu-system-aarch64", Machine: "virt,highmem=off", RAM: 1 << 30, PortsAt: 0x3eff_0000}
)

// RAMSize is the RAM of a machine.
const RAMSize = 32 << 20

// Machine is a QEMU that waits to be told what to do. It is a device.Bus.
type Machine struct {
	t        testing.TB
	board    Board
	in       io.Writer
	out      *bufio.Reader
	memory   []byte
	Accesses int // to registers
}

var _ device.Bus = (*Machine)(nil)

// Start starts a board for the test, with more arguments of QEMU's. Without QEMU
// the test is skipped.
func Start(t testing.TB, board Board, arguments ...string) *Machine {
	t.Helper()
	path, err := exec.LookPath(board.Binary)
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "qtest") // no comma in it, as tests' names have
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ram := filepath.Join(dir, "ram")
	f, err := os.Create(ram)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(RAMSize))
	m := &Machine{t: t, board: board}
	m.memory, err = unix.Mmap(int(f.Fd()), 0, RAMSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	command := exec.Command(path, append([]string{
		"-machine", board.Machine + ",memory-backend=ram", "-m", strconv.Itoa(RAMSize>>20) + "M",
		"-object", fmt.Sprintf("memory-backend-file,id=ram,share=on,size=%d,mem-path=%s", RAMSize, ram),
		"-accel", "tcg", "-S", "-qtest", "stdio", "-qtest-log", "/dev/null", "-display", "none", "-nodefaults", "-no-user-config",
	}, arguments...)...)
	var stderr strings.Builder
	command.Stderr = &stderr
	m.in, err = command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	m.out = bufio.NewReader(out)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // the process that this test has started
		_ = command.Wait()
		require.NoError(t, unix.Munmap(m.memory))
		if t.Failed() && stderr.Len() > 0 {
			t.Log(stderr.String())
		}
	})
	return m
}

// DMA is where drivers do DMA: the upper half of RAM.
func (m *Machine) DMA() device.Region {
	return device.Region{Memory: m.memory[RAMSize/2:], Address: m.board.RAM + RAMSize/2}
}

// Board is what the machine is.
func (m *Machine) Board() Board { return m.board }

// do sends a command and returns the number that it is answered with.
func (m *Machine) do(format string, a ...any) uint64 {
	m.Accesses++
	if _, err := fmt.Fprintf(m.in, format+"\n", a...); err != nil {
		m.t.Fatalf("QEMU does not listen: %v", err)
	}
	for {
		line, err := m.out.ReadString('\n')
		fields := strings.Fields(line)
		switch {
		case err != nil || len(fields) == 0 || fields[0] == "FAIL" || fields[0] == "ERR":
			m.t.Fatalf("QEMU answers %q to %q: %v", line, fmt.Sprintf(format, a...), err)
		case fields[0] == "IRQ":
		case len(fields) == 1:
			return 0
		default:
			v, err := strconv.ParseUint(fields[1], 0, 64)
			require.NoError(m.t, err, line)
			return v
		}
	}
}

// Ports implements device.Bus.
func (m *Machine) Ports(base, count uint16) (device.Registers, error) {
	if m.board.PortsAt != 0 {
		return &registers{m, "read", "write", uint64(m.board.PortsAt) + uint64(base)}, nil
	}
	return &registers{m, "in", "out", uint64(base)}, nil
}

// Memory implements device.Bus.
func (m *Machine) Memory(r physmem.Range) (device.Registers, error) {
	return &registers{m, "read", "write", uint64(r.Start)}, nil
}

// registers are reached by the commands read and write, each with a width.
type registers struct {
	machine     *Machine
	read, write string
	base        uint64
}

func (r *registers) get(width string, offset uint64) uint64 {
	return r.machine.do("%s%s %#x", r.read, width, r.base+offset)
}

func (r *registers) put(width string, offset, v uint64) {
	r.machine.do("%s%s %#x %#x", r.write, width, r.base+offset, v)
}

func (r *registers) Read8(offset uint64) uint8       { return uint8(r.get("b", offset)) }
func (r *registers) Read16(offset uint64) uint16     { return uint16(r.get("w", offset)) }
func (r *registers) Read32(offset uint64) uint32     { return uint32(r.get("l", offset)) }
func (r *registers) Read64(offset uint64) uint64     { return r.get("q", offset) }
func (r *registers) Write8(offset uint64, v uint8)   { r.put("b", offset, uint64(v)) }
func (r *registers) Write16(offset uint64, v uint16) { r.put("w", offset, uint64(v)) }
func (r *registers) Write32(offset uint64, v uint32) { r.put("l", offset, uint64(v)) }
func (r *registers) Write64(offset uint64, v uint64) { r.put("q", offset, v) }
