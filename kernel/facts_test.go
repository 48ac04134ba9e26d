//go:build amd64 || arm64

package kernel

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// window makes memory of 64 KiB that is physical memory from 0 on.
func window() ([]byte, *physicalWindow) {
	memory := make([]byte, 64<<10)
	return memory, &physicalWindow{base: address(memory), limit: uintptr(len(memory))}
}

type entry3 struct{ start, size, kind uint64 }

func linuxParameters3(memory []byte, at int, command, initrd, initrdSize uint64, entries ...entry3) {
	order := binary.LittleEndian
	p := memory[at:]
	order.PutUint64(p[linuxRSDP:], 0xe0000)
	p[linuxMapCount] = byte(len(entries))
	for i, e := range entries {
		order.PutUint64(p[linuxMap+20*i:], e.start)
		order.PutUint64(p[linuxMap+20*i+8:], e.size)
		order.PutUint32(p[linuxMap+20*i+16:], uint32(e.kind))
	}
	order.PutUint32(p[linuxRamdisk:], uint32(initrd))
	order.PutUint32(p[linuxRamdiskHigh:], uint32(initrd>>32))
	order.PutUint32(p[linuxRamSize:], uint32(initrdSize))
	order.PutUint32(p[linuxCommand:], uint32(command))
	order.PutUint32(p[linuxCommandHigh:], uint32(command>>32))
}

func TestGatherLinux(t *testing.T) {
	t.Parallel()
	memory, w := window()
	copy(memory[0x8000:], "console=x  word\x00junk")
	linuxParameters3(memory, 0x1000, 0x8000, 5<<32|0x1000, 0x800, entry3{1 << 20, 63 << 20, 1}, entry3{0, 0x9f000, 1}, entry3{0xf0000, 0x10000, 2}, entry3{7, 0, 1}, entry3{^uint64(0), 5, 1})
	b := &bootFacts{}
	b.gather(w, uintptr(handoff.BootLinux), 0x1000)
	require.EqualValues(t, 0xe0000, b.rsdp)
	require.Equal(t, []mapEntry{{0, 0x9f000, 1}, {0xf0000, 1 << 20, 2}, {1 << 20, 64 << 20, 1}}, b.memory[:b.mapCount])
	require.Equal(t, []moduleFact{{5<<32 | 0x1000, 5<<32 | 0x1800, 0}}, b.modules[:b.moduleCount])
	require.Equal(t, "console=x  word", string(b.command[:b.commandLength]))
}

func TestGatherPVH(t *testing.T) {
	t.Parallel()
	order := binary.LittleEndian
	memory, w := window()
	s := memory[0x100:]
	order.PutUint32(s, pvhMagic)
	order.PutUint32(s[pvhVersion:], 1)
	order.PutUint32(s[pvhModuleCount:], 2)
	order.PutUint64(s[pvhModules:], 0x400)
	order.PutUint64(s[pvhCommand:], 0x600)
	order.PutUint64(s[pvhRSDP:], 0xf5a40)
	order.PutUint64(s[pvhMap:], 0x800)
	order.PutUint32(s[pvhMapCount:], 2)
	for i := range uint64(2) {
		order.PutUint64(memory[0x400+32*i:], 0x100000*(i+1))
		order.PutUint64(memory[0x408+32*i:], 0x1234)
		order.PutUint64(memory[0x410+32*i:], 0x700)
		order.PutUint64(memory[0x800+24*i:], 0x100000*i)
		order.PutUint64(memory[0x808+24*i:], 0x1000)
		order.PutUint32(memory[0x810+24*i:], uint32(2-i))
	}
	copy(memory[0x600:], "a b")
	b := &bootFacts{}
	b.gather(w, uintptr(handoff.BootPVH), 0x100)
	require.EqualValues(t, 0xf5a40, b.rsdp)
	require.Equal(t, []mapEntry{{0, 0x1000, 2}, {0x100000, 0x101000, 1}}, b.memory[:b.mapCount])
	require.Equal(t, []moduleFact{{0x100000, 0x101234, 0x700}, {0x200000, 0x201234, 0x700}}, b.modules[:b.moduleCount])
	require.Equal(t, "a b", string(b.command[:b.commandLength]))

	order.PutUint32(s[pvhVersion:], 0)
	old := &bootFacts{}
	old.gather(w, uintptr(handoff.BootPVH), 0x100)
	require.Zero(t, old.mapCount, "version 0 has no map")
	order.PutUint32(s, 1)
	wrong := &bootFacts{}
	wrong.gather(w, uintptr(handoff.BootPVH), 0x100)
	require.Zero(t, wrong.moduleCount+wrong.commandLength)
}

// Boot parameters are read where they lie and nowhere else, whatever they say.
func FuzzGather(f *testing.F) {
	memory, _ := window()
	linuxParameters3(memory, 0, 0x2000, 0x3000, 0x800, entry3{0, 1 << 20, 1})
	f.Add(uint32(handoff.BootLinux), uint64(0x1000), memory[:4096])
	f.Add(uint32(handoff.BootPVH), uint64(0x1000), append([]byte{0x78, 0xc5, 0x6e, 0x33, 1, 0, 0, 0, 0, 0, 0, 0, 255}, make([]byte, 60)...))
	f.Add(uint32(handoff.BootPVH), ^uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, protocol uint32, pointer uint64, data []byte) {
		memory, w := window()
		copy(memory[0x1000:], data)
		b := &bootFacts{}
		b.gather(w, uintptr(protocol), uintptr(pointer))
		require.LessOrEqual(t, b.mapCount, uintptr(maxMap))
		require.LessOrEqual(t, b.moduleCount, uintptr(maxModules))
		require.Less(t, b.commandLength, uintptr(maxCommandLine))
		for i := range b.mapCount {
			require.Less(t, b.memory[i].start, b.memory[i].end)
		}
		p := pieces{facts: b, excluded: new([maxExcluded][2]uintptr)}
		last := uintptr(0)
		for range 3 * maxMap {
			start, end, ok := p.next()
			if !ok {
				return
			}
			require.True(t, start >= last && end > start && start%pageSize == 0 && end%pageSize == 0)
			last = end
		}
		t.Fatal("the pieces do not end")
	})
}

func TestPieces(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		memory   []mapEntry
		low      uintptr
		excluded [maxExcluded][2]uintptr
		want     [][2]uintptr
	}{
		"whole":           {memory: []mapEntry{{0, 0x9f000, 1}, {0x100000, 0x200000, 1}}, want: [][2]uintptr{{0, 0x9f000}, {0x100000, 0x200000}}},
		"low":             {memory: []mapEntry{{0, 0x9f000, 1}, {0x80000, 0x200000, 1}}, low: 0x100000, want: [][2]uintptr{{0x100000, 0x200000}}},
		"not RAM":         {memory: []mapEntry{{0, 0x9f000, 2}}},
		"partial pages":   {memory: []mapEntry{{0x800, 0x2800, 1}, {0x2900, 0x2a00, 1}}, want: [][2]uintptr{{0x1000, 0x2000}}},
		"excluded":        {memory: []mapEntry{{0, 0x10000, 1}}, excluded: [maxExcluded][2]uintptr{{0x4000, 0x6000}, {0x8000, 0x9000}}, want: [][2]uintptr{{0, 0x4000}, {0x6000, 0x8000}, {0x9000, 0x10000}}},
		"excluded start":  {memory: []mapEntry{{0, 0x10000, 1}}, excluded: [maxExcluded][2]uintptr{{0, 0x6000}}, want: [][2]uintptr{{0x6000, 0x10000}}},
		"excluded end":    {memory: []mapEntry{{0, 0x10000, 1}}, excluded: [maxExcluded][2]uintptr{{0x6000, 0x20000}}, want: [][2]uintptr{{0, 0x6000}}},
		"all excluded":    {memory: []mapEntry{{0, 0x10000, 1}}, excluded: [maxExcluded][2]uintptr{{0, 0x8000}, {0x7000, 0x20000}}},
		"excluded bytes":  {memory: []mapEntry{{0, 0x10000, 1}}, excluded: [maxExcluded][2]uintptr{{0x4800, 0x4801}}, want: [][2]uintptr{{0, 0x4000}, {0x5000, 0x10000}}},
		"reserved inside": {memory: []mapEntry{{0, 0x10000, 1}, {0x4000, 0x5000, 2}}, want: [][2]uintptr{{0, 0x4000}, {0x5000, 0x10000}}},
		"RAM twice":       {memory: []mapEntry{{0, 0x10000, 1}, {0x4000, 0x18000, 1}}, want: [][2]uintptr{{0, 0x10000}, {0x10000, 0x18000}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bootFacts{}
			for _, e := range test.memory {
				b.addMap(e.start, e.end-e.start, e.kind)
			}
			p := pieces{facts: b, low: test.low, excluded: &test.excluded}
			var got [][2]uintptr
			for {
				start, end, ok := p.next()
				if !ok {
					break
				}
				got = append(got, [2]uintptr{start, end})
			}
			require.Equal(t, test.want, got)
		})
	}
}
