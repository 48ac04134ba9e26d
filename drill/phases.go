package drill

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// guestPhaseNames are the phases of the guest's own clock, in their order, each
// by the stamp that ends it.
var guestPhaseNames = []struct {
	phase handoff.Phase
	name  string
}{
	{handoff.PhaseRecorded, "minimal record"},
	{handoff.PhaseStopped, "stop other CPUs"},
	{handoff.PhaseCaptured, "capture registers"},
	{handoff.PhaseNotified, "notifiers"},
	{handoff.PhaseSealed, "check seals"},
	{handoff.PhaseEntry, "trampoline"},
	{handoff.PhaseUser, "ring 0"},
	{handoff.PhaseRuntime, "kernel start"},
	{handoff.PhaseMain, "runtime start"},
	{handoff.PhaseChecked, "check digests"},
	{handoff.PhaseFirstWrite, "first data block"},
	{handoff.PhaseDone, "rest of the dump"},
}

// guestPhases takes the time stamps of the hand-off apart.
func (d *drill) guestPhases(area *handoff.PanicArea) {
	kilohertz := d.block.Clock.Kilohertz
	if kilohertz == 0 {
		return
	}
	for phase := handoff.PhaseEntry; phase <= handoff.PhaseDone; phase++ {
		if area.Phases[phase] > d.pause {
			area.Phases[phase] -= d.pause
		}
	}
	nanoseconds := func(from, to handoff.Phase) int64 {
		if area.Phases[from] == 0 || area.Phases[to] < area.Phases[from] {
			return 0
		}
		return int64(float64(area.Phases[to]-area.Phases[from]) * 1e6 / float64(kilohertz))
	}
	before := handoff.PhaseEntered
	for _, named := range guestPhaseNames {
		phase, name := named.phase, named.name
		if phase == handoff.PhaseUser && d.Architecture == handoff.ARM64 {
			name = "EL1"
		}
		if area.Phases[phase] == 0 {
			continue
		}
		p := Phase{Name: name, Nanoseconds: nanoseconds(before, phase)}
		if d.result.GuestInstructions != nil { // it has a clock of them: a nanosecond each
			p.Instructions = uint64(p.Nanoseconds)
		}
		d.finish(p)
		before = phase
	}
	d.result.PanicToRecord = nanoseconds(handoff.PhaseEntered, handoff.PhaseRecorded)
	d.result.PanicToFirstByte = nanoseconds(handoff.PhaseEntered, handoff.PhaseFirstWrite)
	d.result.EntryToMain = nanoseconds(handoff.PhaseEntry, handoff.PhaseMain)
	if d.result.GuestInstructions != nil {
		executed := uint64(nanoseconds(handoff.PhaseEntered, handoff.PhaseMain))
		d.result.HandoffInstructions = &executed
	}
}

// detail is what people want to know of a phase.
func (d *drill) detail(name string) string {
	switch name {
	case "images":
		return fmt.Sprintf("host %d KiB, rescue program %d KiB", len(d.Host)>>10, len(d.Rescue)>>10)
	case "disk":
		return fmt.Sprintf("%d MiB, labelled", d.size>>20)
	case "boot":
		return fmt.Sprintf("armed: %d KiB reserved at %v", d.result.ReservationBytes>>10, d.block.Reservation)
	case "panic":
		return fmt.Sprintf("%s, frozen at %#x", d.Panic, d.freeze)
	case "verify":
		return fmt.Sprintf("%d pages equal, %d not; %d bytes of the host changed", d.result.VerifiedPages-d.result.MismatchedPages, d.result.MismatchedPages, d.result.HostBytesChanged)
	}
	return ""
}
