//go:build linux && (amd64 || arm64)

package kernel

// console is the serial line that fd 1 and 2 and the kernel's own messages go
// to, beside the message buffer.
type console struct {
	state   uintptr // consoleUnknown, consoleThere, consoleAbsent
	port    uintptr
	silent  uintptr // only the message buffer is written
	dropped uintptr // bytes that the line did not take in time
}

const (
	consoleUnknown = iota
	consoleThere
	consoleAbsent
)

// writeConsole writes n bytes at p to message buffer and console, a new line as
// carriage return and new line on the line.
//
//go:nosplit
func writeConsole(p, n uintptr) {
	for i := uintptr(0); i < n; i++ {
		k.message.put(load8(p + i))
	}
	if k.console.silent != 0 {
		return
	}
	for n > 0 {
		line := uintptr(0)
		for line < n && load8(p+line) != '\n' {
			line++
		}
		sendConsole(p, line)
		p, n = p+line, n-line
		if n > 0 {
			sendConsole(stringAddress("\r\n"), 2)
			p, n = p+1, n-1
		}
	}
}

//go:nosplit
func print(s string) { writeConsole(stringAddress(s), uintptr(len(s))) }

// digits are written from the end of a small buffer in the kernel's state: a
// local array would be cleared by a call.
//
//go:nosplit
func printHex(v uintptr) {
	shift := uintptr(60)
	for shift > 0 && v>>shift == 0 {
		shift -= 4
	}
	print("0x")
	for {
		d := v >> shift & 15
		writeConsole(stringAddress("0123456789abcdef")+d, 1)
		if shift == 0 {
			return
		}
		shift -= 4
	}
}

//go:nosplit
func printDecimal(v uintptr) {
	d := uintptr(1)
	for v/d >= 10 {
		d *= 10
	}
	for ; d > 0; d /= 10 {
		writeConsole(stringAddress("0123456789")+v/d%10, 1)
	}
}
