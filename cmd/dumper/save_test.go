package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// hostDisk makes the image of a dump device with the test host's dump on it,
// whole or cut.
func hostDisk(t *testing.T, whole bool) (disk string, dump []byte) {
	t.Helper()
	path, _ := hostDump(t)
	dump = contents(t, path)
	disk = filepath.Join(t.TempDir(), "disk")
	file, err := os.Create(disk)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Truncate(4<<20))
	w, err := kerneldump.NewWriter(kerneldump.WriterOptions{Device: file, Size: 4 << 20, Extent: int64(len(dump)+511) &^ 511,
		Header: kerneldump.Header{Architecture: "amd64", PanicString: "test\x1b", HostName: "testhost", Time: 1}})
	require.NoError(t, err)
	_, err = w.Write(dump)
	require.NoError(t, err)
	if whole {
		require.NoError(t, w.Close())
	} else {
		require.NoError(t, w.Flush())
	}
	return disk, dump
}

func TestSave(t *testing.T) {
	t.Parallel()
	disk, dump := hostDisk(t, true)
	before := contents(t, disk)
	dir := t.TempDir()
	saved := filepath.Join(dir, "vmcore.0")

	out := requireDone(t, "save", "--dir", dir, disk)
	require.Contains(t, out, saved)
	require.Contains(t, out, `(panic: test\x1b)`)
	require.Equal(t, dump, contents(t, saved))
	require.Equal(t, before, contents(t, disk))

	var fact savedFact
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "save", "--json", "--dir", dir, disk)), &fact))
	require.Equal(t, savedFact{Device: disk, Path: saved, Size: int64(len(dump)), Earlier: true, Complete: true,
		Panic: "test\x1b", Host: "testhost", Time: 1}, fact)

	require.Contains(t, requireDone(t, "save", "--clear", "--dir", dir, disk), "marked as saved")
	requireFails(t, exitNotDump, "saved and cleared before", "save", "--dir", dir, disk)
	require.NoFileExists(t, filepath.Join(dir, "vmcore.1"))

	// What is on the device is read there, too.
	other, _ := hostDisk(t, true)
	require.Contains(t, requireDone(t, "read", other, argument(hostData), "4"), "2a 00 00 00")
}

func TestSaveSalvages(t *testing.T) {
	t.Parallel()
	disk, dump := hostDisk(t, false)
	dir := t.TempDir()
	r := dumper(t, "save", "--dir", dir, disk)
	require.Equal(t, exitIncomplete, r.code, r.errors)
	require.Contains(t, r.out, "incomplete: ")
	require.Equal(t, dump, contents(t, filepath.Join(dir, "vmcore.0"))[:len(dump)])
	require.Contains(t, string(contents(t, filepath.Join(dir, "info.0"))), "Dump Status: incomplete")
}

func TestSaveRefuses(t *testing.T) {
	t.Parallel()
	disk, _ := hostDisk(t, true)
	dir := t.TempDir()
	requireFails(t, exitUsage, "--min-free", "save", "--min-free", "much", "--dir", dir, disk)
	requireFails(t, exitUsage, "negative", "save", "--max", "-1", "--dir", dir, disk)
	requireFails(t, exitIO, "too little space", "save", "--min-free", "8000000T", "--dir", dir, disk)
	requireFails(t, exitIO, "absent", "save", "--dir", filepath.Join(dir, "absent"), disk)
	requireFails(t, exitIO, "absent", "save", "--dir", dir, filepath.Join(dir, "absent"))
	requireFails(t, exitNotDump, "no kernel dump", "save", "--dir", dir, writeTemporary(t, "empty", make([]byte, 1<<20)))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
