package uart

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrTimeout says that a serial port has taken, or given, no byte in time.
var ErrTimeout = errors.New("the serial port is not ready in time")

// ErrNoPort says that no serial port answers.
var ErrNoPort = errors.New("no serial port answers")

// ErrSpeed says that a port cannot be set to a speed.
var ErrSpeed = errors.New("not a speed of this serial port")

// DefaultTimeout is how long a port may take for one FIFO. 16 bytes take 17 ms at
// 9600 bits a second.
const DefaultTimeout = 250 * time.Millisecond

// Port is a serial port.
type Port interface {
	io.Writer

	// Receive gives the bytes that are there, at least one. Where there is none
	// within wait it is ErrTimeout.
	Receive(p []byte, wait time.Duration) (n int, err error)

	// Drain waits until the last bit has left.
	Drain() error
}

// Options are how a port is set up. The zero value leaves the speed as it is.
type Options struct {
	// Speed is in bits a second. 0 leaves the line as firmware or host has set
	// it up, which is what whoever listens knows.
	Speed uint32

	// Clock is the frequency that the speed is divided from, in hertz. 0 is
	// ClockPC for a 16550 and ClockPL011 for a PL011.
	Clock uint32

	// Timeout is how long the port may take to send what it holds; 0 is
	// DefaultTimeout.
	Timeout time.Duration

	// Stride is how many bytes lie from one register of a 16550 to the next; 0
	// is 1.
	Stride uint64

	// Now is the clock that deadlines go by; nil is time.Now.
	Now func() time.Time
}

// Frequencies that divisors divide.
const (
	ClockPC    = 1843200  // 115200 bits a second is divisor 1
	ClockPL011 = 24000000 // QEMU's virt board
)

func (o Options) complete(clock uint32) Options {
	if o.Clock == 0 {
		o.Clock = clock
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Stride == 0 {
		o.Stride = 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// poller waits for bits of a register.
type poller struct {
	now     func() time.Time
	timeout time.Duration
}

// until polls ready, at least once, until it is true or the time is over.
func (p poller) until(wait time.Duration, ready func() bool) error {
	for end := p.now().Add(wait); !ready(); {
		if !p.now().Before(end) {
			return fmt.Errorf("%v: %w", wait, ErrTimeout)
		}
	}
	return nil
}
