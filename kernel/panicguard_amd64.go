//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

func callGuarded(function, argument, stack, fake, window uintptr) uintptr
func endGuarded(outcome uintptr)

// noticeStackSize is the stack of a notifier.
const noticeStackSize = noticeStack - panicTable - 16*vectorsOfAPIC

// Vectors of the local APIC. The task priority lets only the highest class
// through: the timer, in an interrupt window, and nothing of a device.
const (
	vectorsOfAPIC   = 256
	vectorWindow    = 0xf0
	vectorsWindow   = 0x10
	priorityWindow  = 0xe0
	vectorTimer     = 32 // what secondaryVectors calls vectorWindow
	vectorIgnored   = 33 // and all others from vectorWindow up, and NMI
	vectorSpurious  = 0xff
	panicTrapsStack = 3 // IST
)

// canGuard reports whether there can be a guard: always.
//
//go:nosplit
func canGuard() bool { return true }

// beginGuard lets exceptions of this CPU land in panicTrapped, by a table in the
// reservation and on a stack there: the ordinary way in writes to the kernel's
// state. From here on an NMI is ignored.
//
//go:nosplit
func beginGuard(m *guardMemory) {
	table := k.panic.memory + panicTable
	fill(table, 16*vectorsOfAPIC, 0)
	_, vectors := secondarySymbols()
	for i := uintptr(0); i < vectorCount; i++ {
		putGate(table+16*i, vectors+16*i, panicTrapsStack)
	}
	putGate(table+16*vectorNMI, vectors+16*vectorIgnored, 1)
	for i := uintptr(vectorWindow); i < vectorWindow+vectorsWindow; i++ {
		putGate(table+16*i, vectors+16*vectorIgnored, panicTrapsStack)
	}
	putGate(table+16*vectorWindow, vectors+16*vectorTimer, panicTrapsStack)
	m.table = [2]uintptr{16*vectorsOfAPIC - 1 | table<<16, table >> 48}
	gate(gateTable, uint64(addressOf(&m.table)))
	m.tls = addressOf(&m.g)
	gate(msrFSBase, uint64(addressOf(&m.tls)+8))
}

// timerState is what prepareTimer found out.
type timerState struct {
	rate uintptr // timer ticks in 1024 counter ticks, 0: there is no timer
}

// prepareTimer finds the local APIC's timer and measures it against the
// counter.
func prepareTimer() bool {
	if k.secondaries.timer.rate != 0 {
		return true
	}
	if prepareAPIC() != nil {
		return false
	}
	_, err := call(callMeasure, 0, 0, 0, 0)
	return err == nil && k.secondaries.timer.rate != 0
}

// measureTimer counts over a millisecond of the counter. It is a system call, so
// that nothing comes in between.
//
//go:nosplit
func measureTimer() {
	version := readAPIC(apicVersion)
	if version == 0 || version == 0xffffffff {
		return
	}
	// Nobody here takes interrupts of the 8259s: firmware may have left one on its
	// way, which no priority keeps out of an interrupt window.
	outputByte(0x21, 0xff)
	outputByte(0xa1, 0xff)
	writeAPIC(apicTimer, apicMasked|vectorWindow)
	writeAPIC(apicDivide, apicDivideBy1)
	writeAPIC(apicInitial, 0xffffffff)
	start, from := ticks(), readAPIC(apicCurrent)
	for ticks()-start < k.kilohertz {
		pause()
	}
	end, to := ticks(), readAPIC(apicCurrent)
	writeAPIC(apicInitial, 0)
	k.secondaries.timer.rate = uintptr(from-to) * 1024 / (end - start)
}

//go:nosplit
func hasWindow() bool { return k.secondaries.timer.rate != 0 }

// openWindow sets the timer of this CPU's local APIC, and keeps all other
// interrupts away. The window itself is open only in callGuarded.
//
//go:nosplit
func openWindow(budget uintptr) {
	writeAPIC(apicSpurious, apicSoftware|vectorSpurious)
	writeAPIC(apicPriority, priorityWindow)
	writeAPIC(apicLine0, apicMasked)
	writeAPIC(apicDivide, apicDivideBy1)
	writeAPIC(apicTimer, vectorWindow)
	count := budget/1024*k.secondaries.timer.rate + 1
	if count > 0xffffffff {
		count = 0xffffffff
	}
	writeAPIC(apicInitial, uint32(count))
}

// closeWindow stops the timer, and takes its interrupt if it is on its way.
//
//go:nosplit
func closeWindow() {
	writeAPIC(apicTimer, apicMasked|vectorWindow)
	writeAPIC(apicInitial, 0)
	if readAPIC(apicRequest+vectorWindow/32*16)>>(vectorWindow%32)&1 == 0 {
		return
	}
	w := &panicNow().guard
	f := idleForever
	vector, pc := w.vector, w.pc
	w.active = 1
	m := pointer[guardMemory](k.panic.memory + panicGuard)
	callGuarded(functionAddress(f), 0, k.panic.memory+noticeStack, addressOf(&m.g), 1)
	w.vector, w.pc = vector, pc
}

// idleForever is what an interrupt that is on its way finds.
//
//go:nosplit
func idleForever(*handoff.Notice) {
	for {
		pause()
	}
}
