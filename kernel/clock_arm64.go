//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// Where the counter's frequency comes from, best first. The numbers are those
// of amd64 where they mean the same.
const (
	clockBlock = 1 + iota // the hand-off block
	_
	_
	_
	_
	clockGuess // nothing answered
	clockRegister
)

const guessKilohertz = 62_500

//go:nosplit
func nanoseconds() uintptr {
	t := ticks() - k.clockBase
	return t>>24*k.clockScale + t&0xffffff*k.clockScale>>24
}

// initClock finds out how fast the counter runs (CNTFRQ_EL0, which firmware
// sets) and what time it is. The clock begins at the image's first instruction.
//
//go:nosplit
func initClock() {
	k.clockBase = k.entryTicks
	k.kilohertz, k.clockFrom = counterFrequency()/1000, clockRegister
	if k.kilohertz == 0 {
		k.kilohertz, k.clockFrom = header(handoff.OffsetTSCKilohertz), clockBlock
	}
	if k.kilohertz == 0 {
		k.kilohertz, k.clockFrom = guessKilohertz, clockGuess
	}
	k.clockScale = 1e6 << 24 / k.kilohertz
	if armed := header(handoff.OffsetWallClock); armed != 0 { // the host's clock went on since it armed
		ticks := k.entryTicks - header(handoff.OffsetTSC)
		k.wallClock = armed + ticks>>24*k.clockScale + ticks&0xffffff*k.clockScale>>24
	} else {
		k.wallClock = realTimeClock()
	}
}

// realTimeClock reads the seconds since 1970 of a PL031 (Arm DDI 0224 3.3.1), and
// takes away what has passed since clockBase; without one it is what EFI said just
// before; 0 if nobody says it.
//
//go:nosplit
func realTimeClock() uintptr {
	const page = consoleAddress + pageSize
	if k.facts.realTime == 0 && k.facts.efi.seconds != 0 {
		return k.facts.efi.seconds * 1e9
	}
	if k.facts.realTime == 0 || !mapFrame(page, k.facts.realTime&^(pageSize-1)|entryDevice) {
		return 0
	}
	seconds := uintptr(load32(page + k.facts.realTime&(pageSize-1)))
	return seconds*1e9 - nanoseconds()
}
