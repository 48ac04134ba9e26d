//go:build unix

package crashlog_test

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nilSignal is what the runtime calls the signal of a nil pointer here.
const nilSignal = "SIGSEGV"

func raise(name string) {
	syscall.Kill(os.Getpid(), unix.SignalNum("SIG"+name))
	time.Sleep(time.Minute)
}

// exhaust takes memory until there is none.
func exhaust() {
	limit := unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		os.Exit(97)
	}
	for size := 1 << 20; ; size *= 2 {
		sink = make([]byte, size)
	}
}

// writeUnmapped writes where nothing is mapped, above the first page: the runtime
// takes that for no nil pointer.
func writeUnmapped() {
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		os.Exit(97)
	}
	*(*byte)(unsafe.Pointer(&page[0])) = 1
}
