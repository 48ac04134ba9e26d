package uart_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/uart"
)

// port is how a program reaches I/O ports; here it prints.
type port struct{}

func (port) in(p uint16) byte {
	return uart.LineStatusTransmitterReady
}

func (port) out(p uint16, b byte) { fmt.Printf("%#x <- %q\n", p, b) }

// A polled driver waits until the transmitter takes a byte.
func Example() {
	var io port
	for _, b := range []byte("ok") {
		for io.in(uart.COM1+uart.LineStatus)&uart.LineStatusTransmitterReady == 0 {
		}
		io.out(uart.COM1+uart.Data, b)
	}
	// Output:
	// 0x3f8 <- 'o'
	// 0x3f8 <- 'k'
}
