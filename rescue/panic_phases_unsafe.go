package rescue

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// The steps of the panic path, in their fixed order. The number of the one that
// was begun last is in the panic area: a panic on the path goes on with the next.
const (
	stepRecord   = 1 + iota // the minimal record, with the own registers
	stepStop                // the other CPUs stop, and save their registers
	stepComplete            // the rest of the record
	stepNotify              // notifiers that come before the hand-off
	stepLeave               // the seals, and the way to the trampoline
	stepRefused             // no hand-off: the other notifiers
	stepsEnd
)

// headerBroken is the bit of the block's header in the mask of broken seals.
const headerBroken = 1 << 63

// panicHardware is the panic routine for a CPU with an instruction for CRC-32C,
// panicPlain that for others. Which it is was chosen when arming.
//
//go:nosplit
func panicHardware(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	return panicPath(c, block, panicArea, true)
}

//go:nosplit
func panicPlain(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	return panicPath(c, block, panicArea, false)
}

// panicPath goes through the steps. It returns where the trampoline is, or 0.
//
//go:nosplit
func panicPath(c *handoff.PanicContext, block, area uintptr, hardware bool) physmem.Address {
	if load64(area+handoff.PanicOffsetMagic) != handoff.PanicMagic {
		return 0
	}
	step := uint32(stepRecord)
	if c.Depth > 1 {
		writeTombstone(c, area)
		step = load32(area+handoff.PanicOffsetStep) + 1
	}
	for ; step < stepsEnd; step++ {
		store32(area+handoff.PanicOffsetStep, step)
		if step != stepLeave {
			steps[step&7](c, block, area)
		} else if !loops(area) {
			if to := leave(block, area, checkSeals(block, hardware)); to != 0 {
				return to
			}
		}
		pat(c, area)
	}
	return 0
}

// steps are called by address so that each may use all of what the linker lets a
// chain of nosplit functions have.
var steps = [8]func(c *handoff.PanicContext, block, area uintptr){
	stepRecord: beginRecord, stepStop: stopOthers, stepComplete: completeRecord,
	stepNotify: notifyBefore, stepRefused: notifyRest,
}

//go:nosplit
func notifyBefore(c *handoff.PanicContext, _, area uintptr) {
	notify(c, area, load32(order(area, handoff.OrderOffsetLists)))
	stamp(area, handoff.PhaseNotified)
}

//go:nosplit
func notifyRest(c *handoff.PanicContext, _, area uintptr) {
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateRefused))
	notify(c, area, 1<<handoff.NotifierLists-1)
}

// leave says where to go on: at the trampoline, whose address the sealed header
// has, or nowhere.
//
//go:nosplit
func leave(block, area uintptr, broken uint64) physmem.Address {
	store64(area+handoff.PanicOffsetBrokenSeals, broken)
	stamp(area, handoff.PhaseSealed)
	if broken != 0 {
		return 0
	}
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateSealed))
	stamp(area, handoff.PhaseTrampoline)
	return physmem.Address(load64(block+handoff.OffsetReservation) + load64(block+handoff.OffsetTrampoline))
}

// stopOthers lets the kernel stop the other CPUs.
//
//go:nosplit
func stopOthers(_ *handoff.PanicContext, _, area uintptr) {
	if stop := load64(order(area, handoff.OrderOffsetStop)); stop != 0 {
		at := uintptr(stop)
		missing := (*(*func(uint64) uint32)(unsafe.Pointer(&at)))(load64(order(area, handoff.OrderOffsetPatience)))
		store32(area+handoff.PanicOffsetNotStopped, missing)
	}
	stamp(area, handoff.PhaseStopped)
}

// loops reports whether too many panics followed on each other.
//
//go:nosplit
func loops(area uintptr) bool {
	limit := load32(order(area, handoff.OrderOffsetLoopLimit))
	return limit != 0 && load32(order(area, handoff.OrderOffsetLoop)) > limit
}

// pat pats the watchdog, and measures the longest time between two pats. On the
// panic path the first counts from its beginning. After a second panic nobody
// pats: that may be what failed.
//
//go:nosplit
func pat(c *handoff.PanicContext, area uintptr) {
	function := uintptr(load64(order(area, handoff.OrderOffsetPat)))
	if function == 0 || c.Depth > 1 {
		return
	}
	now, last := counter(), load64(order(area, handoff.OrderOffsetLastPat))
	if last == 0 {
		last = c.Entered
	}
	if now-last > load64(order(area, handoff.OrderOffsetLongestGap)) {
		store64(order(area, handoff.OrderOffsetLongestGap), now-last)
	}
	store64(order(area, handoff.OrderOffsetLastPat), now)
	(*(*func())(unsafe.Pointer(&function)))()
}
