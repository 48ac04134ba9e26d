package rescue

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// hide keeps the compiler from moving what p points to to the heap.
//
//go:nosplit
func hide(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return pointer(x)
}

// guardFunction is handoff.PanicMachine.Guard.
type guardFunction = func(function uintptr, n *handoff.Notice, budget uint64) (handoff.Outcome, uint32, uint64)

// notify calls the notifiers of some lists, one list after the other. Those that
// were called before are not called again.
//
//go:nosplit
func notify(c *handoff.PanicContext, area uintptr, lists uint32) {
	count := load32(order(area, handoff.OrderOffsetNotifiers))
	if count > handoff.MaxNotifiers || load64(order(area, handoff.OrderOffsetGuard)) == 0 {
		return
	}
	for list := uint32(0); list < handoff.NotifierLists; list++ {
		if lists>>list&1 == 0 {
			continue
		}
		start := counter()
		for i := uint32(0); i < count; i++ {
			slot := area + handoff.PanicOffsetNotifiers + uintptr(i)*handoff.NotifierSlotSize
			if load32(slot+handoff.NotifierOffsetList) != list || !pending(slot) {
				continue
			}
			if counter()-start > load64(order(area, handoff.OrderOffsetBudget)) || !mayCall(area, slot) {
				store32(slot+handoff.NotifierOffsetOutcome, uint32(handoff.OutcomeSkipped))
				continue
			}
			callNotifier(c, area, slot)
			pat(c, area)
		}
	}
	store64(area+handoff.PanicOffsetMessageBuffer, c.MessageBuffer)
}

// pending reports whether a notifier was not called yet.
//
//go:nosplit
func pending(slot uintptr) bool {
	o := handoff.Outcome(load32(slot + handoff.NotifierOffsetOutcome))
	return o == handoff.OutcomeNone || o == handoff.OutcomeSkipped
}

// mayCall reports whether a notifier may be called now. One that nothing could
// end waits until there is no hand-off to lose.
//
//go:nosplit
func mayCall(area, slot uintptr) bool {
	return load32(order(area, handoff.OrderOffsetTimer)) != 0 ||
		load32(slot+handoff.NotifierOffsetItem)&handoff.NotifierLoopFree != 0 ||
		load32(area+handoff.PanicOffsetStep) == stepRefused
}

// callNotifier calls one, under the kernel's guard, and writes down what came of
// it.
//
//go:nosplit
func callNotifier(c *handoff.PanicContext, area, slot uintptr) {
	guard, print := uintptr(load64(order(area, handoff.OrderOffsetGuard))), uintptr(load64(order(area, handoff.OrderOffsetPrint)))
	n := handoff.Notice{
		Context: c, PanicArea: area, Item: load32(slot+handoff.NotifierOffsetItem) &^ handoff.NotifierLoopFree,
	}
	if print != 0 {
		n.Output = *(*func(p, n uintptr))(unsafe.Pointer(&print))
	}
	budget := uint64(0)
	if load32(order(area, handoff.OrderOffsetTimer)) != 0 {
		budget = load64(slot + handoff.NotifierOffsetBudget)
	}
	store32(slot+handoff.NotifierOffsetOutcome, uint32(handoff.OutcomeBegun))
	start := counter()
	outcome, vector, pc := (*(*guardFunction)(unsafe.Pointer(&guard)))(
		uintptr(load64(slot+handoff.NotifierOffsetFunction)), (*handoff.Notice)(hide(unsafe.Pointer(&n))), budget)
	store64(slot+handoff.NotifierOffsetTime, counter()-start)
	store32(slot+handoff.NotifierOffsetVector, vector)
	store64(slot+handoff.NotifierOffsetPC, pc)
	store32(slot+handoff.NotifierOffsetOutcome, uint32(outcome))
}
