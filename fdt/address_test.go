package fdt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestReg(t *testing.T) {
	t.Parallel()
	tree := board(t)
	const soc, bus = "/soc", "/soc/peripherals@10000000"
	for _, tt := range []struct {
		path string
		want []physmem.Range
		err  error
	}{
		{"/memory@40000000", []physmem.Range{span(0x40000000, 0x10000000), span(0x50000000, 0x10000000), {}}, nil},
		{soc + "/serial", []physmem.Range{span(0x9000000, 0x1000)}, nil},
		{soc + "/interrupt-controller/msi-controller", []physmem.Range{span(0x8080000, 0x20000)}, nil},
		{soc + "/pcie", []physmem.Range{span(0x4010000000, 0x1000000)}, nil},
		{bus + "/serial", []physmem.Range{span(0x10001000, 0x100)}, nil},
		{bus + "/edge", []physmem.Range{span(0x10007f00, 0x100)}, nil},
		{bus + "/over", nil, fdt.ErrTranslation}, // its last byte is in no window
		{bus + "/deeper/device", []physmem.Range{span(0x2_00008010, 0x20), span(0x2_00008fff, 1)}, nil},
		{soc + "/pcie/bridge/card@1", []physmem.Range{span(0x10001000, 0x1000)}, nil},
		{soc + "/pcie/bridge/card@2", []physmem.Range{span(0x80_00004000, 0x1000)}, nil},
		{soc + "/pcie/bridge/card@3", []physmem.Range{span(0x3eff1000, 0x10)}, nil},
		{soc + "/pcie/bridge", nil, fdt.ErrTranslation}, // configuration space
		{soc + "/i2c/eeprom", nil, fdt.ErrTranslation},
		{"/cpus/cpu@0", nil, fdt.ErrTranslation},
		{"/psci", nil, fdt.ErrMissing},
		{"/", nil, fdt.ErrMissing},
	} {
		got, err := lookup(t, tree, tt.path).Reg()
		require.ErrorIs(t, err, tt.err, tt.path)
		require.Equal(t, tt.want, got, tt.path)
	}
}

// bus is a tree with a node /bus/device.
func bus(t *testing.T, change func(root, bus, device *fdt.Node)) *fdt.Node {
	t.Helper()
	tree := fdt.New()
	b, err := tree.Root().AddNode("bus")
	require.NoError(t, err)
	device, err := b.AddNode("device")
	require.NoError(t, err)
	require.NoError(t, b.Set("ranges", nil))
	require.NoError(t, device.SetCells("reg", 0, 0x1000, 0x100))
	change(tree.Root(), b, device)
	return device
}

func TestRegMalformed(t *testing.T) {
	t.Parallel()
	set := func(n *fdt.Node, name string, cells ...uint32) { require.NoError(t, n.SetCells(name, cells...)) }
	for _, tt := range []struct {
		name   string
		change func(root, bus, device *fdt.Node)
		want   error
		text   string
	}{
		{"default cells", func(_, _, _ *fdt.Node) {}, nil, ""},
		{"no registers", func(_, _, d *fdt.Node) { set(d, "reg") }, nil, ""},
		{"half an entry", func(_, _, d *fdt.Node) { set(d, "reg", 0, 0) }, fdt.ErrValue, "8 bytes, not in entries of 12"},
		{"not in cells", func(_, _, d *fdt.Node) { require.NoError(t, d.Set("reg", make([]byte, 11))) }, fdt.ErrValue, ""},
		{"too many", func(_, _, d *fdt.Node) { set(d, "reg", make([]uint32, 3*1025)...) }, fdt.ErrValue, "at most 1024"},
		{"beyond the address space", func(_, _, d *fdt.Node) { set(d, "reg", 0xfffff, 0xffffffff, 2) }, fdt.ErrRange, ""},
		{"wraps", func(_, _, d *fdt.Node) { set(d, "reg", 0xffffffff, 0xffffffff, 2) }, fdt.ErrRange, ""},
		{"cells of two cells", func(_, b, _ *fdt.Node) { set(b, "#address-cells", 0, 2) }, fdt.ErrValue, "/bus: #address-cells"},
		{"too many cells", func(_, b, _ *fdt.Node) { set(b, "#address-cells", 4) }, fdt.ErrValue, "4, at most 3"},
		{"too many cells of size", func(_, b, _ *fdt.Node) { set(b, "#size-cells", 3) }, fdt.ErrValue, "3, at most 2"},
		{"no cells", func(_, b, _ *fdt.Node) { set(b, "#size-cells", 0); set(b, "#address-cells", 0) }, fdt.ErrValue, "entries of 0"},
		{"three cells to the root", func(_, b, d *fdt.Node) { set(b, "#address-cells", 3); set(d, "reg", 1, 0, 0, 1) }, fdt.ErrRange, ""},
		{"no ranges", func(_, b, _ *fdt.Node) { b.Delete("ranges") }, fdt.ErrTranslation, "/bus has no ranges"},
		{"ranges not in entries", func(_, b, _ *fdt.Node) { set(b, "ranges", 1) }, fdt.ErrValue, "/bus: ranges"},
		{"too many ranges", func(_, b, _ *fdt.Node) { set(b, "ranges", make([]uint32, 5*257)...) }, fdt.ErrValue, ""},
		{"in no ranges", func(_, b, _ *fdt.Node) { set(b, "ranges", 0, 0x1001, 0, 0, 0x1000) }, fdt.ErrTranslation, "in no ranges of /bus"},
		{"ranges one byte short", func(_, b, _ *fdt.Node) { set(b, "ranges", 0, 0x1000, 0, 0, 0xff) }, fdt.ErrTranslation, ""},
		{"ranges that fit", func(_, b, _ *fdt.Node) { set(b, "ranges", 0, 0x1000, 0, 0x1000, 0x100) }, nil, ""},
		{"ranges that wrap", func(_, b, _ *fdt.Node) { set(b, "ranges", 0, 0, 0xffffffff, 0xffffffff, 0xffffffff) }, nil, ""},
		{"root's cells broken", func(r, b, _ *fdt.Node) { set(b, "ranges", 0, 0, 0, 0, 1); set(r, "#address-cells", 9) }, fdt.ErrValue, ""},
	} {
		_, err := bus(t, tt.change).Reg()
		require.ErrorIs(t, err, tt.want, tt.name)
		if tt.text != "" {
			require.Contains(t, err.Error(), tt.text, tt.name)
		}
	}
}

func TestSetReg(t *testing.T) {
	t.Parallel()
	tree := board(t)
	memory := lookup(t, tree, "/memory")
	for _, ranges := range [][]physmem.Range{nil, {span(0, 1)}, {span(1<<51, 1<<51), span(0x1000, 0)}} {
		require.NoError(t, memory.SetReg(ranges...))
		got, err := memory.Reg()
		require.NoError(t, err)
		require.ElementsMatch(t, ranges, got)
	}
	require.ErrorIs(t, lookup(t, tree, "/soc/serial").SetReg(span(0, 1<<32)), fdt.ErrRange, "one cell of size")
	require.ErrorIs(t, lookup(t, tree, "/soc/peripherals/serial").SetReg(span(0x10002000, 1)), fdt.ErrTranslation)
	require.ErrorIs(t, lookup(t, tree, "/soc/peripherals/deeper/device").SetReg(span(0x2_00008010, 1)), fdt.ErrRange)
	require.ErrorIs(t, tree.Root().SetReg(span(0, 1)), fdt.ErrTranslation)
}

// TestRegFirstEntryWins: of several entries the first that has all of a register
// counts.
func TestRegFirstEntryWins(t *testing.T) {
	t.Parallel()
	device := bus(t, func(_, b, _ *fdt.Node) {
		require.NoError(t, b.SetCells("ranges",
			0, 0x1000, 0x1, 0x0, 0x80, // too short for the register
			0, 0x1000, 0x2, 0x0, 0x100,
			0, 0x1000, 0x3, 0x0, 0x100))
	})
	got, err := device.Reg()
	require.NoError(t, err)
	require.Equal(t, []physmem.Range{span(0x2_00000000, 0x100)}, got)
}
