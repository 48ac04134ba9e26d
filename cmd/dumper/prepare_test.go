package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// imageDisk is an image file as a device.
type imageDisk struct {
	*os.File
	size int64
}

func (d imageDisk) Size() int64     { return d.size }
func (d imageDisk) SectorSize() int { return 512 }
func (d imageDisk) Flush() error    { return nil }

func emptyImage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, size))
	return path
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	path := emptyImage(t, 4<<20)
	var fact labelFact
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "prepare", "--json", path)), &fact))
	require.Equal(t, int64(4<<20), fact.Length)
	require.Len(t, fact.ID, 32)

	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	l, err := target.Read(file, 4<<20, 0)
	require.NoError(t, err)
	require.Equal(t, fact.ID, l.ID.String())
	require.Equal(t, fact.Capacity, l.Capacity())

	requireFails(t, exitUsage, "--force", "prepare", path)
	require.Contains(t, requireDone(t, "prepare", "--force", path), "room for 3.4 MiB")
	again, err := target.Read(file, 4<<20, 0)
	require.NoError(t, err)
	require.NotEqual(t, l.ID, again.ID)
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	path := emptyImage(t, 4<<20)
	requireFails(t, exitUsage, "too small", "prepare", path+":1M+64K")
	requireFails(t, exitUsage, "too small", "prepare", path+":3M+2M")
	requireFails(t, exitUsage, "start of the extent", "prepare", path+":x+1M")
	requireFails(t, exitUsage, "length of the extent", "prepare", path+":1M+")
	requireFails(t, exitUsage, "length of the extent", "prepare", path+":1M+0")
	requireFails(t, exitOther, "sector size", "prepare", "--sector-size", "1000", path)
	requireFails(t, exitIO, "absent", "prepare", path+"absent")
	require.NoError(t, os.WriteFile(path, []byte("XFSB"), 0o600))
	require.NoError(t, os.Truncate(path, 4<<20))
	requireFails(t, exitUsage, "XFS file system at 0x0", "prepare", path)
	requireFails(t, exitUsage, "XFS file system at 0x0", "prepare", path+":1M+0x200000")
}

// A dump in an extent of a device is saved and read by the extent's name.
func TestExtentOfADevice(t *testing.T) {
	t.Parallel()
	dumpPath, _ := hostDump(t)
	dump := contents(t, dumpPath)
	path := emptyImage(t, 16<<20)
	name := path + ":1M+8M"
	requireDone(t, "prepare", name)

	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	l, err := target.Read(file, 16<<20, 1<<20)
	require.NoError(t, err)
	w, err := target.NewWriter(target.WriterOptions{Device: imageDisk{file, 16 << 20}, Label: l,
		Header: kerneldump.Header{Architecture: "amd64", HostName: "testhost", PanicString: "oops", Time: 1}})
	require.NoError(t, err)
	_, err = w.Write(dump)
	require.NoError(t, err)
	require.NoError(t, w.Close())

	require.Contains(t, requireDone(t, "info", name), "testhost")
	directory := t.TempDir()
	require.Contains(t, requireDone(t, "save", "--clear", "--dir", directory, name), "marked as saved")
	require.Equal(t, dump, contents(t, filepath.Join(directory, "vmcore.0")))
	requireFails(t, exitUsage, "but it has", "save", "--dir", directory, path+":1M+1G")
	requireFails(t, exitUsage, "but it has", "info", path+":1M+1G")

	if runtime.GOOS == "windows" {
		return // a colon is not part of a name there
	}
	odd := filepath.Join(t.TempDir(), "odd:1+1")
	require.NoError(t, os.WriteFile(odd, dump, 0o600))
	require.Contains(t, requireDone(t, "info", odd), "complete")
}

// Of a dump that was cut, info shows the notes that were kept ahead of it.
func TestInfoOfACutDump(t *testing.T) {
	t.Parallel()
	dumpPath, _ := hostDump(t)
	dump := contents(t, dumpPath)
	path := emptyImage(t, 4<<20)
	name := path + ":1M+2M"
	requireDone(t, "prepare", name)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	l, err := target.Read(file, 4<<20, 1<<20)
	require.NoError(t, err)
	w, err := target.NewWriter(target.WriterOptions{Device: imageDisk{file, 4 << 20}, Label: l, Header: kerneldump.Header{Architecture: "amd64", HostName: "testhost"}})
	require.NoError(t, err)
	require.NoError(t, w.Begin(nil))
	_, err = w.Write(dump[:len(dump)/2])
	require.NoError(t, err)
	notes := minidump.Notes{Panic: "it was cut", Cut: &minidump.Cut{Reason: minidump.CutSize, Pages: 9}}
	data, err := minidump.EncodeNotes(&notes, minidump.NotesSize(&notes))
	require.NoError(t, err)
	require.NoError(t, w.CloseIncomplete([]target.Section{{Kind: target.KindNotes, Data: data}}))

	out := requireDone(t, "info", name)
	require.Contains(t, out, "INCOMPLETE")
	require.Contains(t, out, "from the early record")
	require.Contains(t, out, "it was cut")
	require.Contains(t, out, "9 pages left out")

	_, err = file.WriteAt(make([]byte, 512), l.Start+l.EarlyOffset)
	require.NoError(t, err)
	require.NotContains(t, requireDone(t, "info", name), "early record")
}
