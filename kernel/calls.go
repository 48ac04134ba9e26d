//go:build linux && (amd64 || arm64)

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// The kernel's own system calls: what the exported functions do on the system
// call stack, where nothing else can be in the kernel at the same time. Under
// Linux these numbers are ENOSYS.
const (
	callFirst      = 0x10000
	callPanic      = callFirst + 0 // message, length
	callTake       = callFirst + 1 // physical start, end: out of the allocator
	callGive       = callFirst + 2 // and back
	callProtect    = callFirst + 3 // physical start, end, writable: in the direct map
	callMapDevice  = callFirst + 4 // physical start, size, to be read only as memory: an address in the window
	callIdentity   = callFirst + 5 // physical start, end, executable: mapped at VA = PA for ring 0
	callEnd        = callFirst + 6 // how
	callEnter      = callFirst + 7 // physical address, argument: leave for good
	callPanicStack = callFirst + 8 // top; tops of the stacks of NMI, #DF, #MC
	callAllocate   = callFirst + 9 // bytes, alignment: contiguous frames
	callSilent     = callFirst + 10
	callNoIdentity = callFirst + 11 // physical start, end
	callProcessor  = callFirst + 64 // and up: the architecture's own
)

// Ends of callEnd.
const (
	endPowerOff = 0
	endReset    = 1
	endHalt     = 2
)

//go:nosplit
func serveOwn(number, a0, a1, a2, a3 uintptr) uintptr {
	switch number {
	case callPanic:
		t := k.threads.current()
		if !beginPanic(1, k.cpu) {
			panicAgain(handoff.ReasonCall, 0, 0, 0, t.registers.ip, t.registers.sp)
		}
		panicNow().context.MessageLength = 0
		addMessage(a0, a1)
		panicThreadSet(t, handoff.ReasonCall, 0)
	case callTake:
		if !k.frames.take(a0, a1) {
			return errnoExists
		}
		return 0
	case callGive:
		return giveBack(a0, a1)
	case callProtect:
		ok := protectDirect(a0, a1, a2 != 0)
		flush()
		if !ok {
			return errnoNoMemory
		}
		return 0
	case callMapDevice:
		return mapDevice(a0, a1, a2 != 0)
	case callIdentity:
		return mapIdentity(a0, a1, a2 != 0)
	case callNoIdentity:
		return unmapIdentity(a0, a1)
	case callEnd:
		switch a0 {
		case endPowerOff:
			powerOffMachine()
		case endReset:
			resetMachine()
		}
		haltMachine()
	case callEnter:
		enterPhysical(a0, a1) // returns only from runtimeEnter
		return 0
	case callPanicStack:
		setStacks(a0, a1, a2, a3)
		return 0
	case callAllocate:
		return k.frames.allocateContiguous(a0, a1)
	case callSilent:
		k.console.silent = a0
		return 0
	}
	return serveProcessor(number, a0, a1)
}

// giveBack returns a range that callTake or callAllocate took.
//
//go:nosplit
func giveBack(start, end uintptr) uintptr {
	bit, ok := k.frames.index(start)
	last, okLast := k.frames.index(end - 1)
	n := (end - start) / pageSize
	if !ok || !okLast || start&(pageSize-1) != 0 || end&(pageSize-1) != 0 || last-bit+1 != n {
		return errnoInvalid
	}
	for i := uintptr(0); i < n; i++ {
		if testBit(k.frames.free, bit+i) {
			return errnoExists
		}
	}
	k.frames.give(start, end)
	return 0
}

// mapDevice maps registers of a device uncached into the window, or memory of
// firmware to be read.
//
//go:nosplit
func mapDevice(start, size uintptr, readOnly bool) uintptr {
	rights := uintptr(entryDevice)
	if readOnly {
		rights = entryReadOnly
	}
	offset := start & (pageSize - 1)
	start -= offset
	size = roundUp(size + offset)
	if size == 0 || start+size < start {
		return errnoInvalid
	}
	a := k.areas.gap(k.mmapBase, k.windowEnd, size)
	if a == 0 || !k.areas.insert(a, a+size, protectDevice) {
		return errnoNoMemory
	}
	for o := uintptr(0); o < size; o += pageSize {
		if !mapFrame(a+o, start+o|rights) {
			return errnoNoMemory
		}
	}
	return a + offset
}
