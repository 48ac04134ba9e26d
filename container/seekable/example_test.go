package seekable_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed64aab995/rescuekernel/container/seekable"
)

// A stream is compressed, read at random, and read again after its second half
// was lost.
func Example() {
	var file bytes.Buffer
	w, err := seekable.NewWriter(&file, seekable.WriterOptions{FrameSize: 4096})
	if err != nil {
		panic(err)
	}
	for page := range 100 {
		fmt.Fprintf(w, "%-4095d\n", page)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}

	r, err := seekable.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), seekable.ReaderOptions{})
	if err != nil {
		panic(err)
	}
	p := make([]byte, 2)
	if _, err := r.ReadAt(p, 42*4096); err != nil {
		panic(err)
	}
	fmt.Printf("page %s of %d\n", p, r.Frames())

	half := file.Bytes()[:file.Len()/2]
	r, err = seekable.NewReader(bytes.NewReader(half), int64(len(half)), seekable.ReaderOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println("complete:", r.Complete(), "pages:", r.Size()/4096)

	file.Bytes()[5000] ^= 1
	r, err = seekable.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), seekable.ReaderOptions{})
	if err != nil {
		panic(err)
	}
	bad, _ := r.VerifyFrames(context.Background(), nil)
	for _, e := range bad {
		fmt.Println("frame", e.Frame, "loses", e.End-e.Start, "bytes")
	}
	// Output:
	// page 42 of 100
	// complete: false pages: 62
	// frame 75 loses 4096 bytes
}
