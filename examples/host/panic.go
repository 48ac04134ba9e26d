package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// unmapped is an address at which a kernel has nothing.
const unmapped = 1 << 45

// panicAs panics in one of the ways that there are, "none" returns. The CPU that
// dead names hears nothing any more by then.
func panicAs(kind, dead string, armed *rescue.Armed) {
	if n, err := strconv.ParseUint(dead, 0, 32); err == nil && n != 0 {
		if err := stun(uint32(n)); err != nil {
			fmt.Println("host:", err)
			os.Exit(1)
		}
	}
	fmt.Printf("host: panic of kind %q\n", kind)
	switch kind {
	case "none":
	case "go":
		panic("the books do not balance")
	case "nil":
		go nilDereference(nil)
		select {}
	case "stack": // before memory runs out
		debug.SetMaxStack(8 << 20)
		fmt.Println(recursion(nil))
	case "memory":
		exhaust()
	case "kernel": // a fault at the highest privilege: the kernel jumps to nowhere
		fmt.Println("host:", kernel.Enter(unmapped, 0))
	case "call":
		armed.Panic("the operator asked for it")
	case "exit":
		os.Exit(3)
	case "lockup": // CPU 0 beats until something stops it
		beatForever()
	case "nmi": // whoever wants it sends one
		spin()
	case "cpu", "cpu2", "cpu3": // a fault on another CPU
		if err := faultOn(map[string]int{"cpu": 1, "cpu2": 2, "cpu3": 3}[kind]); err != nil {
			fmt.Println("host:", err)
			os.Exit(1)
		}
		spin()
	default:
		fmt.Printf("host: no such kind\n")
		os.Exit(1)
	}
}

// spin keeps the CPU busy in one instruction.
//
//go:noinline
func spin() {
	//lint:ignore SA5002 that is what it is for
	for {
	}
}

// nowhere is nil for ever.
var nowhere *uint64

// wildStore runs on a CPU that has no goroutine.
//
//go:nosplit
func wildStore() { *nowhere = 1 }

//go:noinline
func nilDereference(l *ledger) { l.entries["nobody"]++ }

// recursion never ends.
//
//go:noinline
func recursion(before *[512]byte) byte {
	var frame [512]byte
	if before != nil {
		frame[0] = before[0] + 1
	}
	//lint:ignore SA5007 that is what it is for
	return recursion(&frame) + frame[1]
}

// exhaust takes memory until there is none.
func exhaust() {
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
		if len(all)%16 == 0 {
			fmt.Printf("host: took %d MiB\n", len(all))
		}
	}
}
