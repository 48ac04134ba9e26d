//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// Where the counter's frequency comes from, best first.
const (
	clockBlock      = 1 + iota // the hand-off block
	clockCPUID                 // CPUID 15H (SDM 2A)
	clockHypervisor            // CPUID 40000010H (VMware, QEMU, Xen)
	clockKVM                   // kvmclock (Linux virt/kvm/x86/msr.rst)
	clockPIT                   // 12 ms of the 8254's channel 2
	clockGuess                 // nothing answered
)

const guessKilohertz = 2_000_000

//go:nosplit
func nanoseconds() uintptr {
	t := ticks() - k.clockBase
	return t>>24*k.clockScale + t&0xffffff*k.clockScale>>24
}

// initClock finds out how fast the counter runs and what time it is. The
// clock begins at the image's first instruction.
//
//go:nosplit
func initClock() {
	k.clockBase = k.entryTicks
	wall := uintptr(0)
	if khz := header(handoff.OffsetTSCKilohertz); khz != 0 {
		k.kilohertz, k.clockFrom = khz, clockBlock
	} else if khz := cpuidKilohertz(); khz != 0 {
		k.kilohertz = khz
	}
	if (k.kilohertz == 0 || header(handoff.OffsetWallClock) == 0) && isKVM() {
		kvmClock(&wall)
	}
	if k.kilohertz == 0 {
		k.kilohertz, k.clockFrom = pitKilohertz(), clockPIT
	}
	if k.kilohertz == 0 {
		k.kilohertz, k.clockFrom = guessKilohertz, clockGuess
	}
	k.clockScale = 1e6 << 24 / k.kilohertz
	switch armed := header(handoff.OffsetWallClock); {
	case armed != 0: // the host's clock went on since it armed
		ticks := k.entryTicks - header(handoff.OffsetTSC)
		k.wallClock = armed + ticks>>24*k.clockScale + ticks&0xffffff*k.clockScale>>24
	case wall != 0:
		k.wallClock = wall
	default:
		k.wallClock = realTimeClock()
	}
}

//go:nosplit
func cpuidKilohertz() uintptr {
	most, _, _, _ := cpuid(0)
	if most >= 0x15 {
		if d, n, crystal, _ := cpuid(0x15); d != 0 && n != 0 && crystal != 0 {
			k.clockFrom = clockCPUID
			return uintptr(crystal) * uintptr(n) / uintptr(d) / 1000
		}
	}
	if _, _, c, _ := cpuid(1); c>>31 == 0 {
		return 0 // no hypervisor
	}
	if most, _, _, _ := cpuid(0x40000000); most >= 0x40000010 {
		if khz, _, _, _ := cpuid(0x40000010); khz != 0 {
			k.clockFrom = clockHypervisor
			return uintptr(khz)
		}
	}
	return 0
}

// isKVM reports whether KVM offers its clock by the newer MSRs.
//
//go:nosplit
func isKVM() bool {
	if _, _, c, _ := cpuid(1); c>>31 == 0 {
		return false
	}
	_, b, c, d := cpuid(0x40000000)
	if b != 0x4b4d564b || c != 0x564b4d56 || d != 0x4d { // "KVMKVMKVM"
		return false
	}
	features, _, _, _ := cpuid(0x40000001)
	return features>>3&1 != 0
}

// kvmClock asks KVM for its clock page once: the scale of the counter if that is
// not known, and the time of day.
//
//go:nosplit
func kvmClock(wall *uintptr) {
	const wallMSR, systemMSR = 0x4b564d00, 0x4b564d01
	f := allocateZeroed()
	if f == 0 {
		return
	}
	p := virtual(f)
	gate(systemMSR, uint64(f)|1)
	gate(wallMSR, uint64(f+2048))
	gate(systemMSR, 0)
	// struct pvclock_vcpu_time_info: tsc_timestamp at 8, system_time at 16,
	// multiplier at 24, shift at 28.
	multiplier, shift := uintptr(load32(p+24)), int8(load8(p+28))
	if k.kilohertz == 0 && multiplier != 0 {
		khz := uintptr(1e6) << 32 / multiplier
		if shift < 0 {
			khz <<= uint8(-shift)
		} else {
			khz >>= uint8(shift)
		}
		k.kilohertz, k.clockFrom = khz, clockKVM
	}
	// struct pvclock_wall_clock: seconds at 4, nanoseconds at 8, of the moment
	// when the system time was 0.
	boot := uintptr(load32(p+2048+4))*1e9 + uintptr(load32(p+2048+8))
	if boot != 0 && k.kilohertz != 0 {
		since := ticks() - load64(p+8)
		*wall = boot + load64(p+16) + since*1000/(k.kilohertz/1000) - (ticks()-k.entryTicks)*1000/(k.kilohertz/1000)
	}
	k.frames.release(f)
}

// pitKilohertz measures the counter against the PIT three times, and takes the
// least: whoever holds a virtual machine up makes the others too large.
//
//go:nosplit
func pitKilohertz() uintptr {
	least := uintptr(0)
	for range 3 {
		khz := pitInterval()
		if khz == 0 {
			return 0
		}
		if least == 0 || khz < least {
			least = khz
		}
	}
	return least
}

// pitInterval counts over 4 ms of channel 2 of the 8254 (ports 0x42, 0x43; gate
// and output in port 0x61): 0 if there is none.
//
//go:nosplit
func pitInterval() uintptr {
	const milliseconds = 4
	const count = 1193182 * milliseconds / 1000
	saved := inputByte(0x61)
	outputByte(0x61, saved&^2|1) // gate on, speaker off
	outputByte(0x43, 0xb0)       // channel 2, both bytes, mode 0: output rises at zero
	outputByte(0x42, count&0xff)
	outputByte(0x42, count>>8)
	start := ticks()
	for n := 0; inputByte(0x61)&0x20 == 0; n++ {
		if n > 1e6 || ticks()-start > 1e9 {
			outputByte(0x61, saved)
			return 0
		}
	}
	khz := (ticks() - start) / milliseconds
	outputByte(0x61, saved)
	if khz < 100_000 { // the output was high at once: there is no such device
		return 0
	}
	return khz
}

// realTimeClock reads the time of day from the CMOS clock (ports 0x70, 0x71), in
// nanoseconds since 1970 at clockBase; 0 if there is none.
//
//go:nosplit
func realTimeClock() uintptr {
	if cmos(0x0d)&0x80 == 0 || cmos(0x0d) == 0xff {
		return 0
	}
	for n := 0; cmos(0x0a)&0x80 != 0 && n < 1000; n++ {
		pause()
	}
	binary := cmos(0x0b)&4 != 0
	second, minute, hour := decimal(cmos(0), binary), decimal(cmos(2), binary), decimal(cmos(4), binary)
	day, month, year := decimal(cmos(7), binary), decimal(cmos(8), binary), decimal(cmos(9), binary)+2000
	if month == 0 || month > 12 || day == 0 || day > 31 {
		return 0
	}
	seconds := daysSince1970(year, month, day)*86400 + hour*3600 + minute*60 + second
	return seconds*1e9 - nanoseconds()
}

//go:nosplit
func cmos(register byte) byte {
	outputByte(0x70, register)
	return inputByte(0x71)
}

//go:nosplit
func decimal(v byte, binary bool) uintptr {
	if binary {
		return uintptr(v)
	}
	return uintptr(v>>4)*10 + uintptr(v&15)
}
