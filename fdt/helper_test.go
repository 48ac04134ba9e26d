package fdt_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// tool is the path of a program, or skips the test.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not in PATH", name)
	}
	return path
}

// run gives a program input and returns what it prints.
func run(t testing.TB, input []byte, name string, args ...string) []byte {
	t.Helper()
	command := exec.Command(tool(t, name), args...)
	command.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s %v: %s", name, args, stderr.String())
	return out
}

// compile makes a tree of its source with dtc.
func compile(t testing.TB, source string, options ...string) []byte {
	t.Helper()
	return run(t, []byte(source), "dtc", append([]string{"-q", "-I", "dts", "-O", "dtb"}, options...)...)
}

// decompile is the source that dtc makes of a tree.
func decompile(t testing.TB, data []byte) string {
	t.Helper()
	return string(run(t, data, "dtc", "-q", "-I", "dtb", "-O", "dts"))
}

func parse(t testing.TB, data []byte) *fdt.Tree {
	t.Helper()
	tree, err := fdt.Parse(data)
	require.NoError(t, err)
	return tree
}

func write(t testing.TB, tree *fdt.Tree) []byte {
	t.Helper()
	data, err := tree.AppendBinary(nil)
	require.NoError(t, err)
	return data
}

func boardBytes(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "board.dtb"))
	require.NoError(t, err)
	return data
}

func board(t testing.TB) *fdt.Tree {
	t.Helper()
	return parse(t, boardBytes(t))
}

func lookup(t testing.TB, tree *fdt.Tree, path string) *fdt.Node {
	t.Helper()
	n, ok := tree.Lookup(path)
	require.True(t, ok, path)
	return n
}

func span(start, size physmem.Address) physmem.Range {
	return physmem.Range{Start: start, End: start + size}
}

// flatten lists a tree's nodes and properties, to compare trees.
func flatten(tree *fdt.Tree) []string {
	var lines []string
	for n := range tree.Nodes() {
		lines = append(lines, n.Path())
		for name, value := range n.Properties() {
			lines = append(lines, n.Path()+":"+name+"="+string(value))
		}
	}
	return lines
}

// requireEqual checks that two trees say the same, in the same order.
func requireEqual(t testing.TB, want, got *fdt.Tree) {
	t.Helper()
	require.Equal(t, flatten(want), flatten(got))
	require.True(t, slices.Equal(want.ReserveEntries, got.ReserveEntries))
	require.Equal(t, want.BootCPU, got.BootCPU)
}
