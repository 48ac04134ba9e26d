//go:build linux && (amd64 || arm64)

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Boot is what the kernel was booted with.
func Boot() (BootInfo, error) {
	if !Running() {
		return BootInfo{}, ErrNotRunning
	}
	f := &k.facts
	b := BootInfo{
		Role: handoff.Role(k.role), Protocol: handoff.BootProtocol(f.protocol),
		CommandLine: string(f.command[:f.commandLength]), RSDP: physmem.Address(f.rsdp),
		EFISystem: physmem.Address(f.efi.system), EFIRuntime: physmem.Address(f.efi.runtime),
		Reservation: physmem.Range{Start: physmem.Address(k.reservation[0]), End: physmem.Address(k.reservation[1])},
		Block:       bytesAt(k.block, uintptr(load32(k.block+handoff.OffsetTotalLength))),
	}
	if f.tree.size != 0 {
		start := physmem.Address(f.tree.physical)
		b.DeviceTree = physmem.Range{Start: start, End: start + physmem.Address(f.tree.size)}
	}
	for _, m := range f.modules[:f.moduleCount] {
		b.Modules = append(b.Modules, Module{
			Range:       physmem.Range{Start: physmem.Address(m.start), End: physmem.Address(m.end)},
			CommandLine: stringAt(m.command),
		})
	}
	for _, e := range f.memory[:f.mapCount] {
		b.Map = append(b.Map, MapEntry{
			Range: physmem.Range{Start: physmem.Address(e.start), End: physmem.Address(e.end)},
			Type:  uint32(e.kind),
		})
	}
	return b, nil
}

// stringAt is a copy of the string at a physical address, empty if that is 0 or
// not RAM.
func stringAt(p uintptr) string {
	if _, ok := k.frames.index(p); !ok || p == 0 {
		return ""
	}
	n := uintptr(0)
	for n < maxCommandLine && load8(virtual(p)+n) != 0 {
		n++
	}
	return string(bytesAt(virtual(p), n))
}

// ClockInfo is what the kernel's clock counts.
func ClockInfo() (Clock, error) {
	if !Running() {
		return Clock{}, ErrNotRunning
	}
	sources := [...]string{"", "hand-off block", "CPUID 15H", "CPUID 40000010H", "kvmclock", "PIT", "a guess", "CNTFRQ_EL0"}
	return Clock{Kilohertz: uint64(k.kilohertz), Source: sources[k.clockFrom], Entry: uint64(k.entryTicks)}, nil
}

// SinceEntry is the time in nanoseconds since the image's first instruction.
func SinceEntry() uint64 {
	if !Running() {
		return 0
	}
	return uint64(nanoseconds())
}

// Stats are the kernel's counters.
func Stats() (Statistics, error) {
	if !Running() {
		return Statistics{}, ErrNotRunning
	}
	s := &k.stats
	all, _ := k.areas.bytes()
	scale := func(ticks uintptr) uint64 { return uint64((ticks - k.entryTicks) * k.clockScale >> 24) }
	return Statistics{
		PageFaults: uint64(s.faults), Spurious: uint64(s.spurious), Signals: uint64(s.signals),
		SystemCalls: uint64(s.systemCalls), Switches: uint64(s.switches), Flushes: uint64(s.flushes),
		NMIs: uint64(k.nmis), Idle: uint64(s.idle),
		FramesTotal: uint64(k.framesAtStart), FramesFree: uint64(k.frames.left), FramesLeast: uint64(k.frames.least),
		PageTables: uint64(s.tables), WindowMapped: uint64(all),
		EntryToUser: scale(s.userTicks), EntryToStart: scale(s.startTicks),
		ConsoleLost: uint64(k.console.dropped), MessageBuffer: uint64(k.message.written),
	}, nil
}

// Calls is how often each system call was made, by number.
func Calls() map[int]int {
	calls := map[int]int{}
	for i, n := range k.stats.calls {
		if n != 0 {
			calls[i] = int(n)
		}
	}
	return calls
}

// buildID is the GNU build ID of this program.
func buildID() string {
	return gnuBuildID(bytesAt(header(handoff.OffsetLinkBase), pageSize))
}
