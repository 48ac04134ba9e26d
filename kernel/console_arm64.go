//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// Registers of a PL011 (Arm DDI 0183 3.2) and bits of its flags (device/uart
// has the same definitions for drivers; this is what works before there is a
// heap).
const (
	consoleAddress = uintptr(handoff.EntryStackTop) + 0x10000 // its page in the window
	uartData       = 0x00
	uartFlags      = 0x18
	uartEmpty      = 1 << 4 // of the receiver
	uartFull       = 1 << 5 // of the transmitter
	uartPolls      = 20000  // bound of one wait
)

// initConsole maps the console's registers. Until then what is written goes to
// the message buffer only.
//
//go:nosplit
func initConsole(registers uintptr) {
	k.console.state = consoleAbsent
	if registers == 0 || !mapFrame(consoleAddress, registers&^(pageSize-1)|entryDevice) {
		return
	}
	k.console.port = consoleAddress + registers&(pageSize-1)
	k.console.state = consoleThere
}

// sendConsole writes n bytes at p as they are.
//
//go:nosplit
func sendConsole(p, n uintptr) {
	c := &k.console
	if c.state != consoleThere {
		return
	}
	for i := uintptr(0); i < n; i++ {
		polls := 0
		for load32(c.port+uartFlags)&uartFull != 0 {
			if polls++; polls > uartPolls {
				c.dropped += n - i
				return
			}
			pause()
		}
		store32(c.port+uartData, uint32(load8(p+i)))
	}
}

// readConsole is read of standard input: what has arrived, up to n bytes;
// EAGAIN where nothing has, and the end of the file where there is no line.
//
//go:nosplit
func readConsole(p, n uintptr) uintptr {
	c := &k.console
	if c.state != consoleThere || n == 0 {
		return 0
	}
	done := uintptr(0)
	for done < n && load32(c.port+uartFlags)&uartEmpty == 0 {
		store8(p+done, byte(load32(c.port+uartData)))
		done++
	}
	if done == 0 {
		return errnoAgain
	}
	return done
}
