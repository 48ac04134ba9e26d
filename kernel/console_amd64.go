//go:build linux

package kernel

// Registers of a 16550 and bits of its line status (device/uart has the same
// definitions for drivers; this is what works before there is a heap).
const (
	consolePort    = 0x3f8
	uartFIFO       = 2 // FCR
	uartLineStatus = 5 // LSR
	uartReady      = 1 << 0
	uartEmpty      = 1 << 5
	uartDepth      = 16
	uartPolls      = 20000 // bound of one wait: 16 bytes at 9600 baud are 17 ms
)

// sendConsole writes n bytes at p as they are: bursts of the FIFO's depth, each
// after one wait for it to be empty.
//
//go:nosplit
func sendConsole(p, n uintptr) {
	c := &k.console
	if c.state == consoleUnknown {
		c.state = consoleThere
		c.port = consolePort
		if inputByte(consolePort+uartLineStatus) == 0xff {
			c.state = consoleAbsent
		} else {
			outputByte(consolePort+uartFIFO, 1)
		}
	}
	if c.state == consoleAbsent {
		return
	}
	for n > 0 {
		polls := 0
		for inputByte(uint16(c.port)+uartLineStatus)&uartEmpty == 0 {
			if polls++; polls > uartPolls {
				c.dropped += n
				return
			}
			pause()
		}
		burst := n
		if burst > uartDepth {
			burst = uartDepth
		}
		outputBytes(uint16(c.port), p, burst)
		p, n = p+burst, n-burst
	}
}

// readConsole is read of standard input: what has arrived, up to n bytes;
// EAGAIN where nothing has, and the end of the file where there is no line.
//
//go:nosplit
func readConsole(p, n uintptr) uintptr {
	sendConsole(p, 0)
	if k.console.state == consoleAbsent || n == 0 {
		return 0
	}
	port := uint16(k.console.port)
	done := uintptr(0)
	for done < n && inputByte(port+uartLineStatus)&uartReady != 0 {
		store8(p+done, inputByte(port))
		done++
	}
	if done == 0 {
		return errnoAgain
	}
	return done
}
