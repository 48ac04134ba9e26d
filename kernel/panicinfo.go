//go:build linux && (amd64 || arm64)

package kernel

import (
	"bytes"
	"runtime"
	"strconv"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Items of panic information, as package rescue numbers them. They run as
// notifiers: as Go with bounded loops, without allocation, and where they touch
// what is not there they are cut off.
const (
	informGoroutine = iota
	informRegisters
	informGoroutines
	informMemory
	informThreads
)

const (
	maxFrames     = 32
	maxGoroutines = 200
)

// inform is handoff.PanicMachine.Inform.
func inform(n *handoff.Notice) {
	switch n.Item {
	case informGoroutine:
		printPanic(n)
		n.Print("panic: calls:")
		state := addressOf(&n.Context.State)
		printFrames(n, uintptr(n.Context.PC), framePointer(state), uintptr(n.Context.Stack))
	case informRegisters:
		eachCPU(n)
	case informGoroutines:
		eachGoroutine(n)
	case informMemory:
		informOfMemory(n)
	case informThreads:
		informOfThreads(n)
	}
}

// printPanic prints what the panic is, as the fault record has it.
func printPanic(n *handoff.Notice) {
	c := n.Context
	n.Print("panic: ")
	n.Print(reasonName(c.Reason))
	n.Print(" on CPU ")
	n.PrintDecimal(uint64(c.CPU))
	if c.Reason != handoff.ReasonExit && c.Reason != handoff.ReasonCall {
		n.Print(", vector ")
		n.PrintHex(c.Vector)
		n.Print(", address ")
		n.PrintHex(c.FaultAddress)
	}
	n.Print(": ")
	if n.Output != nil {
		n.Output(addressOf(&c.Message), min(uintptr(c.MessageLength), handoff.MaxPanicMessage))
	}
	n.Print("\n")
}

// printFrames prints the addresses of calls, up the chain of frame pointers. A
// frame lies above the one before, and not far.
func printFrames(n *handoff.Notice, pc, frame, stack uintptr) {
	const most = 1 << 20
	for range maxFrames {
		n.Print(" ")
		n.PrintHex(uint64(pc))
		if frame < stack || frame-stack > most || frame&7 != 0 {
			break
		}
		next := load64(frame)
		pc = load64(frame + 8)
		if pc < k.symbols.text || pc >= k.symbols.etext {
			break
		}
		stack, frame = frame+16, next
	}
	n.Print("\n")
}

// eachCPU prints the registers of every CPU that has saved them, and its calls.
func eachCPU(n *handoff.Notice) {
	slots := min(uintptr(load32(n.PanicArea+handoff.PanicOffsetCPUs)), handoff.MaxCPUs)
	for i := uintptr(0); i < slots; i++ {
		slot := n.PanicArea + handoff.PanicOffsetRegisters + i*handoff.RegisterSlotSize
		if load32(slot+handoff.SlotOffsetValid) == 0 {
			continue
		}
		n.Print("panic: CPU ")
		n.PrintDecimal(uint64(load32(slot + handoff.SlotOffsetCPU)))
		state := slot + handoff.SlotOffsetState
		printState(n, state)
		n.Print("\n")
		if i == 0 {
			continue // informGoroutine has its calls
		}
		n.Print("panic: calls:")
		pc, stack := stateCounter(state)
		printFrames(n, pc, framePointer(state), stack)
	}
}

// wrapLine begins a new line before every fourth register.
func wrapLine(n *handoff.Notice, register int) {
	if register > 0 && register%4 == 0 {
		n.Print("\npanic:  ")
	}
}

// Offsets in runtime.g (runtime/runtime2.go of Go 1.26); knowsGoroutines checks
// them.
const (
	gStack  = 0 // low, high
	gSP     = 56
	gPC     = 64
	gBP     = 96
	gCallSP = 104 // of a system call
	gCallPC = 112
	gCallBP = 120
	gStatus = 144 // u32
	gNumber = 152

	gWaiting  = 4
	gDead     = 6
	gSyscall  = 3
	gStatuses = 0xfff
)

func goroutine() (self, bss, end uintptr)

// goroutineStates names states; see runtime's constants.
var goroutineStates = [...]string{"idle", "runnable", "running", "system call", "waiting", "5", "dead"}

// eachGoroutine prints the goroutines and where they are.
func eachGoroutine(n *handoff.Notice) {
	list, count := load64(k.goroutines), load64(k.goroutines+8)
	for i := uintptr(0); i < count && i < maxGoroutines; i++ {
		g := load64(list + 8*i)
		status := uintptr(load32(g+gStatus)) & gStatuses
		if status >= uintptr(len(goroutineStates)) || status == gDead {
			continue
		}
		n.Print("panic: goroutine ")
		n.PrintDecimal(uint64(load64(g + gNumber)))
		n.Print(" ")
		n.Print(goroutineStates[status])
		n.Print(":")
		if status == gSyscall {
			printFrames(n, load64(g+gCallPC), load64(g+gCallBP), load64(g+gCallSP))
		} else {
			printFrames(n, load64(g+gPC), load64(g+gBP), load64(g+gSP))
		}
	}
	if count > maxGoroutines {
		n.Print("panic: and ")
		n.PrintDecimal(uint64(count - maxGoroutines))
		n.Print(" goroutines more\n")
	}
}

// knowsGoroutines reports whether the runtime's goroutines were found: a slice
// among its variables that has the caller's own, which is laid out as this file
// has it. (The linker lets nobody name runtime.allgs.)
func knowsGoroutines() bool {
	if k.goroutines != 0 {
		return true
	}
	self, at, end := goroutine()
	if !isOwnGoroutine(self) {
		return false
	}
	for ; at+24 <= end; at += 8 {
		list, count, most := load64(at), load64(at+8), load64(at+16)
		if count == 0 || count > most || most > 1<<20 || !isMapped(list, list+8*count) {
			continue
		}
		for i := uintptr(0); i < count; i++ {
			if load64(list+8*i) == self {
				k.goroutines = at
				return true
			}
		}
	}
	return false
}

// isOwnGoroutine reports whether g has the number and the stack of the caller's
// goroutine where this file looks for them.
func isOwnGoroutine(g uintptr) bool {
	var text [64]byte
	words := bytes.Fields(text[:runtime.Stack(text[:], false)])
	if len(words) < 2 {
		return false
	}
	number, err := strconv.ParseUint(string(words[1]), 10, 64)
	var here byte
	at := addressOf(&here)
	return err == nil && uint64(load64(g+gNumber)) == number && load64(g+gStack) <= at && at < load64(g+gStack+8)
}

// isMapped reports whether all of [start, end) is in the kernel window and there.
func isMapped(start, end uintptr) bool {
	if start&7 != 0 || start < k.window || end > k.windowEnd || end <= start {
		return false
	}
	for a := start &^ (pageSize - 1); a < end; a += pageSize {
		if p := leaf(a, false); p == 0 || load64(p)&entryPresent == 0 {
			return false
		}
	}
	return true
}

// informOfMemory prints what the frame allocator and the address space have. The
// runtime's own statistics are not to be had without it: what it has taken of
// the system is the areas that may be written, and the frames that are in use.
func informOfMemory(n *handoff.Notice) {
	const kib = pageSize / 1024
	writable := uintptr(0)
	for i := uintptr(0); i < k.areas.count && i < maxAreas; i++ {
		if a := &k.areas.list[i]; a.protection&protectWrite != 0 {
			writable += (a.end - a.start) / 1024
		}
	}
	for _, line := range [...]struct {
		name  string
		value uintptr
	}{
		{"panic: memory in KiB: of programs ", k.framesAtStart * kib}, {", free ", k.frames.left * kib}, {", least ever free ", k.frames.least * kib},
		{", writable addresses ", writable}, {", page tables ", k.stats.tables * kib}, {"; page faults ", k.stats.faults}, {", system calls ", k.stats.systemCalls},
	} {
		n.Print(line.name)
		n.PrintDecimal(uint64(line.value))
	}
	n.Print("\n")
}

// informOfThreads prints the kernel's threads and what they wait for.
func informOfThreads(n *handoff.Notice) {
	names := [...]string{"", "running", "futex", "asleep", "polls"}
	for i := range k.threads.list {
		t := &k.threads.list[i]
		if t.state == threadFree || t.state >= uintptr(len(names)) {
			continue
		}
		n.Print("panic: thread ")
		n.PrintDecimal(uint64(t.id))
		n.Print(" ")
		n.Print(names[t.state])
		if t.state == threadFutex {
			n.Print(" ")
			n.PrintHex(uint64(t.address))
		}
		if t.wake != 0 {
			n.Print(" until ")
			n.PrintDecimal(uint64(t.wake))
			n.Print(" ns")
		}
		n.Print("\n")
	}
}

// items is a bit for each item of panic information that there is.
func items() uint32 {
	known := uint32(1<<informGoroutine | 1<<informRegisters | 1<<informMemory | 1<<informThreads)
	if knowsGoroutines() {
		known |= 1 << informGoroutines
	}
	return known
}
