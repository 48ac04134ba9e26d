package device

import (
	"encoding/binary"
	"io"

	"github.com/seed64aab995/rescuekernel/device/uart"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Registers of the PL011 that drivers do not need (DDI 0183, table 3-1).
const (
	pl011FIFOLevels = 0x034 // UARTIFLS
	pl011RawStatus  = 0x03c // UARTRIS
	pl011Masked     = 0x040 // UARTMIS

	pl011SpaceInterrupt = 1 << 5 // of the transmitter
	pl011Interrupts     = 0x7ff
)

// PL011 is Arm's UART, always ready to transmit, that receives nothing. It is as
// firmware leaves it: on.
type PL011 struct {
	base      uint64
	w         io.Writer
	interrupt func(asserted bool)
	registers [uart.PL011RegistersEnd / 4]uint32
	raw       uint32 // interrupts
	asserted  bool
}

// NewPL011 makes one at a physical address. What it transmits is written to w, if
// that is not nil; an error of w stops the machine. interrupt, if not nil, is told
// the line when it changes.
func NewPL011(base uint64, w io.Writer, interrupt func(asserted bool)) *PL011 {
	u := &PL011{base: base, w: w, interrupt: interrupt}
	u.registers[uart.PL011Control/4] = uart.PL011ControlEnable | uart.PL011ControlTransmit | uart.PL011ControlReceive
	u.registers[pl011FIFOLevels/4] = 0x12 // 3.3.9: half full
	return u
}

// Window implements machine.Device.
func (u *PL011) Window() machine.Window { return machine.Window{Base: u.base, Size: uart.PL011Size} }

// pl011ID are the peripheral and the PrimeCell ID (3.3.14, 3.3.15): revision 1.5.
var pl011ID = primeCell(0x00341011)

// primeCell is the eight identification registers of Arm's peripherals: number,
// designer and revision, and what they all have.
func primeCell(peripheral uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, peripheral), 0xb105f00d)
}

// readID reads one of them, at the end of a page.
func readID(id []byte, offset uint64) (uint32, bool) {
	if offset < uart.PL011PeripheralID0 {
		return 0, false
	}
	return uint32(id[(offset-uart.PL011PeripheralID0)/4]), true
}

// ReadDevice implements machine.Device.
func (u *PL011) ReadDevice(offset uint64, p []byte) error {
	clear(p)
	put(p, uint64(u.register(offset&^3)>>(8*(offset&3))))
	return nil
}

func (u *PL011) register(offset uint64) uint32 {
	if v, ok := readID(pl011ID, offset); ok {
		return v
	}
	switch offset {
	case uart.PL011Data:
		return 0
	case uart.PL011Flags:
		return uart.PL011FlagReceiveEmpty | uart.PL011FlagTransmitNone
	case pl011RawStatus:
		return u.raw
	case pl011Masked:
		return u.raw & u.registers[uart.PL011InterruptMask/4]
	}
	if offset/4 < uint64(len(u.registers)) {
		return u.registers[offset/4]
	}
	return 0
}

// WriteDevice implements machine.Device.
func (u *PL011) WriteDevice(offset uint64, p []byte) error {
	v := uint32(value(p))
	var err error
	switch {
	case offset == uart.PL011Data:
		err = u.transmit(byte(v))
	case offset == uart.PL011InterruptClear:
		u.raw &^= v
	case offset == uart.PL011Flags, offset == pl011RawStatus, offset == pl011Masked:
	case offset%4 == 0 && offset/4 < uint64(len(u.registers)):
		u.registers[offset/4] = v
	}
	asserted := u.raw&u.registers[uart.PL011InterruptMask/4]&pl011Interrupts != 0
	if asserted != u.asserted {
		u.asserted = asserted
		if u.interrupt != nil {
			u.interrupt(asserted)
		}
	}
	return err
}

// transmit sends a byte, which leaves at once, if the transmitter is on.
func (u *PL011) transmit(b byte) error {
	const on = uart.PL011ControlEnable | uart.PL011ControlTransmit
	if u.registers[uart.PL011Control/4]&on != on {
		return nil
	}
	u.raw |= pl011SpaceInterrupt
	if u.w == nil {
		return nil
	}
	_, err := u.w.Write([]byte{b})
	return err
}
