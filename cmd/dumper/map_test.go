package main

import (
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMap(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	out := requireDone(t, "map", dump)
	require.Contains(t, out, "[0x100000, 0x140000) 256 KiB")
	require.Contains(t, out, "page tables: 1 pages")
	require.NotContains(t, out, "\x1b[")
	require.Contains(t, requireDone(t, "map", "--color", "always", dump), "\x1b[38;2;")
	require.NotContains(t, requireDone(t, "map", "--quick", dump), "dumped, zero")

	dir := t.TempDir()
	drawing := filepath.Join(dir, "map.PNG")
	require.Empty(t, requireDone(t, "map", "-o", drawing, dump))
	file, err := os.Open(drawing)
	require.NoError(t, err)
	defer file.Close()
	_, err = png.Decode(file)
	require.NoError(t, err)

	drawing = filepath.Join(dir, "map.svg")
	require.Empty(t, requireDone(t, "map", "--output", drawing, dump))
	require.Contains(t, string(contents(t, drawing)), "<svg ")
}

func TestMapRefuses(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	requireFails(t, exitUsage, "must end in .png or .svg", "map", "-o", "map.gif", dump)
	requireFails(t, exitUsage, "must end in .png or .svg", "map", "-o", "map", dump)
	requireFails(t, exitUsage, "auto, always or never", "map", "--color", "red", dump)
	requireFails(t, exitIO, "absent", "map", "-o", filepath.Join(t.TempDir(), "absent", "map.svg"), dump)
}
