package rescue

import (
	"errors"
	"fmt"
	"sync"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// Armed is an arming in force. Its methods may be called from any goroutine.
type Armed struct {
	platform Platform
	block    handoff.Block
	report   reserve.Report
	handler  handoff.PanicHandler
	records  *record.Area
	adopted  record.Adopted
	ramoops  physmem.Range // the region

	mu       sync.Mutex
	disarmed bool
}

// Arm prepares the hand-off. Where it fails, the host is as it was, and the
// error says what was wanted and what there was: ErrConfig, ErrHost,
// *physmem.SpaceError, *reserve.TooSmallError, reserve.ErrImage, *TargetError and
// those of the platform.
func Arm(c Config) (*Armed, error) {
	return (&arming{Config: c}).run()
}

// Reservation is the physical memory of the rescue program.
func (a *Armed) Reservation() physmem.Range { return a.block.Reservation }

// Block is a copy of the hand-off block.
func (a *Armed) Block() handoff.Block { return a.block }

// Report says what the parts of the reservation cost.
func (a *Armed) Report() reserve.Report { return a.report }

// FreezePoint is the address of the trampoline's first instruction: what a
// dump is compared with is the machine as it is there.
func (a *Armed) FreezePoint() physmem.Address {
	return a.block.Reservation.Start + physmem.Address(a.block.TrampolineEntry)
}

// Panic panics the host, which hands over. It does not return.
func (a *Armed) Panic(message string) { a.platform.Panic(message) }

// Disarm ends the arming: a panic is what it was before, and the memory is the
// host's again. What the reservation holds is not erased.
func (a *Armed) Disarm() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.disarmed {
		return fmt.Errorf("disarm %v: %w", a.block.Reservation, ErrDisarmed)
	}
	if err := a.platform.OnPanic(handoff.PanicHandler{}); err != nil {
		return fmt.Errorf("disarm: %w", err)
	}
	return a.release()
}

// release gives the memory back. The handler does not refer to it any more.
func (a *Armed) release() error {
	a.disarmed = true
	r := a.block.Reservation
	err := errors.Join(
		a.platform.UnmapIdentity(a.block.Range(handoff.PartTrampoline)),
		a.platform.UnmapIdentity(a.block.Range(handoff.PartTrampolineRAM)),
		a.platform.Protect(r, true))
	if err != nil {
		// Memory that is still mapped or read-only must not be used again.
		return fmt.Errorf("disarm: keep %v reserved: %w", r, err)
	}
	err = a.platform.Release(r)
	if !a.ramoops.IsEmpty() {
		err = errors.Join(err, a.platform.Release(a.ramoops))
	}
	if err != nil {
		return fmt.Errorf("disarm: %w", err)
	}
	return nil
}

// Rearm replaces the rescue program, its settings or its place. The new
// reservation is made beside the old one, which stays in force until the new
// one is ready, and if anything fails. On success a is disarmed; an error beside
// an Armed says that the new one is in force and that the old one's memory could
// not be given back.
func (a *Armed) Rearm(c Config) (*Armed, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.disarmed {
		return nil, fmt.Errorf("rearm %v: %w", a.block.Reservation, ErrDisarmed)
	}
	if c.Platform == nil {
		c.Platform = a.platform
	}
	next, err := (&arming{Config: c, before: a.handler, records: a.records, adopted: a.adopted, held: a.ramoops}).run()
	if err != nil {
		return nil, err
	}
	if next.ramoops == a.ramoops { // it is the next one's now
		a.ramoops = physmem.Range{}
	}
	return next, a.release()
}
