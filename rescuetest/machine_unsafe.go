package rescuetest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// VirtualAddress implements rescue.Platform: where the host's memory lies in this
// process.
func (h *Host) VirtualAddress(r physmem.Range) (uintptr, error) {
	if r.IsEmpty() || !physmem.NewRanges(h.layout.ram).ContainsRange(r) {
		return 0, fmt.Errorf("rescuetest: virtual address of %v: %w", r, physmem.ErrOutside)
	}
	return uintptr(unsafe.Pointer(&h.ram[r.Start-h.layout.ram.Start])), nil
}

// words are the first words of a range, as the page bitmap has them.
func (h *Host) words(r physmem.Range, n int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&h.bytes(r)[0])), n)
}

// lend makes the functions that the panic path calls. The panic area has their
// addresses only, so the host keeps them.
func (h *Host) lend() {
	h.lent = handoff.PanicMachine{
		StopOthers: func(uint64) uint32 { return 0 },
		Timer:      true,
		Guard:      guard,
		Print: func(p, n uintptr) {
			h.print(unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n))
		},
	}
}

// guard calls a notifier on a goroutine and cuts off one that faults or panics. One
// that hangs is left behind.
func guard(function uintptr, n *handoff.Notice, budget uint64) (o handoff.Outcome, vector uint32, pc uint64) {
	notifier := *(*func(*handoff.Notice))(unsafe.Pointer(&function))
	ended := make(chan handoff.Outcome, 1)
	go func() {
		outcome := handoff.OutcomeFaulted
		defer func() {
			_ = recover() // what it was is not told
			ended <- outcome
		}()
		debug.SetPanicOnFault(true)
		notifier(n)
		outcome = handoff.OutcomeDone
		runtime.KeepAlive(n)
	}()
	// A loaded computer is no fault of the notifier's.
	limit := max(time.Duration(budget/kilohertz)*time.Millisecond, time.Second)
	select {
	case o = <-ended:
	case <-time.After(limit):
		o = handoff.OutcomeTimedOut
	}
	return o, 0, 0
}
