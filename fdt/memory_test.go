package fdt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tree := board(t)
	list, err := tree.Memory()
	require.NoError(t, err)
	require.Equal(t, []fdt.Memory{
		{Node: lookup(t, tree, "/memory@40000000"), Banks: []physmem.Range{span(0x40000000, 0x10000000), span(0x50000000, 0x10000000)}},
		{Node: lookup(t, tree, "/memory@5f000000"), Banks: []physmem.Range{span(0x5f000000, 0x11000000)}},
		{Node: lookup(t, tree, "/memory@880000000"), Banks: []physmem.Range{span(0x880000000, 0x40000000)}, Hotpluggable: true},
	}, list)

	reserved, err := tree.ReservedMemory()
	require.NoError(t, err)
	at := func(name string) *fdt.Node { return lookup(t, tree, "/reserved-memory/"+name) }
	require.Equal(t, []fdt.ReservedMemory{
		{Ranges: []physmem.Range{span(0x48000000, 0x10000)}},
		{Ranges: []physmem.Range{span(0x1000, 0x1000)}},
		{Node: at("secmon"), Ranges: []physmem.Range{span(0x42000000, 0x200000)}, NoMap: true},
		{Node: at("cma"), Ranges: []physmem.Range{span(0x44000000, 0x1000000)}, Reusable: true},
		{Node: at("rescue"), Ranges: []physmem.Range{span(0x58000000, 0x4000000)}, NoMap: true},
		{Node: at("log"), Ranges: []physmem.Range{span(0x90000000, 0x100000)}},
		{Node: at("pool")},
	}, reserved)

	memory, err := tree.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, `[0x1000, 0x2000) reserved
[0x40000000, 0x42000000) RAM
[0x42000000, 0x42200000) reserved
[0x42200000, 0x48000000) RAM
[0x48000000, 0x48010000) reserved
[0x48010000, 0x58000000) RAM
[0x58000000, 0x5c000000) reserved
[0x5c000000, 0x70000000) RAM
[0x90000000, 0x90100000) reserved
[0x880000000, 0x8c0000000) RAM`, memory.String())
}

// TestMemoryForms: what trees in use do that the specification does not ask for.
func TestMemoryForms(t *testing.T) {
	t.Parallel()
	const head = `/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; `
	for _, tt := range []struct{ name, source, want string }{
		{"one cell each", `memory { device_type = "memory"; reg = <0x1000 0x1000>; };`, "[0x1000, 0x2000) RAM"},
		{"only the name", `memory@1000 { reg = <0x1000 0x1000>; };`, "[0x1000, 0x2000) RAM"},
		{"only the type", `ram@1000 { device_type = "memory"; reg = <0x1000 0x1000>; };`, "[0x1000, 0x2000) RAM"},
		{"a controller of memory", `memory-controller@1000 { reg = <0x1000 0x1000>; };`, ""},
		{"no banks yet", `memory { device_type = "memory"; };`, ""},
		{"banks that touch", `memory { reg = <0x1000 0x1000 0x2000 0x1000>; };`, "[0x1000, 0x3000) RAM"},
		{"below a bus", `bus { #address-cells = <1>; #size-cells = <1>; ranges = <0 0x10000 0x10000>; m { device_type = "memory"; reg = <0x1000 0x1000>; }; };`, "[0x11000, 0x12000) RAM"},
		{"below a bus that the CPU does not see", `bus { #address-cells = <1>; #size-cells = <0>; dimm@50 { device_type = "memory"; reg = <0x50>; }; };`, ""},
		{"a name below a bus", `bus { #address-cells = <1>; #size-cells = <1>; ranges; memory@0 { reg = <0 0x1000>; }; };`, ""},
		{"reserved without ranges", `memory { reg = <0 0x3000>; }; reserved-memory { #address-cells = <1>; #size-cells = <1>; a { reg = <0x1000 0x1000>; }; };`,
			"[0x0, 0x1000) RAM\n[0x1000, 0x2000) reserved\n[0x2000, 0x3000) RAM"},
		{"reserved twice", `memory { reg = <0 0x3000>; }; reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges; a { reg = <0 0x2000>; }; b { reg = <0x1000 0x1000>; reusable; no-map; }; };`,
			"[0x0, 0x2000) reserved\n[0x2000, 0x3000) RAM"},
		{"nothing", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			memory, err := parse(t, compile(t, head+tt.source+"};")).MemoryMap()
			require.NoError(t, err)
			require.Equal(t, tt.want, memory.String())
		})
	}
}

func TestMemoryMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(tree *fdt.Tree) error
		want   error
	}{
		{"bank cut", func(tree *fdt.Tree) error { return lookup(t, tree, "/memory").Set("reg", make([]byte, 15)) }, fdt.ErrValue},
		{"bank wraps", func(tree *fdt.Tree) error {
			return lookup(t, tree, "/memory").SetCells("reg", 0xffffffff, 0, 0xffffffff, 0)
		}, fdt.ErrRange},
		{"usable memory cut", func(tree *fdt.Tree) error {
			return lookup(t, tree, "/memory").SetCells("linux,usable-memory", 0)
		}, fdt.ErrValue},
		{"reserved memory cut", func(tree *fdt.Tree) error { return lookup(t, tree, "/reserved-memory/log").SetCells("reg", 0) }, fdt.ErrValue},
		{"reserved entry wraps", func(tree *fdt.Tree) error {
			tree.ReserveEntries[1] = fdt.ReserveEntry{Address: 1 << 51, Size: 1 << 52}
			return nil
		}, fdt.ErrRange},
	} {
		tree := board(t)
		require.NoError(t, tt.change(tree))
		_, err := tree.MemoryMap()
		require.ErrorIs(t, err, tt.want, tt.name)
		_, err = tree.Restrict(span(0x60000000, 0x1000000))
		require.ErrorIs(t, err, tt.want, tt.name)
	}
}
