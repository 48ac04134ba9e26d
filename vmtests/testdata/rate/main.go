// Rate compresses made-up memory as a rescue program does and tells how long it
// took. The same file runs as a rescue program and, started by Linux, as an
// ordinary one.
package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/seed64aab995/rescuekernel/container/seekable"
	_ "github.com/seed64aab995/rescuekernel/kernel" // what runs it as a kernel
)

const size = 16 << 20

func main() {
	data := memory()
	for range 2 { // the first one is to warm up
		start := time.Now()
		w, err := seekable.NewWriter(io.Discard, seekable.WriterOptions{FrameSize: 128 << 10, WindowSize: 64 << 10, LowMemory: true})
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			fmt.Println("rate:", err)
			os.Exit(1)
		}
		fmt.Printf("rate: %d bytes in %d ns\n", size, time.Since(start).Nanoseconds())
	}
}

// memory is something like a kernel's memory: text, pointers, noise, zeros.
func memory() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, size)
	words := []string{"vm_page", "allproc", "panic", "0x00000000", "struct ", "goroutine ", "return "}
	for page := 0; page < size; page += 4096 {
		p := data[page : page+4096]
		switch random.IntN(4) {
		case 0:
			for n := 0; n < len(p); {
				n += copy(p[n:], words[random.IntN(len(words))])
			}
		case 1:
			for n := 0; n+8 <= len(p); n += 8 {
				copy(p[n:], []byte{byte(random.Uint32()), byte(random.Uint32()), byte(n), 0, 0, 0x50, 0, 0})
			}
		case 2:
			for n := range p {
				p[n] = byte(random.Uint32())
			}
		}
	}
	return data
}
