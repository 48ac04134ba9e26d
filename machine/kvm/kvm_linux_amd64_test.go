package kvm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// boot makes a machine that is at the first instruction of code.
func boot(t testing.TB, code []byte, config machine.Config) (context.Context, machine.Machine) {
	t.Helper()
	config.Boot.Image = machinetest.Image(code)
	m, err := kvm.New(config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	exit, err := m.RunTo(ctx, machinetest.Entry)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	return ctx, m
}

func run(t testing.TB, ctx context.Context, m machine.Machine, want machine.Reason) machine.Exit {
	t.Helper()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, want, exit.Reason, "%v", exit)
	return exit
}

func stateOf(t testing.TB, m machine.Machine, cpu int) *machine.AMD64State {
	t.Helper()
	s, err := m.State(cpu)
	require.NoError(t, err)
	return s.(*machine.AMD64State)
}

func word(t testing.TB, m machine.Machine, at physmem.Address) uint64 {
	t.Helper()
	var b [8]byte
	_, err := m.Memory().ReadPhysical(b[:], at)
	require.NoError(t, err)
	return binary.LittleEndian.Uint64(b[:])
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]machine.Protocol{"Linux64": machine.Linux64, "PVH": machine.PVH} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, m := boot(t, []byte{0xe6, 0xf4}, machine.Config{Boot: machine.Boot{Protocol: p, CommandLine: "quiet"}}) // out 0xf4, al
			run(t, ctx, m, machine.DebugExit)
		})
	}
}

// register is a device of one register, on a port or in memory.
type register struct {
	window machine.Window
	value  []byte
	log    []byte
}

func (r *register) Window() machine.Window { return r.window }

func (r *register) ReadDevice(offset uint64, p []byte) error {
	copy(p, r.value)
	r.value = append(r.value[len(p):], r.value[:len(p)]...)
	return nil
}

func (r *register) WriteDevice(offset uint64, p []byte) error {
	r.log = append(r.log, p...)
	if bytes.HasSuffix(r.log, []byte("stop")) {
		return &machine.StopError{Exit: machine.Exit{Reason: machine.PoweredOff}}
	}
	return nil
}

func TestDevices(t *testing.T) {
	t.Parallel()
	memory := &register{window: machine.Window{Base: 0xfeb00000, Size: 16}, value: []byte{1, 2, 3, 4, 5, 6, 7, 8}}
	port := &register{window: machine.Window{Port: true, Base: 0x300, Size: 4}, value: []byte("abcdefgh")}
	ctx, m := boot(t, []byte{
		0xbb, 0x00, 0x00, 0xb0, 0xfe, // mov ebx, 0xfeb00000
		0x48, 0x8b, 0x03, // mov rax, [rbx]
		0x48, 0x89, 0x43, 0x08, // mov [rbx+8], rax
		0x88, 0x03, // mov [rbx], al
		0x66, 0xba, 0x00, 0x03, // mov dx, 0x300
		0xbf, 0x00, 0x00, 0x20, 0x00, // mov edi, 0x200000
		0xb9, 0x08, 0x00, 0x00, 0x00, // mov ecx, 8
		0xf3, 0x6c, // rep insb
		0xbe, 0x00, 0x00, 0x20, 0x00, // mov esi, 0x200000
		0xb9, 0x08, 0x00, 0x00, 0x00, // mov ecx, 8
		0xf3, 0x6e, // rep outsb
		0xb8, 's', 't', 'o', 'p', // mov eax, "stop"
		0xef, // out dx, eax
	}, machine.Config{Devices: []machine.Device{memory, port}})
	exit := run(t, ctx, m, machine.PoweredOff)
	require.Equal(t, exit.PC, stateOf(t, m, 0).RIP, "the instruction is done")
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8, 1}, memory.log)
	require.Equal(t, "abcdefghstop", string(port.log))
}

// TestUnknownInstruction: an instruction that KVM cannot emulate is reported
// with its bytes, where there is such a one.
func TestUnknownInstruction(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, []byte{
		0x66, 0x0f, 0xef, 0xc0, // pxor xmm0, xmm0
		0xe6, 0xf4, // out 0xf4, al
	}, machine.Config{})
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	if exit.Reason == machine.DebugExit {
		t.Skip("this KVM runs ring 0 on the CPU itself")
	}
	require.Equal(t, machine.Failed, exit.Reason)
	require.Contains(t, exit.Detail, "does not emulate")
	require.EqualValues(t, machinetest.Entry, exit.PC)
}

// Code at two places: CPU 0 counts at 0x200000, CPU 1 at 0x200008.
var twoCounters = []byte{
	0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // inc qword [0x200000]
	0xeb, 0xf6, // jmp -10
	0x48, 0xff, 0x04, 0x25, 0x08, 0x00, 0x20, 0x00, // inc qword [0x200008]
	0xeb, 0xf6, // jmp -10
}

func TestCPUsWithoutController(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, twoCounters, machine.Config{CPUs: 2})
	require.Equal(t, machine.Off, stateOf(t, m, 1).Activity)
	second := stateOf(t, m, 0)
	second.RIP += 10
	require.NoError(t, m.SetState(1, second))
	require.Equal(t, machine.Running, stateOf(t, m, 1).Activity)
	for word(t, m, 0x200000) == 0 || word(t, m, 0x200008) == 0 {
		require.NoError(t, ctx.Err())
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		run(t, short, m, machine.TimedOut)
		cancel()
	}

	// One CPU stops both; one that is turned off stays where it is.
	exit, err := m.RunTo(ctx, machinetest.Entry+18)
	require.NoError(t, err)
	require.Equal(t, 1, exit.CPU)
	second = stateOf(t, m, 1)
	second.Activity = machine.Off
	require.NoError(t, m.SetState(1, second))
	before := word(t, m, 0x200008)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	run(t, short, m, machine.TimedOut)
	require.Equal(t, before, word(t, m, 0x200008))
}

func TestHaltWithController(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, []byte{0xf4}, machine.Config{CPUs: 2, InterruptController: true})
	exit := run(t, ctx, m, machine.Halted)
	require.EqualValues(t, machinetest.Entry+1, exit.PC)
	require.Equal(t, machine.Waiting, stateOf(t, m, 0).Activity)
	require.Equal(t, machine.Off, stateOf(t, m, 1).Activity)
}

// TestNMIWakes sends an NMI to a CPU that halted for good.
func TestNMIWakes(t *testing.T) {
	t.Parallel()
	code := []byte{
		0xf4,       // hlt
		0xe6, 0xf4, // out 0xf4, al
		0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // the handler: inc qword [0x200000]
		0x48, 0xcf, // iretq
	}
	ctx, m := boot(t, code, machine.Config{})
	const table = 0x201000
	handler := uint64(machinetest.Entry + 3)
	gate := binary.LittleEndian.AppendUint64(nil, handler&0xffff|machinetest.CodeSelector<<16|0x8e00<<32|handler>>16<<48)
	_, err := m.Memory().WritePhysical(gate, table+2*16)
	require.NoError(t, err)
	s := stateOf(t, m, 0)
	s.IDTR = machine.DescriptorTable{Base: table, Limit: 0xff}
	require.NoError(t, m.SetState(0, s))
	run(t, ctx, m, machine.Halted)
	run(t, ctx, m, machine.Halted)
	require.NoError(t, m.NMI(0))
	run(t, ctx, m, machine.DebugExit)
	require.EqualValues(t, 1, word(t, m, 0x200000))
}

// TestStateRoundTrip sets everything that a state has and reads it back.
func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	_, m := boot(t, []byte{0xf4}, machine.Config{})
	s := stateOf(t, m, 0)
	for i := range s.Registers {
		s.Registers[i] = 0x1111111111111111 * uint64(i)
	}
	s.CR2, s.CR8 = 0xdeadbeef000, 3
	s.FS.Base, s.GS.Base, s.KernelGSBase = 0x400000001000, 0x400000002000, 0x400000003000
	s.STAR, s.LSTAR, s.FMASK = 0x23001000000000, 0x400000004000, 0x47700
	s.DR = [4]uint64{0x1000, 0x2000, 0x3000, 0x4000}
	s.GDTR.Limit = 0x2f
	s.IDTR = machine.DescriptorTable{Base: 0x7000, Limit: 0xfff}
	for i := range 16 {
		s.FXSAVE[160+16*i] = byte(i + 1) // XMM registers
	}
	s.NMIBlocked, s.NMIPending = true, true
	s.TSC = 0
	require.NoError(t, m.SetState(0, s))
	got := stateOf(t, m, 0)
	require.NotZero(t, got.TSC)
	got.TSC = 0
	require.Equal(t, s, got)
}

// TestClosesEverything makes machines and wants descriptors, threads and
// memory back.
func TestClosesEverything(t *testing.T) {
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(list)
	}
	once := func() {
		_, m := boot(t, []byte{0xf4}, machine.Config{CPUs: 3, MemorySize: 4 << 30})
		require.NoError(t, m.Close())
	}
	once() // what the runtime and the test make for themselves
	before, goroutines := descriptors(), runtime.NumGoroutine()
	for range 20 {
		once()
	}
	require.LessOrEqual(t, descriptors(), before)
	for range 1000 { // the CPUs' threads end a little later
		if runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
}

func TestRefusedConfigs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config machine.Config
		want   string
	}{
		"disk":            {machine.Config{Disks: make([]machine.Disk, 1)}, "no storage"},
		"CPUs":            {machine.Config{CPUs: 300}, "300 CPUs"},
		"part of a page":  {machine.Config{MemorySize: 0x1800}, "whole pages"},
		"unsorted RAM":    {machine.Config{RAM: physmem.Ranges{{Start: 0x2000, End: 0x3000}, {Start: 0, End: 0x1000}}}, "normal form"},
		"image of no ELF": {machine.Config{Boot: machine.Boot{Image: []byte("MZ")}}, "bad boot image"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := kvm.New(test.config)
			if errors.Is(err, machine.ErrUnavailable) {
				t.Skip(err)
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// BenchmarkBoot is a machine from nothing to its first instruction, and away.
func BenchmarkBoot(b *testing.B) {
	for b.Loop() {
		_, m := boot(b, []byte{0xf4}, machine.Config{})
		require.NoError(b, m.Close())
	}
}

func BenchmarkStep(b *testing.B) {
	ctx, m := boot(b, []byte{0xeb, 0xfe}, machine.Config{})
	for b.Loop() {
		if _, err := m.Step(ctx, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot copies 64 MiB that are all in use.
func BenchmarkSnapshot(b *testing.B) {
	_, m := boot(b, []byte{0xf4}, machine.Config{})
	page := bytes.Repeat([]byte{0x5a}, 4096)
	for at := physmem.Address(0x200000); at < 64<<20; at += 4096 {
		_, err := m.Memory().WritePhysical(page, at)
		require.NoError(b, err)
	}
	b.SetBytes(64 << 20)
	for b.Loop() {
		_, err := m.Snapshot()
		require.NoError(b, err)
	}
}
