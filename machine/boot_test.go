package machine_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var order = binary.LittleEndian

func read(t *testing.T, m physmem.Reader, at physmem.Address, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	_, err := m.ReadPhysical(p, at)
	require.NoError(t, err)
	return p
}

// region is an entry of an E820 or PVH memory map.
type region struct {
	start, size uint64
	kind        uint32
}

// wantMap is what firmware says of 64 MiB from 0 on and 16 MiB from 4 GiB on.
var (
	bootRAM = physmem.NewRanges(physmem.Range{End: 64 << 20}, physmem.Range{Start: 4 << 30, End: 4<<30 + 16<<20})
	wantMap = []region{
		{0, 0x9fc00, 1}, {0x9fc00, 0x100000 - 0x9fc00, 2}, {0x100000, 63 << 20, 1}, {4 << 30, 16 << 20, 1},
	}
)

func TestLoadLinux64(t *testing.T) {
	t.Parallel()
	memory := physmem.NewSparse(bootRAM)
	initrd := bytes.Repeat([]byte("initrd"), 1000)
	code := []byte{0xf4, 1, 2, 3}
	s, err := machine.LoadLinux64(memory, bootRAM, machine.Boot{
		Image: machinetest.Image(code), CommandLine: "console=ttyS0 rescue=on", RSDP: 0xe0000,
		Modules: []machine.Module{{Data: initrd}},
	})
	require.NoError(t, err)
	require.Equal(t, code, read(t, memory, machinetest.Entry, len(code)))
	require.EqualValues(t, 0x106100, s.RIP)
	require.EqualValues(t, 2, s.RFLAGS)
	require.EqualValues(t, 0x10, s.CS.Selector)
	require.NotZero(t, s.CS.Access&machine.AccessLong)

	params := read(t, memory, physmem.Address(s.Registers[machine.RSI]), 4096)
	require.Equal(t, "HdrS", string(params[0x202:0x206]))
	require.EqualValues(t, 0xe0000, order.Uint64(params[0x70:]))
	command := read(t, memory, physmem.Address(order.Uint32(params[0x228:])), 24)
	require.Equal(t, "console=ttyS0 rescue=on\x00", string(command))
	require.EqualValues(t, 23, order.Uint32(params[0x238:]))
	require.EqualValues(t, len(initrd), order.Uint32(params[0x21c:]))
	require.Equal(t, initrd, read(t, memory, physmem.Address(order.Uint32(params[0x218:])), len(initrd)))

	var got []region
	for i := range int(params[0x1e8]) {
		e := params[0x2d0+20*i:]
		got = append(got, region{order.Uint64(e), order.Uint64(e[8:]), order.Uint32(e[16:])})
	}
	require.Equal(t, wantMap, got)

	// Every address up to 4 GiB is mapped to itself: look at one.
	entry := func(table uint64, va uint64, shift int) uint64 {
		return order.Uint64(read(t, memory, physmem.Address(table&^0xfff+va>>shift&511*8), 8))
	}
	const va = 0xdead0000
	pml4 := entry(s.CR3, va, 39)
	pdpt := entry(pml4, va, 30)
	require.EqualValues(t, va&^(2<<20-1)|0xe3, entry(pdpt, va, 21))
}

func TestLoadPVH(t *testing.T) {
	t.Parallel()
	memory := physmem.NewSparse(bootRAM)
	modules := []machine.Module{{Data: []byte("one"), CommandLine: "first"}, {Data: []byte("two!")}}
	s, err := machine.LoadPVH(memory, bootRAM, machine.Boot{
		Image: machinetest.Image([]byte{0xf4}), CommandLine: "quiet", Modules: modules,
	})
	require.NoError(t, err)
	require.EqualValues(t, 0x106000, s.RIP)
	require.Zero(t, s.CR0>>31, "paging is off")
	require.Zero(t, s.CS.Access&machine.AccessLong)

	info := read(t, memory, physmem.Address(s.Registers[machine.RBX]), 56)
	require.EqualValues(t, 0x336ec578, order.Uint32(info))
	require.EqualValues(t, 1, order.Uint32(info[4:]))
	require.Equal(t, "quiet\x00", string(read(t, memory, physmem.Address(order.Uint64(info[24:])), 6)))
	require.EqualValues(t, len(modules), order.Uint32(info[12:]))
	for i, want := range modules {
		m := read(t, memory, physmem.Address(order.Uint64(info[16:]))+physmem.Address(32*i), 32)
		require.EqualValues(t, len(want.Data), order.Uint64(m[8:]))
		require.Equal(t, want.Data, read(t, memory, physmem.Address(order.Uint64(m)), len(want.Data)))
		command := read(t, memory, physmem.Address(order.Uint64(m[16:])), len(want.CommandLine)+1)
		require.Equal(t, want.CommandLine+"\x00", string(command))
	}
	var got []region
	for i := range int(order.Uint32(info[48:])) {
		e := read(t, memory, physmem.Address(order.Uint64(info[40:]))+physmem.Address(24*i), 24)
		got = append(got, region{order.Uint64(e), order.Uint64(e[8:]), order.Uint32(e[16:])})
	}
	require.Equal(t, wantMap, got)
}

func TestLoadClearsMemory(t *testing.T) {
	t.Parallel()
	memory := physmem.NewSparse(bootRAM)
	image := machinetest.Image([]byte{0xf4})
	// The segment gets 8 KiB more in memory than in the file.
	size := order.Uint64(image[64+32:])
	order.PutUint64(image[64+40:], size+0x2000)
	end := physmem.Address(0x100000 + size)
	_, err := memory.WritePhysical([]byte{1, 2, 3}, end+0x1ffd)
	require.NoError(t, err)
	_, err = memory.WritePhysical([]byte{4}, end+0x2000)
	require.NoError(t, err)
	_, err = machine.LoadLinux64(memory, bootRAM, machine.Boot{Image: image})
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0, 4}, read(t, memory, end+0x1ffd, 4))
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	image := func(change func(b []byte)) []byte {
		b := machinetest.Image([]byte{0xf4})
		change(b)
		return b
	}
	good := image(func([]byte) {})
	for _, test := range []struct {
		name string
		ram  physmem.Ranges
		boot machine.Boot
		pvh  bool
		want string
	}{
		{"no ELF", bootRAM, machine.Boot{Image: []byte("#!/bin/sh")}, false, "bad boot image"},
		{"another machine", bootRAM, machine.Boot{Image: image(func(b []byte) { b[18] = 183 })}, false, "not ELF64 for x86-64"},
		{"no low memory", physmem.Ranges{{Start: 1 << 20, End: 64 << 20}}, machine.Boot{Image: good}, false, "boot parameters need RAM"},
		{"segment outside", physmem.Ranges{{Start: 0, End: 0x108000}}, machine.Boot{Image: good}, false, "segment 0, 0x10000 bytes at 0x100000, does not fit"},
		{"segment over boot parameters", bootRAM, machine.Boot{Image: image(func(b []byte) { order.PutUint64(b[64+24:], 0x10000) })}, false, "does not fit"},
		{"segment wraps", bootRAM, machine.Boot{Image: image(func(b []byte) { order.PutUint64(b[64+24:], ^uint64(0)) })}, false, "does not fit"},
		{"segment larger in the file", bootRAM, machine.Boot{Image: image(func(b []byte) { order.PutUint64(b[64+40:], 1) })}, false, "does not fit"},
		{"huge segment", bootRAM, machine.Boot{Image: image(func(b []byte) { order.PutUint64(b[64+32:], 1<<60) })}, false, "does not fit"},
		{"no segment", bootRAM, machine.Boot{Image: image(func(b []byte) { b[64] = 4 })}, false, "no segment"},
		{"no note", bootRAM, machine.Boot{Image: image(func(b []byte) { b[64+56] = 0 })}, true, "no PVH entry note"},
		{"command line too long", bootRAM, machine.Boot{Image: good, CommandLine: string(make([]byte, 0x4000))}, false, "command line of 16384 bytes"},
		{"two initrds", bootRAM, machine.Boot{Image: good, Modules: make([]machine.Module, 2)}, false, "one initrd"},
		{"module too large", bootRAM, machine.Boot{Image: good, Modules: []machine.Module{{Data: make([]byte, 65<<20)}}}, false, "module 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			load := machine.LoadLinux64
			if test.pvh {
				load = machine.LoadPVH
			}
			_, err := load(physmem.NewSparse(test.ram), test.ram, test.boot)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// FuzzLoad: no image makes the loaders panic, or write outside of what they
// may.
func FuzzLoad(f *testing.F) {
	f.Add(machinetest.Image([]byte{0xf4}), "command")
	f.Add(machinetest.Image(nil)[:200], "")
	f.Add([]byte("\x7fELF"), "x")
	ram := physmem.NewRanges(physmem.Range{End: 4 << 20})
	f.Fuzz(func(t *testing.T, image []byte, command string) {
		boot := machine.Boot{Image: image, CommandLine: command}
		for _, load := range []func(physmem.Memory, physmem.Ranges, machine.Boot) (*machine.AMD64State, error){machine.LoadLinux64, machine.LoadPVH} {
			s, err := load(physmem.NewSparse(ram), ram, boot)
			if err == nil {
				require.NotNil(t, s)
			}
		}
	})
}
