// Command child executes the cases of package native: see there. It answers one
// batch after the other until its standard input ends.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
)

// records is where cases lie while they run. Beside it is what the assembly
// keeps: see context in run_linux_arm64.s.
const (
	records = 0x04200000
	context = 0x04100000
	stack   = 0x04110000 // of signals
)

// run executes the case at record in the slot at entry.
//
//go:noescape
func run(record, entry uintptr)

// synchronise makes code that was written visible to the CPU.
//
//go:noescape
func synchronise(from, to uintptr)

// exits are the ways out of a slot; handler is what signals call.
func exits() uintptr
func handler() uintptr

// signalAction is the kernel's struct sigaction.
type signalAction struct{ handler, flags, restorer, mask uint64 }

const (
	flagsSignal = 0x08000004 // SA_ONSTACK, SA_SIGINFO
	exitSize    = 5 * 4      // bytes of one way out
)

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func mapAt(at, size uintptr, protection int) ([]byte, error) {
	p, err := unix.MmapPtr(-1, 0, unsafe.Add(nil, at), size, protection, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED)
	if err != nil {
		return nil, fmt.Errorf("map %#x bytes at %#x: %w", size, at, err)
	}
	return unsafe.Slice((*byte)(p), size), nil
}

// catch has all signals that instructions make come to handler, and holds back
// the runtime's.
func catch() error {
	all := ^uint64(0)
	for _, s := range []unix.Signal{unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV} {
		all &^= 1 << (s - 1)
		action := signalAction{handler: uint64(handler()), flags: flagsSignal, mask: ^uint64(0)}
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); errno != 0 {
			return fmt.Errorf("catch %v: %w", s, errno)
		}
	}
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0); errno != 0 {
		return fmt.Errorf("hold back signals: %w", errno)
	}
	alternate := struct {
		at, flags, size uint64
	}{stack, 0, 0x10000}
	if _, _, errno := unix.RawSyscall(unix.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&alternate)), 0, 0); errno != 0 {
		return fmt.Errorf("set the stack of signals: %w", errno)
	}
	return nil
}

func serve(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	const write = unix.PROT_READ | unix.PROT_WRITE
	code, err := mapAt(native.Code, native.Slots*native.SlotWords*4, write|unix.PROT_EXEC)
	if err != nil {
		return err
	}
	if _, err := mapAt(context, 0x20000, write); err != nil {
		return err
	}
	batch, err := mapAt(records, native.Slots*native.RecordSize, write)
	if err != nil {
		return err
	}
	data, err := mapAt(native.Begin, native.End-native.Begin, write)
	if err != nil {
		return err
	}
	if err := catch(); err != nil {
		return err
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read a batch: %w", err)
		}
		n := int(binary.LittleEndian.Uint64(head[:]))
		if n > native.Slots {
			return fmt.Errorf("a batch of %d cases: at most %d", n, native.Slots)
		}
		cases := batch[:n*native.RecordSize]
		if _, err := io.ReadFull(in, cases); err != nil {
			return fmt.Errorf("read %d cases: %w", n, err)
		}
		execute(cases, code, data)
		if _, err := out.Write(cases); err != nil {
			return fmt.Errorf("write %d results: %w", n, err)
		}
	}
}

// execute runs the cases of a batch.
func execute(cases, code, data []byte) {
	n := len(cases) / native.RecordSize
	for i := range n {
		fillSlot(code[i*native.SlotWords*4:], uintptr(native.Slot(i)), cases[i*native.RecordSize:])
	}
	synchronise(native.Code, uintptr(native.Slot(n)))
	const half = native.MemorySize / 2
	windows := [2][]byte{data[native.Windows[0]-native.Begin:], data[native.Windows[1]-native.Begin:]}
	for i := range n {
		memory := cases[(i+1)*native.RecordSize-native.MemorySize:]
		for w, window := range windows {
			copy(window[:half], memory[w*half:])
		}
		run(records+uintptr(i*native.RecordSize), uintptr(native.Slot(i))+4*(native.Entry-1))
		for w, window := range windows {
			copy(memory[w*half:(w+1)*half], window)
		}
	}
}

// fillSlot writes a slot: the case's instructions, LDP X29, X30, [X30, #248]
// before them, and ways out.
func fillSlot(slot []byte, at uintptr, record []byte) {
	for word := range native.SlotWords {
		from := at + uintptr(4*word)
		branch := 5<<26 | uint32(exits()+uintptr(exitSize*word)-from)>>2&(1<<26-1)
		binary.LittleEndian.PutUint32(slot[4*word:], branch)
	}
	binary.LittleEndian.PutUint32(slot[4*(native.Entry-1):], 0xa94f_fbdd) // 248 = 16 + 29*8
	for i := range native.MaxCode {
		if code := record[4*i : 4*i+4]; binary.LittleEndian.Uint32(code) != 0 {
			copy(slot[4*(native.Entry+i):], code)
		}
	}
}
