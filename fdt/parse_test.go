package fdt_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
)

func TestBoardIsCompiled(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("testdata", "board.dts"))
	require.NoError(t, err)
	require.Equal(t, boardBytes(t), compile(t, string(source)))
}

// TestRoundTrip: a tree in dtc's form comes back to the byte, in whatever other
// form the same tree was.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := boardBytes(t)
	got, err := board(t).AppendBinary([]byte("before"))
	require.NoError(t, err)
	require.Equal(t, want, got[len("before"):])
	require.Equal(t, want, write(t, board(t).Clone()))
	require.Equal(t, want, write(t, parse(t, append(bytes.Clone(want), 1, 2, 3))), "what follows the tree is ignored")

	source, err := os.ReadFile(filepath.Join("testdata", "board.dts"))
	require.NoError(t, err)
	for _, options := range [][]string{{"-V", "16"}, {"-V", "17", "-S", "20000"}, {"-V", "17", "-p", "777"}} {
		other := compile(t, string(source), options...)
		require.NotEqual(t, want, other)
		require.Equal(t, want, write(t, parse(t, other)), options)
	}
	boot := compile(t, string(source), "-b", "3")
	require.Equal(t, uint32(3), parse(t, boot).BootCPU)
	require.Equal(t, boot, write(t, parse(t, boot)))
}

// TestFromScratch: a tree that was built is what dtc makes of its source.
func TestFromScratch(t *testing.T) {
	t.Parallel()
	tree := fdt.New()
	tree.ReserveEntries = []fdt.ReserveEntry{{Address: 0x1000, Size: 0x2000}}
	root := tree.Root()
	require.NoError(t, root.SetUint32("#address-cells", 2))
	require.NoError(t, root.SetStrings("compatible", "a", "b"))
	bus, err := root.AddNode("bus@0")
	require.NoError(t, err)
	require.NoError(t, bus.SetCells("#address-cells", 1))
	require.NoError(t, bus.Set("cells", []byte{1, 2, 3})) // shares the end of the name before
	require.NoError(t, bus.Set("ranges", nil))
	require.NoError(t, bus.SetUint64("wide", 1<<40))
	want := compile(t, `/dts-v1/; /memreserve/ 0x1000 0x2000; / {
		#address-cells = <2>; compatible = "a", "b";
		bus@0 { #address-cells = <1>; cells = [01 02 03]; ranges; wide = <0x100 0>; };
	};`)
	require.Equal(t, want, write(t, tree))
}

// build makes a tree of version 17 of a structure block and strings.
func build(structure []uint32, strings string) []byte {
	data := make([]byte, 56, 200)
	for _, cell := range structure {
		data = binary.BigEndian.AppendUint32(data, cell)
	}
	stringsAt := len(data)
	data = append(data, strings...)
	for i, v := range []int{0xd00dfeed, len(data), 56, stringsAt, 40, 17, 16, 0, len(strings), 4 * len(structure)} {
		binary.BigEndian.PutUint32(data[4*i:], uint32(v))
	}
	return data
}

const (
	begin    = 1
	end      = 2
	prop     = 3
	nop      = 4
	finish   = 9
	noName   = 0
	nameA    = 'a' << 24
	longName = 'a'<<24 | 'a'<<16 | 'a'<<8 | 'a'
)

func TestTokens(t *testing.T) {
	t.Parallel()
	tree := parse(t, build([]uint32{nop, begin, noName, nop, prop, 5, 0, 1 << 24, 2 << 24, nop,
		begin, nameA, end, nop, begin, nameA, end, end, nop, finish, 0xffff}, "name\x00"))
	require.Equal(t, []string{"/", "/:name=\x01\x00\x00\x00\x02", "/a", "/a"}, flatten(tree))
	require.Equal(t, build([]uint32{begin, noName, prop, 5, 0, 1 << 24, 2 << 24,
		begin, nameA, end, begin, nameA, end, end, finish}, "name\x00"), write(t, tree))
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := []uint32{begin, noName, prop, 4, 0, 7, end, finish}
	header := func(field int, v uint32) []byte {
		data := build(good, "name\x00")
		binary.BigEndian.PutUint32(data[4*field:], v)
		return data
	}
	structure := func(s ...uint32) []byte { return build(s, "name\x00") }
	nested := make([]uint32, 0, 3*fdt.MaxDepth)
	for range fdt.MaxDepth + 1 {
		nested = append(nested, begin, nameA)
	}
	var long []uint32
	for range 64 {
		long = append(long, longName)
	}
	properties := make([]uint32, 2, 3*fdt.MaxNodeProperties)
	properties[0] = begin
	for range fdt.MaxNodeProperties + 1 {
		properties = append(properties, prop, 0, 0)
	}
	nodes := make([]uint32, 2, 3*fdt.MaxNodes)
	nodes[0] = begin
	for range fdt.MaxNodes {
		nodes = append(nodes, begin, nameA, end)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, fdt.ErrSize},
		{"half a header", build(good, "")[:35], fdt.ErrSize},
		{"magic", header(0, 0xd00dfeee), fdt.ErrMagic},
		{"total beyond the bytes", header(1, 200), fdt.ErrSize},
		{"total within the header", header(1, 39), fdt.ErrSize},
		{"total above the limit", header(1, fdt.MaxSize+1), fdt.ErrTooLarge},
		{"structure beyond", header(2, 0xfffffffc), fdt.ErrSize},
		{"structure in the header", header(2, 36), fdt.ErrSize},
		{"structure not aligned", header(2, 58), fdt.ErrSize},
		{"structure too long", header(9, 0xffffffff), fdt.ErrSize},
		{"structure too short", header(9, 28), fdt.ErrStructure},
		{"strings beyond", header(3, 1<<20), fdt.ErrSize},
		{"strings too long", header(8, 6), fdt.ErrSize},
		{"strings without an end", header(8, 4), fdt.ErrName},
		{"reservations beyond", header(4, 1<<20), fdt.ErrSize},
		{"reservations not aligned", header(4, 44), fdt.ErrSize},
		{"reservations without an end", header(4, 56), fdt.ErrStructure},
		{"version 15", header(5, 15), fdt.ErrVersion},
		{"compatible with 18 only", header(6, 18), fdt.ErrVersion},
		{"empty structure", structure(), fdt.ErrStructure},
		{"no root", structure(finish), fdt.ErrStructure},
		{"no end", structure(begin, noName, end), fdt.ErrStructure},
		{"root not closed", structure(begin, noName, finish), fdt.ErrStructure},
		{"closed twice", structure(begin, noName, end, end, finish), fdt.ErrStructure},
		{"two roots", structure(begin, noName, end, begin, noName, end, finish), fdt.ErrStructure},
		{"property in no node", structure(prop, 0, 0, begin, noName, end, finish), fdt.ErrStructure},
		{"property after the root", structure(begin, noName, end, prop, 0, 0, finish), fdt.ErrStructure},
		{"property after a child", structure(begin, noName, begin, nameA, end, prop, 0, 0, end, finish), fdt.ErrStructure},
		{"unknown token", structure(begin, noName, 5, end, finish), fdt.ErrStructure},
		{"value beyond", structure(begin, noName, prop, 0xffffffff, 0, end, finish), fdt.ErrStructure},
		{"property cut", structure(begin, noName, prop, 4), fdt.ErrStructure},
		{"property's name beyond", structure(begin, noName, prop, 0, 5, end, finish), fdt.ErrName},
		{"property's name far beyond", structure(begin, noName, prop, 0, 0xffffffff, end, finish), fdt.ErrName},
		{"property's name empty", structure(begin, noName, prop, 0, 4, end, finish), fdt.ErrName},
		{"property's name too long", build([]uint32{begin, noName, prop, 0, 0, end, finish}, strings.Repeat("a", 256)+"\x00"), fdt.ErrName},
		{"node's name empty", structure(begin, noName, begin, noName, end, end, finish), fdt.ErrName},
		{"node's name with a slash", structure(begin, noName, begin, '/'<<24, end, end, finish), fdt.ErrName},
		{"node's name too long", structure(append([]uint32{begin, noName, begin}, append(long, 0, end, end, finish)...)...), fdt.ErrName},
		{"node's name without an end", structure(begin, longName), fdt.ErrName},
		{"too deep", structure(nested...), fdt.ErrTooLarge},
		{"too many properties", structure(properties...), fdt.ErrTooLarge},
		{"too many nodes", structure(nodes...), fdt.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree, err := fdt.Parse(tt.data)
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, tree)
			require.Contains(t, err.Error(), "device tree: ")
		})
	}
	_, err := fdt.Parse(build(good, "name\x00"))
	require.NoError(t, err)
	_, err = fdt.Parse(structure(begin, noName, 5, end, finish))
	var place *fdt.ParseError
	require.ErrorAs(t, err, &place)
	require.Equal(t, 56+8, place.Offset)
}

// TestTooManyReserved: the block's end is looked for in a bounded list.
func TestTooManyReserved(t *testing.T) {
	t.Parallel()
	tree := fdt.New()
	tree.ReserveEntries = make([]fdt.ReserveEntry, fdt.MaxReserveEntries)
	for i := range tree.ReserveEntries {
		tree.ReserveEntries[i].Address = uint64(i + 1)
	}
	requireEqual(t, tree, parse(t, write(t, tree)))
	tree.ReserveEntries = append(tree.ReserveEntries, fdt.ReserveEntry{Size: 1})
	_, err := tree.AppendBinary(nil)
	require.ErrorIs(t, err, fdt.ErrTooLarge)
	tree.ReserveEntries = []fdt.ReserveEntry{{}}
	_, err = tree.AppendBinary(nil)
	require.ErrorIs(t, err, fdt.ErrValue)
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	large := fdt.New()
	for _, name := range []string{"a", "b"} {
		require.NoError(t, large.Root().Set(name, make([]byte, fdt.MaxSize/2)))
	}
	require.ErrorIs(t, large.Root().Set("c", make([]byte, fdt.MaxSize+1)), fdt.ErrTooLarge)
	out, err := large.AppendBinary([]byte("before"))
	require.ErrorIs(t, err, fdt.ErrTooLarge)
	require.Equal(t, "before", string(out))

	_, err = (&fdt.Tree{}).AppendBinary(nil)
	require.ErrorIs(t, err, fdt.ErrStructure)
}
