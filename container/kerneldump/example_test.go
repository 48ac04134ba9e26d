package kerneldump_test

import (
	"bytes"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// image is a disk in memory.
type image []byte

func (m image) ReadAt(p []byte, off int64) (int, error)  { return bytes.NewReader(m).ReadAt(p, off) }
func (m image) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }

// A dump is written to a disk, found there and marked as saved.
func Example() {
	disk := make(image, 1<<20)
	w, err := kerneldump.NewWriter(kerneldump.WriterOptions{
		Device: disk,
		Size:   int64(len(disk)),
		Header: kerneldump.Header{Architecture: "amd64", ArchitectureVersion: 2, HostName: "db1", PanicString: "page fault"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Fprint(w, "minidump FreeBSD/amd64 ...")

	dump, err := kerneldump.Find(disk, int64(len(disk)), kerneldump.FindOptions{})
	fmt.Println("cut now:", err, dump)
	if err := w.Close(); err != nil {
		panic(err)
	}

	dump, err = kerneldump.Find(disk, int64(len(disk)), kerneldump.FindOptions{})
	if err != nil {
		panic(err)
	}
	b, _ := io.ReadAll(dump.Data(disk))
	fmt.Printf("%s: %q: %d bytes at %#x: %s\n", dump.Header.HostName, dump.Header.PanicString, dump.Size(), dump.Layout.Data, b)
	fmt.Println("clear:", kerneldump.Clear(disk, dump))
	// Output:
	// cut now: <nil> incomplete kernel dump of db1, 0 bytes known in an extent of 982016 at 0x10200: no trailing header: the dump was cut
	// db1: "page fault": 26 bytes at 0x10200: minidump FreeBSD/amd64 ...
	// clear: <nil>
}
