package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func newPipe() (io.Reader, io.WriteCloser) { return io.Pipe() }

// boot prints what the kernel was booted with.
func boot(arguments []string) {
	b := must(kernel.Boot())
	fmt.Printf("arguments %q variable %q command line %q\n", arguments, os.Getenv("variable"), b.CommandLine)
	fmt.Printf("role %v protocol %d reservation %v\n", b.Role, b.Protocol, b.Reservation)
	for _, e := range b.Map {
		fmt.Printf("map %v type %d\n", e.Range, e.Type)
	}
	for _, m := range b.Modules {
		fmt.Printf("module %v %q: %q\n", m.Range, m.CommandLine, must(kernel.Memory()).ViewPhysical(m.Range)[:8])
	}
	if !b.DeviceTree.IsEmpty() {
		tree := must(kernel.Memory()).ViewPhysical(b.DeviceTree)
		free := must(kernel.Free())
		fmt.Printf("device tree %x of %d bytes, free %v\n", tree[:4], len(tree), free.ContainsRange(b.DeviceTree))
	}
	fmt.Printf("clock %+v, now %d\n", must(kernel.ClockInfo()), time.Now().Unix())
	block := must(handoff.Parse(b.Block))
	check(block.Role == b.Role, "role %v", block.Role)
}

//go:nosplit
//go:noinline
func poke(address uintptr) { *(*byte)(unsafe.Pointer(address)) = 1 }

func wild([]string) { poke(0x1234_5678_9000) }

// faults reports whether f ends in a memory fault.
func faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() != nil }()
	f()
	return false
}

// protect tries what W^X and the kernel's protection must refuse. Arguments are
// the addresses of the descriptor tables and of text.
func protect(arguments []string) {
	control := uintptr(must(strconv.ParseUint(arguments[0], 0, 64)))
	text := uintptr(must(strconv.ParseUint(arguments[1], 0, 64)))
	b := must(kernel.Boot())
	block := must(handoff.Parse(b.Block))
	alias := func(a uintptr) uintptr {
		return uintptr(block.Space.DirectMap) + uintptr(b.Reservation.Start) + uintptr(block.Parts[handoff.PartImage].Offset) + a - uintptr(block.Image.LinkBase)
	}
	for name, a := range protectedPlaces(text, control) {
		check(faults(func() { poke(a) }), "%s can be written at %#x", name, a)
		check(faults(func() { poke(alias(a)) }), "%s can be written at %#x in the direct map", name, alias(a))
	}
	code := []byte{0xc3}
	run := *(*func())(unsafe.Pointer(&[]uintptr{uintptr(unsafe.Pointer(&[]uintptr{uintptr(unsafe.Pointer(&code[0]))}[0]))}[0]))
	check(faults(run), "data can be executed")
	check(faults(func() { poke(0) }), "page 0 can be written")
	check(faults(func() { poke(uintptr(block.Space.DirectMap) + 3<<30) }), "there is memory at 3 GiB")
}

//go:nosplit
func onPanic(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	leave(c, panicCode(c))
	return 0
}

// panicCode is the reason, with what else there is to tell of a panic.
//
//go:nosplit
func panicCode(c *handoff.PanicContext) byte {
	if c.Depth == 2 {
		return byte(c.Second.Reason) | 0x80
	}
	if nested {
		poke(0x1234_5678_9000)
	}
	if c.CPU != 0 || beats != 0 {
		// Another CPU was started. Both must be still now.
		if stopOthers(1<<40) != 0 {
			return 0x7e
		}
		before := beats
		for range 1000000 {
			poked++
		}
		if beats != before {
			return 0x7f
		}
		return byte(c.Reason) | byte(c.CPU)<<4
	}
	return byte(c.Reason)
}

var (
	nested bool
	// stopOthers is the kernel's, for the panic path.
	stopOthers func(patience uint64) uint32
	beats      uint64 // counted by another CPU
	poked      uint64
)

//go:nosplit
func beat() {
	for {
		atomic.AddUint64(&beats, 1)
	}
}

//go:nosplit
func beatAndPoke() {
	for beats < 1000000 {
		atomic.AddUint64(&beats, 1)
	}
	poke(0x1234_5678_9000)
}

// secondCPU starts CPU 1 and panics: on it, or on this one.
func secondCPU(arguments []string) {
	beats, poked = 1, 1 // mapped from here on
	stopOthers = must(kernel.Facts()).Panic.StopOthers
	check(kernel.OnPanic(handoff.PanicHandler{Run: onPanic, NMI: true}) == nil, "hook")
	check(errors.Is(kernel.StartCPU(9, beat), kernel.ErrCPU), "CPU 9 was started")
	f := beat
	if arguments[0] == "there" {
		f = beatAndPoke
	}
	err := kernel.StartCPU(1, f)
	check(err == nil, "%v", err)
	for start := time.Now(); atomic.LoadUint64(&beats) < 1000; {
		check(time.Since(start) < 5*time.Second, "CPU 1 does not count")
		time.Sleep(time.Millisecond)
	}
	check(must(kernel.Facts()).Host.CPUs >= 2, "the facts have another number of CPUs")
	if arguments[0] == "here" {
		kernel.Panic("as asked for")
	}
	time.Sleep(5 * time.Second)
}

// hook installs a panic handler that tells the reason by the exit code, and
// panics in the way of its argument.
func hook(arguments []string) {
	stack := must(kernel.Allocate(32<<10, 4096))
	check(kernel.OnPanic(handoff.PanicHandler{Run: onPanic, Stack: stack, NMI: true}) == nil, "hook")
	if len(arguments) > 1 {
		nested = true
	}
	fmt.Println("computing")
	switch arguments[0] {
	case "call":
		kernel.Panic("as asked for")
	case "exit":
		os.Exit(3)
	case "throw":
		var p *int
		*p = 1
	case "memory":
		exhaust(nil)
	case "gate":
		kernel.Enter(1<<45, 0)
	case "double", "nmi": // the test does it, from outside
		time.Sleep(300 * time.Millisecond)
		recovered(nil)
	}
}

// memory uses the allocator's and the direct map's functions.
func memory([]string) {
	m := must(kernel.Memory())
	_, err := m.ReadPhysical(make([]byte, 1), 1<<40)
	check(errors.Is(err, physmem.ErrOutside), "read outside: %v", err)

	free := must(kernel.Free())
	before := must(kernel.Stats()).FramesFree
	check(free.Size()>>12 <= before+8 && free.Size()>>12+64 > before, "%d frames free, listed %d", before, free.Size()>>12)
	last := free[len(free)-1]
	block := physmem.Range{Start: last.End - 1<<20, End: last.End}
	check(kernel.Reserve(block) == nil, "reserve %v", block)
	check(errors.Is(kernel.Reserve(block), kernel.ErrInUse), "reserved twice")

	check(must(m.WritePhysical([]byte("evidence"), block.Start)) == 8, "write")
	check(kernel.Protect(block, false) == nil, "protect")
	n, err := m.WritePhysical([]byte("x"), block.Start)
	var access *physmem.AccessError
	check(n == 0 && errors.As(err, &access), "write to protected memory: %d, %v", n, err)
	got := make([]byte, 8)
	must(m.ReadPhysical(got, block.Start))
	check(string(got) == "evidence", "read back %q", got)
	check(kernel.Protect(block, true) == nil, "unprotect")
	must(m.WritePhysical([]byte("x"), block.Start))
	check(kernel.Release(block) == nil, "release")
	check(kernel.Release(block) != nil, "released twice")

	facts := must(kernel.Facts())
	words := m.ViewPhysical(facts.Bitmap.Extents[0])
	set := 0
	for _, b := range words {
		for ; b != 0; b &= b - 1 {
			set++
		}
	}
	a := must(kernel.Allocate(8<<12, 64<<10))
	check(a.Start.IsAligned(64<<10) && a.Size() == 8<<12, "allocated %v", a)
	grown := 0
	for _, b := range words {
		for ; b != 0; b &= b - 1 {
			grown++
		}
	}
	check(grown == set+8, "the page bitmap had %d bits and has %d", set, grown)
	fmt.Printf("facts %+v\n", facts)
}

// files does what the kernel has no answer for: errors, not hangs.
func files([]string) {
	_, err := os.ReadFile("/etc/passwd")
	check(errors.Is(err, os.ErrNotExist), "read a file: %v", err)
	_, err = os.Create("/tmp/x")
	check(err != nil, "created a file")
	name := must(os.Hostname())
	want := "rescuekernel"
	if given := os.Getenv("hostname"); given != "" {
		want = given
		check(must(kernel.Facts()).Host.Name == want, "facts")
	}
	check(name == want, "host name %q", name)
	_, _, err = os.Pipe()
	check(err != nil, "made a pipe")
}

// input echoes a line of standard input.
func input([]string) {
	line := must(bufio.NewReader(os.Stdin).ReadString('\n'))
	fmt.Printf("got %q\n", line)
}

// figures prints what the tests measure.
func figures([]string) {
	s := must(kernel.Stats())
	fmt.Printf("user %v start %v main %v faults %d calls %d frames %d\n", time.Duration(s.EntryToUser), time.Duration(s.EntryToStart), mainTime, s.PageFaults, s.SystemCalls, s.FramesTotal-s.FramesFree)
	fmt.Println(kernel.Calls())
}

// touch measures page faults.
func touch([]string) {
	for range 3 {
		block := make([]byte, 16<<20)
		before := must(kernel.Stats())
		start := time.Now()
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		took := time.Since(start)
		after := must(kernel.Stats())
		fmt.Printf("4096 pages in %v: %v a page, %d faults, %d spurious\n", took, took/4096, after.PageFaults-before.PageFaults, after.Spurious-before.Spurious)
		sink = block
		sink, block = nil, nil
		debug.FreeOSMemory()
	}
}
