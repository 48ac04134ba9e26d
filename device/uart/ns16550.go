package uart

import (
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/device"
)

// fifoSize is how many bytes a 16550A takes when its transmitter is empty.
const fifoSize = 16

// NS16550 is a 16550, or an 8250 or 16450, which have no FIFO.
type NS16550 struct {
	registers device.Registers
	stride    uint64
	poller    poller
	burst     int // bytes that it takes at once when the transmitter is ready
}

var _ Port = (*NS16550)(nil)

// NewNS16550 sets a port up: interrupts off, FIFOs on where it has them, and line
// and speed where Options say so. It drops nothing that is still being sent.
func NewNS16550(r device.Registers, o Options) (*NS16550, error) {
	o = o.complete(ClockPC)
	u := &NS16550{registers: r, stride: o.Stride, poller: poller{o.Now, o.Timeout}, burst: 1}
	if u.read(LineStatus) == 0xff { // ready to take a byte, and with every error at once
		return nil, fmt.Errorf("16550: %w", ErrNoPort)
	}
	if o.Speed != 0 {
		divisor := (o.Clock + 8*o.Speed) / 16 / o.Speed
		if o.Speed > o.Clock/16 || divisor == 0 || divisor > 0xffff {
			return nil, fmt.Errorf("16550: %d bits a second of %d Hz: %w", o.Speed, o.Clock, ErrSpeed)
		}
		u.write(LineControl, LineControlDivisor|LineControl8N1)
		u.write(Data, uint8(divisor))
		u.write(InterruptEnable, uint8(divisor>>8))
	}
	u.write(LineControl, LineControl8N1) // offsets 0 and 1 are no divisor now
	u.write(InterruptEnable, 0)
	u.write(FIFOControl, FIFOControlEnable)
	u.write(ModemControl, ModemControlReady)
	if u.read(InterruptID)&InterruptIDFIFOs == InterruptIDFIFOs {
		u.burst = fifoSize
	}
	return u, nil
}

func (u *NS16550) read(register uint64) uint8     { return u.registers.Read8(register * u.stride) }
func (u *NS16550) write(register uint64, v uint8) { u.registers.Write8(register*u.stride, v) }

// Write sends p. The line status is read once for what the FIFO takes.
func (u *NS16550) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := u.poller.until(u.poller.timeout, u.ready); err != nil {
			return n, fmt.Errorf("16550: send: %w", err)
		}
		for _, b := range p[n:min(n+u.burst, len(p))] {
			u.write(Data, b)
			n++
		}
	}
	return n, nil
}

func (u *NS16550) ready() bool { return u.read(LineStatus)&LineStatusTransmitterReady != 0 }

// Receive implements Port.
func (u *NS16550) Receive(p []byte, wait time.Duration) (n int, err error) {
	received := func() bool { return u.read(LineStatus)&LineStatusDataReady != 0 }
	if len(p) == 0 {
		return 0, nil
	}
	if err := u.poller.until(wait, received); err != nil {
		return 0, fmt.Errorf("16550: receive: %w", err)
	}
	for more := true; more && n < len(p); more = received() {
		p[n] = u.read(Data)
		n++
	}
	return n, nil
}

// Drain implements Port.
func (u *NS16550) Drain() error {
	err := u.poller.until(u.poller.timeout, func() bool { return u.read(LineStatus)&LineStatusTransmitterEmpty != 0 })
	if err != nil {
		return fmt.Errorf("16550: drain: %w", err)
	}
	return nil
}
