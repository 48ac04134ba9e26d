package qemu_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestContract(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, machinetest.Runner{New: qemu.New, Architecture: machine.AMD64})
}

func TestContractARM64(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, machinetest.Runner{
		New: qemu.NewARM64, Architecture: machine.ARM64, DiskArguments: "0xa003e00 0xa003c00 0xa003a00",
	})
}

// boot makes a machine that is at the first instruction of its image.
func boot(t testing.TB, options qemu.Options, config machine.Config, entry uint64) (context.Context, machine.Machine) {
	t.Helper()
	m, err := options.New(config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	exit, err := m.RunTo(ctx, entry)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	return ctx, m
}

func read(t *testing.T, m machine.Machine, at, n uint64) []byte {
	t.Helper()
	p := make([]byte, n)
	_, err := m.Memory().ReadPhysical(p, physmem.Address(at))
	require.NoError(t, err)
	return p
}

// TestBootParameters: QEMU's loader hands over command line and initrd.
func TestBootParameters(t *testing.T) {
	t.Parallel()
	initrd := bytes.Repeat([]byte("initrd"), 1000)
	_, m := boot(t, qemu.Options{}, machine.Config{Boot: machine.Boot{
		Image: machinetest.Image([]byte{0xf4}), CommandLine: "rescue=on", Modules: []machine.Module{{Data: initrd}},
	}}, machinetest.Entry)
	state, err := m.State(0)
	require.NoError(t, err)
	order := binary.LittleEndian
	info := read(t, m, state.(*machine.AMD64State).Registers[machine.RBX], 56) // hvm_start_info
	require.EqualValues(t, 0x336ec578, order.Uint32(info))
	require.EqualValues(t, 1, order.Uint32(info[12:]))
	module := read(t, m, order.Uint64(info[16:]), 16)
	require.Equal(t, initrd, read(t, m, order.Uint64(module), order.Uint64(module[8:])))
	require.Equal(t, "rescue=on\x00", string(read(t, m, order.Uint64(info[24:]), 10)))
}

// TestBoards runs on other boards and CPUs than the standard ones.
func TestBoards(t *testing.T) {
	t.Parallel()
	amd64, arm64 := machinetest.Image([]byte{0xf4}), machinetest.ARM64Image([]byte{0x00, 0x00, 0x00, 0x14})
	for name, test := range map[string]struct {
		options qemu.Options
		image   []byte
		entry   uint64
	}{
		"pc":       {qemu.Options{Board: "pc", CPU: "qemu64"}, amd64, machinetest.Entry},
		"microvm":  {qemu.Options{Board: "microvm"}, amd64, machinetest.Entry},
		"gicv3":    {qemu.Options{Architecture: machine.ARM64, Board: "virt,gic-version=3", CPU: "cortex-a72"}, arm64, machinetest.ARM64Entry},
		"EL2":      {qemu.Options{Architecture: machine.ARM64, Board: "virt,virtualization=on", CPU: "max"}, arm64, machinetest.ARM64Entry},
		"argument": {qemu.Options{Arguments: []string{"-device", "virtio-rng-pci"}}, amd64, machinetest.Entry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			boot(t, test.options, machine.Config{Boot: machine.Boot{Image: test.image}}, test.entry)
		})
	}
}

// TestAfterDebugExit: QEMU has ended, and RAM is there.
func TestAfterDebugExit(t *testing.T) {
	t.Parallel()
	code := []byte{
		0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // inc qword [0x200000]
		0xb0, 3, 0xe6, 0xf4, // mov al, 3; out 0xf4, al
	}
	ctx, m := boot(t, qemu.Options{}, machine.Config{Boot: machine.Boot{Image: machinetest.Image(code)}}, machinetest.Entry)
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v", exit)
	require.EqualValues(t, 3, exit.Code)
	_, err = m.State(0)
	require.ErrorIs(t, err, machine.ErrUnsupported)
	_, err = m.Run(ctx)
	require.ErrorIs(t, err, machine.ErrUnsupported)
	require.EqualValues(t, 1, read(t, m, 0x200000, 1)[0])
	s, err := m.Snapshot()
	require.NoError(t, err)
	require.Equal(t, []machine.State{nil}, s.CPUs)

	require.NoError(t, m.Reset())
	exit, err = m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v", exit)
	require.EqualValues(t, 2, read(t, m, 0x200000, 1)[0])
}

// TestDisk: the guest's controller finds the disk; its contents are read by
// drivers' tests.
func TestDisk(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<20))
	defer f.Close()
	config := machine.Config{Boot: machine.Boot{Image: machinetest.Image([]byte{0xf4})}, Disks: []machine.Disk{{Name: "dump", Size: 1 << 20, Storage: f}}}
	boot(t, qemu.Options{}, config, machinetest.Entry)
	config.Disks[0].Storage = nil
	_, err = qemu.New(config)
	require.ErrorIs(t, err, machine.ErrUnsupported)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	_, err := qemu.Options{Binary: "qemu-system-none"}.New(machine.Config{})
	require.ErrorIs(t, err, machine.ErrUnavailable)
	require.ErrorContains(t, err, "qemu-system-none")
	_, err = qemu.Options{Architecture: "vax"}.New(machine.Config{})
	require.ErrorIs(t, err, machine.ErrUnsupported)
	for name, config := range map[string]machine.Config{
		"RAM": {RAM: physmem.Ranges{{Start: 0, End: 0x1000000}}}, "pages": {MemorySize: 0x1800},
		"devices": {Devices: make([]machine.Device, 1)}, "modules": {Boot: machine.Boot{Modules: make([]machine.Module, 2)}},
		"module's command line": {Boot: machine.Boot{Modules: []machine.Module{{CommandLine: "x"}}}},
		"RSDP":                  {Boot: machine.Boot{RSDP: 1}}, "Linux64": {Boot: machine.Boot{Protocol: machine.Linux64}},
	} {
		_, err := qemu.New(config)
		require.ErrorIs(t, err, machine.ErrUnsupported, name)
	}
	// What QEMU says of it is in the error.
	_, err = qemu.Options{CPU: "no-such-cpu"}.New(machine.Config{})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.ErrorContains(t, err, "no-such-cpu")
}

// TestLeavesNothing wants QEMU, descriptors and files to be gone.
func TestLeavesNothing(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	children := func() (n int) {
		names, _ := filepath.Glob("/proc/self/task/*/children")
		for _, name := range names {
			b, _ := os.ReadFile(name) // a thread that is gone has none
			n += len(strings.Fields(string(b)))
		}
		return n
	}
	t.Setenv("TMPDIR", t.TempDir())
	once := func() {
		_, m := boot(t, qemu.Options{}, machine.Config{Boot: machine.Boot{Image: machinetest.Image([]byte{0xf4})}}, machinetest.Entry)
		require.NoError(t, m.Close())
	}
	once()
	descriptors, processes := count(), children()
	for range 3 {
		once()
	}
	require.LessOrEqual(t, count(), descriptors)
	require.LessOrEqual(t, children(), processes)
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

func BenchmarkBoot(b *testing.B) {
	for b.Loop() {
		_, m := boot(b, qemu.Options{}, machine.Config{Boot: machine.Boot{Image: machinetest.Image([]byte{0xf4})}}, machinetest.Entry)
		require.NoError(b, m.Close())
	}
}

func BenchmarkStep(b *testing.B) {
	ctx, m := boot(b, qemu.Options{}, machine.Config{Boot: machine.Boot{Image: machinetest.Image([]byte{0xeb, 0xfe})}}, machinetest.Entry)
	for b.Loop() {
		if _, err := m.Step(ctx, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTaskRegister: a state whose task register was loaded, as that of every
// kernel, can be set.
func TestTaskRegister(t *testing.T) {
	t.Parallel()
	m, err := qemu.New(machine.Config{})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	s := machine.LongModeState(0x10_0000, 0x20_0000)
	const presentBusyTSS = 0x8b
	s.GDTR = machine.DescriptorTable{Base: 0x30_0000, Limit: 0x7f}
	s.TR = machine.Segment{Selector: 0x38, Base: 0x30_1000, Limit: 0x67, Access: presentBusyTSS}
	require.NoError(t, m.SetState(0, s))
	state, err := m.State(0)
	require.NoError(t, err)
	require.Equal(t, s.TR.Base, state.(*machine.AMD64State).TR.Base)
	require.Equal(t, s.TR.Selector, state.(*machine.AMD64State).TR.Selector)
}
