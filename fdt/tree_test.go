package fdt_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	tree := board(t)
	for path, want := range map[string]string{
		"/":                      "/",
		"/soc/serial@9000000":    "/soc/serial@9000000",
		"/soc/serial":            "/soc/serial@9000000",
		"//soc//serial@9000000/": "/soc/serial@9000000",
		"serial0":                "/soc/serial@9000000",
		"serial1":                "/soc/peripherals@10000000/serial@2000",
		"/memory":                "/memory@40000000",
		"/soc/interrupt-controller/msi-controller": "/soc/interrupt-controller@8000000/msi-controller@8080000",
		"":                    "",
		"bad":                 "", // an alias of an alias
		"serial2":             "",
		"serial0/child":       "",
		"soc":                 "",
		"/soc/serial@9000001": "",
		"/soc/ser":            "",
		"/soc@0":              "",
	} {
		n, ok := tree.Lookup(path)
		require.Equal(t, want != "", ok, path)
		if ok {
			require.Equal(t, want, n.Path(), path)
		}
	}
	_, ok := fdt.New().Lookup("serial0")
	require.False(t, ok)
}

func TestFind(t *testing.T) {
	t.Parallel()
	tree := board(t)
	paths := func(list ...*fdt.Node) (out []string) {
		for _, n := range list {
			out = append(out, n.Path())
		}
		return out
	}
	parent, err := tree.Root().Uint32("interrupt-parent")
	require.NoError(t, err)
	gic, ok := tree.Phandle(parent)
	require.True(t, ok)
	require.Equal(t, "interrupt-controller@8000000", gic.Name())
	require.Equal(t, "interrupt-controller", gic.BaseName())
	require.Equal(t, "soc", gic.Parent().Name())
	_, ok = tree.Phandle(99)
	require.False(t, ok)

	require.Equal(t, []string{"/soc/serial@9000000", "/soc/peripherals@10000000/serial@2000"},
		paths(slices.Collect(tree.Compatible("arm,primecell", "ns16550a"))...))
	require.Equal(t, []string{"/cpus/cpu@0", "/cpus/cpu@100000102"}, paths(slices.Collect(tree.DeviceType("cpu"))...))
	for n := range tree.Nodes() { // stops when asked to
		require.Equal(t, "/", n.Path())
		break
	}
	for range tree.Root().Children() {
		break
	}
	for name := range tree.Root().Properties() {
		require.Equal(t, "#address-cells", name)
		break
	}
	require.False(t, lookup(t, tree, "/secram").IsAvailable())
	require.True(t, lookup(t, tree, "/memory").IsAvailable())
}

func TestValues(t *testing.T) {
	t.Parallel()
	n := fdt.New().Root()
	require.NoError(t, n.Set("empty", nil))
	require.NoError(t, n.Set("odd", []byte{1, 2, 3}))
	require.NoError(t, n.SetUint32("one", 1))
	require.NoError(t, n.SetUint64("two", 1<<32|2))
	require.NoError(t, n.SetCells("three", 1, 2, 3))
	require.NoError(t, n.SetStrings("text", "text"))
	require.NoError(t, n.SetStrings("list", "a", "", "b"))
	require.NoError(t, n.SetStrings("no strings"))

	for name, want := range map[string]any{"one": uint32(1), "two": fdt.ErrValue, "empty": fdt.ErrValue, "no": fdt.ErrMissing} {
		requireValue(t, want)(n.Uint32(name))
	}
	for name, want := range map[string]any{"one": uint64(1), "two": uint64(1<<32 | 2), "three": fdt.ErrValue, "no": fdt.ErrMissing} {
		requireValue(t, want)(n.Uint64(name))
	}
	for name, want := range map[string]any{"three": []uint32{1, 2, 3}, "empty": []uint32{}, "odd": fdt.ErrValue, "no": fdt.ErrMissing} {
		requireValue(t, want)(n.Cells(name))
	}
	for name, want := range map[string]any{"text": "text", "list": fdt.ErrValue, "empty": fdt.ErrValue, "odd": fdt.ErrValue, "no": fdt.ErrMissing} {
		requireValue(t, want)(n.String(name))
	}
	for name, want := range map[string]any{"list": []string{"a", "", "b"}, "empty": []string(nil), "no strings": []string(nil), "odd": fdt.ErrValue, "no": fdt.ErrMissing} {
		requireValue(t, want)(n.Strings(name))
	}
	_, err := n.Uint32("two")
	require.EqualError(t, err, "device tree: /: two: invalid value: 8 bytes, want 4")
}

// requireValue checks what a method returns: a value, or an error of a kind.
func requireValue(t *testing.T, want any) func(any, error) {
	return func(got any, err error) {
		t.Helper()
		if kind, ok := want.(error); ok {
			require.ErrorIs(t, err, kind)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	tree := board(t)
	before := flatten(tree)
	copied := tree.Clone()
	root := copied.Root()
	value := []byte("kept\x00")
	require.NoError(t, root.Set("model", value))
	value[0] = 'X' // Set keeps its own
	require.True(t, root.Delete("unknown,empty"))
	require.False(t, root.Delete("unknown,empty"))
	soc := lookup(t, copied, "/soc")
	lookup(t, copied, "/soc/serial").Detach()
	added, err := soc.AddNode("new@1")
	require.NoError(t, err)
	require.NoError(t, added.Set("a", []byte{1}))
	require.NoError(t, added.Rename("newer@1"))
	root.Detach() // stays
	require.Equal(t, before, flatten(tree), "the original is not changed")

	want := slices.Clone(before)
	want[slices.Index(want, "/:model=board\x00")] = "/:model=kept\x00"
	want = slices.DeleteFunc(want, func(line string) bool {
		return line == "/:unknown,empty=" || len(line) >= 19 && line[:19] == "/soc/serial@9000000"
	})
	want = append(want, "/soc/newer@1", "/soc/newer@1:a=\x01")
	require.Equal(t, want, flatten(parse(t, write(t, copied))))

	_, err = soc.AddNode("newer@1")
	require.ErrorIs(t, err, fdt.ErrName)
	_, err = soc.AddNode("a/b")
	require.ErrorIs(t, err, fdt.ErrName)
	require.ErrorIs(t, added.Rename("i2c@b000000"), fdt.ErrName)
	require.NoError(t, added.Rename("newer@1"))
	require.ErrorIs(t, root.Rename("root"), fdt.ErrName)
	require.ErrorIs(t, root.Set("", nil), fdt.ErrName)
	require.ErrorIs(t, root.Set("a\x00", nil), fdt.ErrName)
	require.ErrorIs(t, root.SetStrings("a", "b\x00"), fdt.ErrValue)

	n := fdt.New().Root()
	for range fdt.MaxDepth - 1 {
		n, err = n.AddNode("a")
		require.NoError(t, err)
	}
	_, err = n.AddNode("a")
	require.ErrorIs(t, err, fdt.ErrTooLarge)
}

// TestTwice: of two properties of one name the first counts, and both are kept
// until one is set.
func TestTwice(t *testing.T) {
	t.Parallel()
	data := build([]uint32{begin, noName, prop, 4, 0, 1, prop, 4, 5, 9, prop, 4, 0, 2, end, finish}, "name\x00more\x00")
	tree := parse(t, data)
	got, err := tree.Root().Uint32("name")
	require.NoError(t, err)
	require.Equal(t, uint32(1), got)
	require.Equal(t, data, write(t, tree))
	copied := tree.Clone()
	require.NoError(t, copied.Root().SetUint32("name", 3))
	require.Equal(t, []string{"/", "/:name=\x00\x00\x00\x03", "/:more=\x00\x00\x00\x09"}, flatten(copied))
	require.Equal(t, data, write(t, tree))
}
