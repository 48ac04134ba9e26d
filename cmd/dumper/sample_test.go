package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The commands of the README's first minute.
func TestSample(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "vmcore"), filepath.Join(dir, "again")
	require.Contains(t, requireDone(t, "sample", first), "next: dumper info")
	requireDone(t, "sample", second)
	require.Equal(t, contents(t, first), contents(t, second), "a sample is always the same")

	require.Contains(t, requireDone(t, "verify", first), "vmcore: sound")
	require.Contains(t, requireDone(t, "info", first), "page fault at 0xdead in ledger_add")
	require.Contains(t, requireDone(t, "log", first), "handing over to the rescue kernel\n")
	backtrace := requireDone(t, "bt", first)
	for _, frame := range []string{"0xffffff0000000025", "0xffffff0000000019", "0xffffff0000000009"} {
		require.Contains(t, backtrace, frame)
	}
	require.Equal(t, "physical 0x200025", lastLine(requireDone(t, "translate", first, "0xffffff0000000025")))
	require.Contains(t, requireDone(t, "disasm", first, "0xffffff0000000025", "1"), "(%rdi)")
	require.Contains(t, requireDone(t, "map", first), "missing: 2 pages")
	requireFails(t, exitNotThere, "redacted", "read", "--physical", first, "0xa00000")
	requireFails(t, exitIO, "absent", "sample", filepath.Join(dir, "absent", "vmcore"))
	_, err := os.Stat(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
