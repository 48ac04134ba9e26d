//go:build linux && (amd64 || arm64)

package kernel

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// registerSlot is where the CPU of a place, which another CPU's panic stops, saves
// its registers: a slot of the panic area that holds none yet. It is 0 where
// there is no room for this CPU. The first slot is that of the CPU that panics,
// the others follow by place.
//
//go:nosplit
func registerSlot(place uintptr) uintptr {
	area := k.panic.panicArea
	if k.panic.handled == 0 || area == 0 {
		return 0
	}
	n := place
	if place > panicNow().owner {
		n--
	}
	if n == 0 || n >= uintptr(load32(area+handoff.PanicOffsetCPUs)) || n >= handoff.MaxCPUs {
		return 0
	}
	slot := area + handoff.PanicOffsetRegisters + n*handoff.RegisterSlotSize
	if load32(slot+handoff.SlotOffsetValid) != 0 {
		return 0
	}
	return slot
}

// finishSlot makes a slot valid whose state, of so many bytes, is complete.
//
//go:nosplit
func finishSlot(slot, cpu, length uintptr) {
	store32(slot+handoff.SlotOffsetCPU, uint32(cpu))
	store64(slot+handoff.SlotOffsetTime, ticks())
	store32(slot+handoff.SlotOffsetLength, uint32(length))
	publish()
	store32(slot+handoff.SlotOffsetValid, 1)
}

// otherStacks is the end of the memory that the CPU of a place, 2 and up, has for
// the stacks of its exceptions once a handler is set, and where it begins; 0
// where there is none.
//
//go:nosplit
func otherStacks(place uintptr) (start, end uintptr) {
	p := &k.panic
	if place < 2 || place-2 >= p.count {
		return 0, 0
	}
	start = p.others + (place-2)*p.size
	return start, start + p.size
}

// checkArmedRoom refuses a CPU more than those that are started already, if the
// handler of panics brought stacks for other CPUs and none is left: an NMI would
// be taken in memory of the host, which is evidence, and the registers would have
// no slot.
func checkArmedRoom(started uintptr) error {
	p := &k.panic
	if p.handled == 0 || p.size == 0 || started < p.count {
		return nil
	}
	return fmt.Errorf("the host is armed for %d CPUs (rescue.Config.CPUs): %w", 1+p.count, ErrCPU)
}

// machineStop is handoff.PanicMachine.StopOthers.
//
//go:nosplit
func machineStop(patience uint64) uint32 { return uint32(stopOthers(uintptr(patience))) }

// machinePrint is handoff.PanicMachine.Print. It keeps its position in the
// reservation: beside the message buffer nothing of the host is written.
//
//go:nosplit
func machinePrint(p, n uintptr) {
	w := panicNow()
	for i := uintptr(0); i < n; i++ {
		k.message.store(load8(p + i))
	}
	if k.message.ring != 0 {
		w.written += n
		w.context.MessageBuffer = uint64(w.written)
	}
}

// machineClean is handoff.PanicMachine.Clean of arm64: a reset forgets its caches.
//
//go:nosplit
func machineClean(address, bytes uintptr) { cleanCache(address, bytes) }

// panicMachine is what this kernel lends the panic path.
func panicMachine() handoff.PanicMachine {
	m := handoff.PanicMachine{StopOthers: machineStop, Print: machinePrint, Guard: machineGuard, Started: uint64(k.entryTicks), Inform: inform, Items: items()}
	if architecture == handoff.ARM64 {
		m.Clean = machineClean
	}
	if !canGuard() {
		m.Guard = nil
		return m
	}
	m.Timer = prepareTimer()
	return m
}
