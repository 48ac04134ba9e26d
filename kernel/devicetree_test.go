//go:build amd64 || arm64

package kernel

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// treeBuilder makes flattened device trees.
type treeBuilder struct {
	nodes, text []byte
	reserved    [][2]uint64
}

func (b *treeBuilder) word(v uint32) { b.nodes = binary.BigEndian.AppendUint32(b.nodes, v) }

func (b *treeBuilder) padded(p []byte) {
	b.nodes = append(b.nodes, p...)
	for len(b.nodes)%4 != 0 {
		b.nodes = append(b.nodes, 0)
	}
}

func (b *treeBuilder) node(name string, inside func()) {
	b.word(treeBegin)
	b.padded(append([]byte(name), 0))
	inside()
	b.word(treeEnd)
}

func (b *treeBuilder) property(name string, value []byte) {
	b.word(treeProperty)
	b.word(uint32(len(value)))
	b.word(uint32(len(b.text)))
	b.text = append(append(b.text, name...), 0)
	b.padded(value)
}

func cells(words ...uint32) (p []byte) {
	for _, w := range words {
		p = binary.BigEndian.AppendUint32(p, w)
	}
	return p
}

// bytes is the whole tree (Devicetree Specification 5.2).
func (b *treeBuilder) bytes() []byte {
	var reserved []byte
	for _, r := range append(b.reserved, [2]uint64{}) {
		reserved = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(reserved, r[0]), r[1])
	}
	nodes := append(b.nodes, 0, 0, 0, 9)
	at := 40 + len(reserved)
	header := cells(treeMagic, uint32(at+len(nodes)+len(b.text)), uint32(at), uint32(at+len(nodes)), 40, 17, 16, 0, uint32(len(b.text)), uint32(len(nodes)))
	return append(append(append(header, reserved...), nodes...), b.text...)
}

// virt is much of what QEMU's board has.
func virt() *treeBuilder {
	b := &treeBuilder{reserved: [][2]uint64{{0x4800_0000, 0x1000}}}
	b.node("", func() {
		b.property("#size-cells", cells(2))
		b.property("#address-cells", cells(2))
		b.property("compatible", []byte("linux,dummy-virt\x00"))
		b.node("psci", func() {
			b.property("method", []byte("smc\x00"))
			b.property("compatible", []byte("arm,psci-1.0\x00arm,psci\x00"))
		})
		b.node("memory@40000000", func() {
			b.property("reg", cells(0, 0x4000_0000, 0, 0x1000_0000, 1, 0, 0, 0x200_0000))
			b.property("device_type", []byte("memory\x00"))
		})
		b.node("reserved-memory", func() {
			b.property("ranges", nil)
			b.node("secret@4a000000", func() { b.property("reg", cells(0, 0x4a00_0000, 0, 0x2000)) })
		})
		b.node("pl031@9010000", func() {
			b.property("reg", cells(0, 0x901_0000, 0, 0x1000))
			b.property("compatible", []byte("arm,pl031\x00arm,primecell\x00"))
		})
		b.node("pl011@9000000", func() {
			b.property("compatible", []byte("arm,pl011\x00arm,primecell\x00"))
			b.property("reg", cells(0, 0x900_0000, 0, 0x1000))
		})
		b.node("timer", func() {
			b.property("compatible", []byte("arm,armv8-timer\x00arm,armv7-timer\x00"))
			b.property("interrupts", cells(1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4))
		})
		b.node("cpus", func() {
			b.property("#size-cells", cells(0))
			b.property("#address-cells", cells(2))
			b.node("cpu-map", func() { b.property("reg", cells(7)) })
			b.node("cpu@0", func() { b.property("reg", cells(0, 0)) })
			b.node("cpu@1", func() {
				b.property("cpu-release-addr", cells(0, 0xd8))
				b.property("enable-method", []byte("spin-table\x00"))
				b.property("reg", cells(1, 0x100))
				b.node("l2-cache", func() { b.property("reg", cells(9)) })
			})
			b.node("cpu@2", func() {
				b.property("reg", cells(0, 2))
				b.property("enable-method", []byte("psci\x00"))
			})
		})
		b.node("cpu@3", func() { b.property("reg", cells(0, 3)) })
		b.node("intc@8000000", func() {
			b.property("compatible", []byte("arm,gic-v3\x00"))
			b.property("reg", cells(0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0xf6_0000))
			b.node("its@8080000", func() {
				b.property("compatible", []byte("arm,gic-v3-its\x00"))
				b.property("reg", cells(0, 0x808_0000, 0, 0x2_0000))
			})
		})
		b.node("memory-controller", func() { b.property("reg", cells(0, 5, 0, 5)) })
		b.node("chosen", func() {
			b.property("linux,initrd-end", cells(0x4800_3456))
			b.property("linux,initrd-start", cells(0, 0x4800_1000))
			b.property("bootargs", []byte("panic=nil one\x00"))
			b.property("rng-seed", cells(1, 2, 3, 4, 5, 6, 7, 8))
		})
	})
	return b
}

func gathered(tree []byte) *bootFacts {
	memory, w := window()
	copy(memory[0x1000:], tree)
	b := &bootFacts{}
	b.gather(w, uintptr(handoff.BootFDT), 0x1000)
	return b
}

func TestGatherTree(t *testing.T) {
	t.Parallel()
	b := gathered(virt().bytes())
	require.Equal(t, []mapEntry{
		{0x4000_0000, 0x5000_0000, 1}, {0x4800_0000, 0x4800_1000, 2}, {0x4a00_0000, 0x4a00_2000, 2}, {1 << 32, 1<<32 + 0x200_0000, 1},
	}, b.memory[:b.mapCount])
	require.Equal(t, []moduleFact{{0x4800_1000, 0x4800_3456, 0}}, b.modules[:b.moduleCount])
	require.Equal(t, "panic=nil one", string(b.command[:b.commandLength]))
	require.Equal(t, handoff.FirmwareCalls{Console: 0x900_0000, Conduit: handoff.ConduitSMC}, b.calls)
	require.EqualValues(t, 0x901_0000, b.realTime)
	require.Equal(t, [4]uint64{1<<32 | 2, 3<<32 | 4, 5<<32 | 6, 7<<32 | 8}, b.seed)
	require.Equal(t, gicFacts{version: 3, distributor: 0x800_0000, redistributor: 0x80a_0000, redistributorSize: 0xf6_0000, its: 0x808_0000, timer: 27}, b.gic)
	require.Equal(t, []cpuFact{{0, 0}, {1<<32 | 0x100, 0xd8}, {2, 0}}, b.cpus.list[:b.cpus.count])
}

// A timer interrupt that is none of the private ones, 16 to 31, is not taken.
func TestGatherTreeTimer(t *testing.T) {
	t.Parallel()
	tree := virt().bytes()
	third := bytes.Index(tree, cells(1, 11, 4))
	require.Positive(t, third)
	for _, test := range []struct{ kind, number, want uint32 }{{1, 0, 16}, {1, 15, 31}, {1, 16, 0}, {1, 1 << 31, 0}, {0, 11, 0}} {
		copy(tree[third:], cells(test.kind, test.number))
		require.EqualValues(t, test.want, gathered(tree).gic.timer, "%+v", test)
	}
}

// What the loader put below what is mapped is not looked at, nor is a tree that
// is none or is cut.
func TestGatherTreeRefuses(t *testing.T) {
	t.Parallel()
	memory, w := window()
	copy(memory[0x1000:], virt().bytes())
	w.low = 0x2000
	b := &bootFacts{}
	b.gather(w, uintptr(handoff.BootFDT), 0x1000)
	require.Zero(t, b.mapCount)
	require.Zero(t, gathered([]byte("not a tree")).mapCount)
	whole := virt().bytes()
	for _, spoil := range []struct{ at, value int }{{4, 1 << 30}, {4, 8}, {8, 1}, {8, 1 << 20}, {12, 1 << 20}, {32, 1 << 20}, {36, 1 << 20}} {
		tree := append([]byte(nil), whole...)
		binary.BigEndian.PutUint32(tree[spoil.at:], uint32(spoil.value))
		b := gathered(tree)
		require.Zero(t, b.mapCount+b.tree.size, "%+v", spoil)
	}
}

// Trees are read where they lie and nowhere else, whatever they say.
func FuzzGatherTree(f *testing.F) {
	f.Add(virt().bytes())
	f.Add(virt().bytes()[:300])
	f.Fuzz(func(t *testing.T, tree []byte) {
		b := gathered(tree)
		require.LessOrEqual(t, b.mapCount, uintptr(maxMap))
		require.LessOrEqual(t, b.moduleCount, uintptr(maxModules))
		require.Less(t, b.commandLength, uintptr(maxCommandLine))
	})
}
