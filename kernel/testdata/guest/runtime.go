package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// run uses goroutines, channels, timers, locks and random numbers.
func run([]string) {
	numbers, sums := make(chan int), make(chan int)
	for range 10 {
		go func() {
			sum := 0
			for n := range numbers {
				sum += n
			}
			sums <- sum
		}()
	}
	for i := range 20000 {
		numbers <- i
	}
	close(numbers)
	total := 0
	for range 10 {
		total += <-sums
	}
	check(total == 20000*19999/2, "sum %d", total)

	var group sync.WaitGroup
	var lock sync.Mutex
	fired := 0
	for i := range 20 {
		group.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond / 4)
			lock.Lock()
			fired++
			lock.Unlock()
		})
	}
	group.Wait()
	check(fired == 20, "%d of 20 timers", fired)
	select {
	case <-time.After(3 * time.Millisecond):
	case <-time.After(5 * time.Second):
		check(false, "the wrong timer fired")
	}
	a, b := make([]byte, 16), make([]byte, 16)
	must(rand.Read(a))
	must(rand.Read(b))
	check(!bytes.Equal(a, b) && !bytes.Equal(a, make([]byte, 16)), "random %x %x", a, b)
	check(runtime.GOMAXPROCS(0) == 1 || !kernel.Running(), "GOMAXPROCS %d", runtime.GOMAXPROCS(0))
}

var sink []byte

// collect lets the heap grow and shrink, and looks where the frames are.
func collect([]string) {
	debug.FreeOSMemory()
	before := must(kernel.Stats()).FramesFree
	for cycle := range 4 {
		block := make([]byte, 24<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = byte(cycle)
		}
		sink = block
		held := must(kernel.Stats()).FramesFree
		check(before-held >= 24<<20>>12, "24 MiB take %d frames", before-held)
		sink, block = nil, nil
		debug.FreeOSMemory()
		after := must(kernel.Stats()).FramesFree
		check(after+512 > before, "%d frames free before, %d after cycle %d", before, after, cycle)
	}
	for range 20000 {
		sink = make([]byte, 1024)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	check(m.NumGC >= 8, "%d collections", m.NumGC)
	s := must(kernel.Stats())
	fmt.Printf("frames free %d, least %d of %d; flushes %d\n", s.FramesFree, s.FramesLeast, s.FramesTotal, s.Flushes)
}

// recovered panics by a nil dereference, often, and goes on.
func recovered([]string) {
	for range 100 {
		func() {
			defer func() {
				err, ok := recover().(runtime.Error)
				check(ok && strings.Contains(err.Error(), "nil pointer"), "recovered %v", err)
			}()
			var p *int
			*p = 1
		}()
	}
	func() {
		defer func() { check(strings.Contains(fmt.Sprint(recover()), "divide"), "no divide error") }()
		zero := len(os.Args) - len(os.Args)
		fmt.Println(1 / zero)
	}()
}

func traceback([]string) {
	go func() {
		panic("a panic in a goroutine")
	}()
	select {}
}

//go:noinline
func deeper(n int) int {
	var pad [512]byte
	pad[n%512] = byte(n)
	return deeper(n+1) + int(pad[(n+1)%512])
}

// overflow recurses up to the runtime's limit.
func overflow([]string) {
	debug.SetMaxStack(1 << 20)
	fmt.Println(deeper(0))
}

// recursion recurses until memory ends.
func recursion([]string) { fmt.Println(deeper(0)) }

// exhaust keeps all memory that it can get.
func exhaust([]string) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(1 << 60)
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
	}
}

// interrupted computes until some NMIs have come, and checks the result.
func interrupted([]string) {
	want := sha256.Sum256(bytes.Repeat([]byte("rescue"), 50000))
	fmt.Println("computing")
	for end := time.Now().Add(10 * time.Second); must(kernel.Stats()).NMIs < 20; {
		got := sha256.Sum256(bytes.Repeat([]byte("rescue"), 50000))
		check(got == want, "wrong sum")
		check(time.Now().Before(end), "%d NMIs in 10 s", must(kernel.Stats()).NMIs)
	}
}

// compress makes 32 MiB of half random data, compresses and expands it.
func compress(arguments []string) {
	rounds := 8 // of 4 MiB
	if len(arguments) > 0 {
		rounds = must(strconv.Atoi(arguments[0]))
	}
	data := make([]byte, 0, 4<<20)
	x := uint32(1)
	for len(data) < cap(data) {
		x = x*1664525 + 1013904223
		data = append(data, byte(x>>24), byte(len(data)>>12), 0, byte(x>>30))
	}
	reader, writer := newPipe()
	start := time.Now()
	go func() {
		e := must(zstd.NewWriter(writer, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10)))
		for range rounds {
			must(e.Write(data))
		}
		check(e.Close() == nil, "close")
		writer.Close()
	}()
	want := sha256.New()
	for range rounds {
		want.Write(data)
	}
	d := must(zstd.NewReader(reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true)))
	got := sha256.New()
	n := must(d.WriteTo(got))
	check(n == int64(rounds)*4<<20 && bytes.Equal(got.Sum(nil), want.Sum(nil)), "%d bytes came back, not the same", n)
	fmt.Printf("%d MiB there and back in %v\n", 4*rounds, time.Since(start))
}

// sleep measures how much longer than asked for sleeping takes.
func sleep([]string) {
	var worst time.Duration
	for _, d := range []time.Duration{100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
		start := time.Now()
		time.Sleep(d)
		late := time.Since(start) - d
		check(late >= 0, "woke %v early", -late)
		worst = max(worst, late)
	}
	fmt.Printf("worst %v late\n", worst)
}
