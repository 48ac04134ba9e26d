package container_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/container"
)

// A compressed dump is opened and read at random; a file that is something
// else is named.
func Example() {
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	fmt.Fprintf(w, "%-8192s%s", "minidump FreeBSD/amd64", "panic: page fault")
	if err := w.Close(); err != nil {
		panic(err)
	}
	dump, err := container.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		panic(err)
	}
	defer dump.Close()
	for _, layer := range dump.Layers() {
		fmt.Println("layer:", layer.Format)
	}
	p := make([]byte, 10)
	if _, err := dump.ReadAt(p, 8192+7); err != nil {
		panic(err)
	}
	fmt.Printf("complete: %v, %d bytes, %q\n", dump.Complete(), dump.Size(), p)

	other := []byte("KDUMP   and so on")
	_, err = container.Open(bytes.NewReader(other), int64(len(other)))
	fmt.Println(errors.Is(err, container.ErrNotDump), err)
	// Output:
	// layer: gzip
	// layer: FreeBSD minidump
	// complete: true, 8209 bytes, "page fault"
	// true not a FreeBSD kernel dump but Linux kdump file (makedumpfile): use crash or drgn with the kernel's debug file
}
