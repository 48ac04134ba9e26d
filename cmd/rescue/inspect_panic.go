package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

func little32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func little64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// phaseNames are in the order of handoff.Phase.
var phaseNames = []string{
	"entered", "captured", "sealed", "trampoline", "entry", "user", "runtime", "main", "checked", "first_write", "done",
	"recorded", "stopped", "notified",
}

// gatherPanic tells what a host wrote when it panicked.
func gatherPanic(b *handoff.Block, a *handoff.PanicArea) *panicFact {
	f := &panicFact{
		state: a.State, State: a.State.String(), Reason: a.Reason.String(), Message: a.Message, CPU: a.CPU, ExitCode: a.ExitCode,
		Vector: a.Vector, ErrorCode: hexadecimal(a.ErrorCode), FaultAddress: hexadecimal(a.FaultAddress),
		PC: hexadecimal(a.PC), Root: hexadecimal(a.Root), MessageBuffer: a.MessageBuffer,
		BrokenSeals: brokenNames(b, a.BrokenSeals), Nested: a.Nested, NotStopped: a.NotStopped,
		Row: a.Orders.Loop, Notifiers: gatherNotifiers(a.Notifiers, b.Clock.Kilohertz),
		Phases: gatherPhases(a.Phases[:], b.Clock.Kilohertz), Registers: []cpuFact{},
	}
	if t := a.Tombstone; t.Reason != handoff.ReasonNone {
		f.Tombstone = &tombstoneFact{
			t.Reason.String(), t.CPU, hexadecimal(t.PC), hexadecimal(t.Stack), t.Vector, hexadecimal(t.ErrorCode), hexadecimal(t.FaultAddress),
		}
	}
	for _, r := range a.Registers {
		f.Registers = append(f.Registers, gatherCPU(b.Architecture, r))
	}
	return f
}

// ran reports whether the rescue program may have run: from the hand-off on its
// page tables and data change.
func (f *panicFact) ran() bool {
	switch f.state {
	case handoff.StateSealed, handoff.StateEnteredGo, handoff.StateDone:
		return true
	}
	return false
}

// brokenNames names the seals of a panic area's mask.
func brokenNames(b *handoff.Block, mask uint64) []string {
	names := []string{}
	for i, s := range b.Seals {
		if i < 63 && mask&(1<<i) != 0 {
			names = append(names, s.Part.String())
			mask &^= 1 << i
		}
	}
	if mask&(1<<63) != 0 {
		names = append(names, "header")
		mask &^= 1 << 63
	}
	if mask != 0 {
		names = append(names, fmt.Sprintf("unknown %#x", mask))
	}
	return names
}

// gatherNotifiers lists what came of the notifiers.
func gatherNotifiers(all []handoff.Notified, kilohertz uint64) []notifierFact {
	list := []notifierFact{}
	for _, n := range all {
		f := notifierFact{Name: n.Name, List: n.List.String(), Outcome: n.Outcome.String(), PC: hexadecimal(n.PC), Vector: n.Vector, outcome: n.Outcome}
		if kilohertz != 0 {
			ns := int64(float64(n.Time) / float64(kilohertz) * 1e6)
			f.Nanos = &ns
		}
		list = append(list, f)
	}
	return list
}

// gatherPhases lists the phases that were reached, in the order of time.
func gatherPhases(counters []uint64, kilohertz uint64) []phaseFact {
	phases := []phaseFact{}
	for i, counter := range counters {
		if counter == 0 {
			continue
		}
		name := fmt.Sprintf("phase_%d", i)
		if i < len(phaseNames) {
			name = phaseNames[i]
		}
		phases = append(phases, phaseFact{Name: name, Counter: counter, host: i < int(handoff.PhaseEntry) || i > int(handoff.PhaseDone)})
	}
	slices.SortStableFunc(phases, func(a, b phaseFact) int { return cmp.Compare(a.Counter, b.Counter) })
	if kilohertz != 0 {
		for i := range phases {
			ns := int64(float64(phases[i].Counter-phases[0].Counter) / float64(kilohertz) * 1e6)
			phases[i].Nanos = &ns
		}
	}
	return phases
}

// gatherCPU decodes the registers of one CPU.
func gatherCPU(architecture handoff.Architecture, r handoff.Registers) cpuFact {
	f := cpuFact{CPU: r.CPU, Registers: map[string]hexadecimal{}}
	var err error
	switch architecture {
	case handoff.AMD64:
		var state amd64.CPUState
		err = state.UnmarshalBinary(r.State)
		for _, register := range state.Registers() {
			f.add(register.Name, register.Value)
		}
	case handoff.ARM64:
		var state arm64.CPUState
		err = state.UnmarshalBinary(r.State)
		for _, register := range state.Registers() {
			f.add(register.Name, register.Value)
		}
	}
	if err != nil {
		f.Error = err.Error()
	}
	return f
}

func (f *cpuFact) add(name string, value uint64) {
	name = strings.ToLower(name)
	f.Registers[name] = hexadecimal(value)
	f.list = append(f.list, register{name, value})
}
