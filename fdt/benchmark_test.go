package fdt_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
)

func BenchmarkParse(b *testing.B) {
	data := boardBytes(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		parse(b, data)
	}
}

func BenchmarkRestrict(b *testing.B) {
	tree := board(b)
	b.ReportAllocs()
	for b.Loop() {
		restricted, err := tree.Restrict(span(0x60000000, 0x1000000))
		require.NoError(b, err)
		write(b, restricted)
	}
}

// hostile is trees made to take long: as many registers as fit, each looked for
// in as many ranges as there may be, and as many nodes as there may be below
// one with as many properties.
func hostile(b *testing.B) map[string]*fdt.Tree {
	registers, nodes := fdt.New(), fdt.New()
	parent := func(tree *fdt.Tree) *fdt.Node {
		n, err := tree.Root().AddNode("reserved-memory")
		require.NoError(b, err)
		return n
	}
	p := parent(registers)
	require.NoError(b, p.SetCells("#address-cells", 1))
	cells := make([]uint32, 4*256)
	cells[len(cells)-1] = 0x1000 // the last one has them
	require.NoError(b, p.SetCells("ranges", cells...))
	reg := make([]uint32, 2*1024)
	for i := range 500 {
		n, err := p.AddNode(fmt.Sprint(i))
		require.NoError(b, err)
		require.NoError(b, n.SetCells("reg", reg...))
	}
	p = parent(nodes)
	for i := range fdt.MaxNodeProperties - 1 {
		require.NoError(b, p.Set(fmt.Sprintf("#propertycells%d", i), nil))
	}
	require.NoError(b, p.Set("ranges", nil))
	for i := range fdt.MaxNodes - 2 {
		n, err := p.AddNode(fmt.Sprint(i))
		require.NoError(b, err)
		require.NoError(b, n.SetCells("reg", 0, 0, 1))
	}
	return map[string]*fdt.Tree{"registers": registers, "nodes": nodes}
}

// BenchmarkHostile is how long the worst that a host can leave takes.
func BenchmarkHostile(b *testing.B) {
	for name, tree := range hostile(b) {
		data := write(b, tree)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := parse(b, data).MemoryMap()
				require.NoError(b, err)
			}
		})
	}
}
