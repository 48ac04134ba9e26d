//go:build linux

package kernel

import (
	"sync/atomic"

	"github.com/seed64aab995/rescuekernel/handoff"
)

func interrupt()

// What the stub knows of the panic area.
const (
	panicSlots = handoff.PanicOffsetCPUs
	firstSlot  = handoff.PanicOffsetRegisters
	slotShift  = 11
)

// Both are 0: a slot has the size that the stub takes it to have.
const _ = uint(handoff.RegisterSlotSize-1<<slotShift) + uint(1<<slotShift-handoff.RegisterSlotSize)

// slotOf is where the CPU of a place leaves its registers, 0 where there is no
// room for them: the panicking CPU has the first slot, the others follow by
// place. The stub has the same rule.
//
//go:nosplit
func slotOf(place uintptr) uintptr {
	n, area := place, k.panic.panicArea
	if place > panicNow().owner {
		n--
	}
	if area == 0 || n >= uintptr(load32(area+panicSlots)) {
		return 0
	}
	return area + firstSlot + n<<slotShift
}

// stateOf is the state of CPU i in the order of starting; 0 is CPU 0.
//
//go:nosplit
func stateOf(i uintptr) *secondary {
	block := *element(&k.secondaries.blocks[0], i)
	if block == 0 {
		return &k.first
	}
	return pointer[secondary](block + secondaryState)
}

//go:nosplit
func hasStopped(state *secondary) bool {
	if atomic.LoadUintptr(&state.stopped) != 0 {
		return true
	}
	slot := slotOf(state.place)
	return slot != 0 && atomic.LoadUint32(pointer[uint32](slot+handoff.SlotOffsetValid)) != 0
}

// stopOthers stops every other CPU and says how many did not stop in so many
// ticks. It asks by an interrupt, which writes to the reservation only. From those
// that have not answered at half the time it takes the kernel window away: they
// fault at their next instruction, whatever they have masked. That writes two
// words of such a CPU's own block: a CPU that goes on would write more.
//
//go:nosplit
func stopOthers(patience uintptr) (missing uintptr) {
	if k.secondaries.count == 0 {
		return 0
	}
	publish()
	for i := uintptr(0); i <= k.secondaries.count; i++ {
		if state := stateOf(i); state.place != panicNow().owner {
			sendStop(state)
		}
	}
	start := ticks()
	if k.controller.version == 0 || waitStopped(start, patience/2) != 0 {
		forceOthers()
	}
	return waitStopped(start, patience)
}

// waitStopped waits until all have stopped or the time has passed, and gives
// the number of those that have not.
//
//go:nosplit
func waitStopped(start, patience uintptr) uintptr {
	for {
		left := uintptr(0)
		for i := uintptr(0); i <= k.secondaries.count; i++ {
			if state := stateOf(i); state.place != panicNow().owner && !hasStopped(state) {
				left++
			}
		}
		if left == 0 || ticks()-start >= patience {
			return left
		}
		pause()
	}
}

// forceOthers takes the kernel window from the CPUs that have not stopped. Once
// the flush is over none of them runs what is in the window (DDI 0487
// D8.17.5): one that does not answer then stands still, or faults for ever.
//
//go:nosplit
func forceOthers() {
	for i := uintptr(0); i <= k.secondaries.count; i++ {
		state := stateOf(i)
		if state.place == panicNow().owner || hasStopped(state) {
			continue
		}
		how := slotOf(state.place)
		if how == 0 {
			how = stopBare
		}
		block := *element(&k.secondaries.blocks[0], i)
		store64(block+secondaryFront+frontWords, how)
		publish()
		for a := k.window; a < k.windowEnd; a += rootEntry {
			store64(block+secondaryRoot+a>>39&511*8, 0)
		}
	}
	gate(gateFlush, 0, 0, 0, 0)
}
