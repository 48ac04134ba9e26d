package uart

import (
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/device"
)

// Registers of the PL011 (DDI 0183, table 3-1), as offsets in bytes. All are
// read and written with 32 bits.
const (
	PL011Data             = 0x000 // UARTDR
	PL011Flags            = 0x018 // UARTFR
	PL011IntegerDivisor   = 0x024 // UARTIBRD
	PL011FractionDivisor  = 0x028 // UARTFBRD
	PL011LineControl      = 0x02c // UARTLCR_H
	PL011Control          = 0x030 // UARTCR
	PL011InterruptMask    = 0x038 // UARTIMSC
	PL011InterruptClear   = 0x044 // UARTICR
	PL011DMAControl       = 0x048 // UARTDMACR
	PL011PeripheralID0    = 0xfe0 // UARTPeriphID0: 0x11
	PL011RegistersEnd     = 0x04c // of those that are not identification
	PL011Size             = 0x1000
	pl011InterruptsAll    = 0x7ff
	pl011FractionBits     = 6
	pl011MaxDivisor       = 0xffff << pl011FractionBits
	pl011SamplesPerBit    = 16
	pl011DivisorsPerClock = 1 << pl011FractionBits / pl011SamplesPerBit
)

// Bits of the PL011's registers (3.3.3, 3.3.7, 3.3.8).
const (
	PL011FlagBusy         = 1 << 3 // the last bit has not left
	PL011FlagReceiveEmpty = 1 << 4
	PL011FlagTransmitFull = 1 << 5
	PL011FlagTransmitNone = 1 << 7 // the FIFO is empty
	PL011LineFIFOs        = 1 << 4
	PL011Line8Bits        = 3 << 5
	PL011ControlEnable    = 1 << 0
	PL011ControlTransmit  = 1 << 8
	PL011ControlReceive   = 1 << 9
)

// PL011 is ARM's PrimeCell UART, or the SBSA's generic UART, which is a part of
// it.
type PL011 struct {
	registers device.Registers
	poller    poller
	burst     int // bytes that it takes at once when the FIFO is empty
}

var _ Port = (*PL011)(nil)

// NewPL011 sets a port up: interrupts and DMA off, and where Options have a speed,
// line and speed.
func NewPL011(r device.Registers, o Options) (*PL011, error) {
	o = o.complete(ClockPL011)
	u := &PL011{registers: r, poller: poller{o.Now, o.Timeout}, burst: 1}
	r.Write32(PL011InterruptMask, 0)
	r.Write32(PL011InterruptClear, pl011InterruptsAll)
	r.Write32(PL011DMAControl, 0)
	if o.Speed != 0 {
		// Sixty-fourths: clock / (16 * speed) * 64, rounded (3.3.6).
		divisor := (uint64(o.Clock)*pl011DivisorsPerClock + uint64(o.Speed)/2) / uint64(o.Speed)
		if divisor < 1<<pl011FractionBits || divisor > pl011MaxDivisor {
			return nil, fmt.Errorf("PL011: %d bits a second of %d Hz: %w", o.Speed, o.Clock, ErrSpeed)
		}
		// The line must not change while it sends; what does not stop is lost.
		_ = u.Drain()
		r.Write32(PL011Control, 0)
		r.Write32(PL011IntegerDivisor, uint32(divisor>>pl011FractionBits))
		r.Write32(PL011FractionDivisor, uint32(divisor&(1<<pl011FractionBits-1)))
		// Writing the line control takes the divisors over (3.3.7).
		r.Write32(PL011LineControl, PL011Line8Bits|PL011LineFIFOs)
	}
	if r.Read32(PL011LineControl)&PL011LineFIFOs != 0 {
		u.burst = fifoSize // at least; 32 since revision 1.5
	}
	r.Write32(PL011Control, PL011ControlEnable|PL011ControlTransmit|PL011ControlReceive)
	return u, nil
}

func (u *PL011) flag(f uint32) bool { return u.registers.Read32(PL011Flags)&f != 0 }

// Write sends p. The flags are read once for what an empty FIFO takes.
func (u *PL011) Write(p []byte) (n int, err error) {
	var flags uint32
	room := func() bool {
		flags = u.registers.Read32(PL011Flags)
		return flags&PL011FlagTransmitFull == 0
	}
	for n < len(p) {
		if err := u.poller.until(u.poller.timeout, room); err != nil {
			return n, fmt.Errorf("PL011: send: %w", err)
		}
		burst := 1
		if flags&PL011FlagTransmitNone != 0 {
			burst = u.burst
		}
		for _, b := range p[n:min(n+burst, len(p))] {
			u.registers.Write32(PL011Data, uint32(b))
			n++
		}
	}
	return n, nil
}

// Receive implements Port.
func (u *PL011) Receive(p []byte, wait time.Duration) (n int, err error) {
	received := func() bool { return !u.flag(PL011FlagReceiveEmpty) }
	if len(p) == 0 {
		return 0, nil
	}
	if err := u.poller.until(wait, received); err != nil {
		return 0, fmt.Errorf("PL011: receive: %w", err)
	}
	for more := true; more && n < len(p); more = received() {
		p[n] = uint8(u.registers.Read32(PL011Data)) // above are error flags
		n++
	}
	return n, nil
}

// Drain implements Port.
func (u *PL011) Drain() error {
	if err := u.poller.until(u.poller.timeout, func() bool { return !u.flag(PL011FlagBusy) }); err != nil {
		return fmt.Errorf("PL011: drain: %w", err)
	}
	return nil
}
