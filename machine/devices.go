package machine

import (
	"io"

	"github.com/seed64aab995/rescuekernel/device/pvpanic"
	"github.com/seed64aab995/rescuekernel/device/uart"
)

// I/O ports of a PC that machines answer at.
const (
	DebugExitPort = 0xf4  // QEMU's isa-debug-exit; every runner is set to this port
	ResetPort     = 0xcf9 // reset control register (Intel ICH9 data sheet 13.7.5)
	KeyboardPort  = 0x64  // i8042 command and status; 0xfe pulses the reset line
)

const (
	resetControlGo      = 1 << 2 // RST_CPU: a reset when it goes from 0 to 1
	keyboardPulseReset  = 0xfe
	keyboardNothingToDo = 0
)

// PCDevices are the models of what a PC runner has by itself: a 16550 that
// writes to config.Serial, debug exit, pvpanic, and two ways to reset.
func PCDevices(config Config) []Device {
	return []Device{
		NewUART(uart.COM1, config.Serial),
		debugExit{},
		&panicDevice{config.PanicEvent},
		resetControl{},
		keyboard{},
	}
}

// UART is a 16550 that is always ready to transmit and receives nothing.
type UART struct {
	base uint64
	w    io.Writer
	regs [uart.Ports]byte
}

// NewUART makes a 16550 at an I/O port. What it transmits is written to w, if
// that is not nil; an error of w stops the machine.
func NewUART(base uint64, w io.Writer) *UART { return &UART{base: base, w: w} }

// Window implements Device.
func (u *UART) Window() Window { return Window{Port: true, Base: u.base, Size: uart.Ports} }

// ReadDevice implements Device.
func (u *UART) ReadDevice(offset uint64, p []byte) error {
	for i := range p {
		p[i] = u.read(offset + uint64(i))
	}
	return nil
}

func (u *UART) read(offset uint64) byte {
	switch offset {
	case uart.Data:
		if u.regs[uart.LineControl]&uart.LineControlDivisor == 0 {
			return 0
		}
	case uart.InterruptID:
		return uart.InterruptIDNone
	case uart.LineStatus:
		return uart.LineStatusTransmitterReady | uart.LineStatusTransmitterEmpty
	case uart.ModemStatus:
		return uart.ModemStatusReady
	}
	return u.regs[offset]
}

// WriteDevice implements Device.
func (u *UART) WriteDevice(offset uint64, p []byte) error {
	for i, b := range p {
		o := offset + uint64(i)
		if o == uart.Data && u.regs[uart.LineControl]&uart.LineControlDivisor == 0 {
			if u.w == nil {
				continue
			}
			if _, err := u.w.Write([]byte{b}); err != nil {
				return err
			}
			continue
		}
		u.regs[o] = b
	}
	return nil
}

// debugExit stops the machine when it is written to.
type debugExit struct{}

func (debugExit) Window() Window { return Window{Port: true, Base: DebugExitPort, Size: 4} }

func (debugExit) ReadDevice(_ uint64, p []byte) error {
	clear(p)
	return nil
}

func (debugExit) WriteDevice(_ uint64, p []byte) error {
	return &StopError{Exit{Reason: DebugExit, Code: littleEndian(p)}}
}

func littleEndian(p []byte) uint64 {
	var v uint64
	for i := len(p) - 1; i >= 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v
}

// panicDevice is pvpanic.
type panicDevice struct{ event func(byte) }

func (*panicDevice) Window() Window { return Window{Port: true, Base: pvpanic.Port, Size: 1} }

func (*panicDevice) ReadDevice(_ uint64, p []byte) error {
	p[0] = pvpanic.Panicked | pvpanic.CrashLoaded
	return nil
}

func (d *panicDevice) WriteDevice(_ uint64, p []byte) error {
	if d.event != nil {
		d.event(p[0])
	}
	return nil
}

// resetControl is port 0xcf9.
type resetControl struct{}

func (resetControl) Window() Window { return Window{Port: true, Base: ResetPort, Size: 1} }

func (resetControl) ReadDevice(_ uint64, p []byte) error {
	clear(p)
	return nil
}

func (resetControl) WriteDevice(_ uint64, p []byte) error {
	if p[0]&resetControlGo != 0 {
		return &StopError{Exit{Reason: Reset}}
	}
	return nil
}

// keyboard is as much of an i8042 as resets a PC.
type keyboard struct{}

func (keyboard) Window() Window { return Window{Port: true, Base: KeyboardPort, Size: 1} }

func (keyboard) ReadDevice(_ uint64, p []byte) error {
	p[0] = keyboardNothingToDo
	return nil
}

func (keyboard) WriteDevice(_ uint64, p []byte) error {
	if p[0] == keyboardPulseReset {
		return &StopError{Exit{Reason: Reset}}
	}
	return nil
}
