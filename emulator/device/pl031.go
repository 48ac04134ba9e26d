package device

import (
	"github.com/seed64aab995/rescuekernel/machine"
)

// Registers of the PL031 (Arm DDI 0224, table 3-1).
const (
	pl031Data    = 0x00 // RTCDR: seconds
	pl031Load    = 0x08 // RTCLR
	pl031Control = 0x0c // RTCCR
	pl031Size    = 0x1000
)

var pl031ID = primeCell(0x00041031)

// PL031 is Arm's real time clock: a counter of seconds. It raises no interrupt.
type PL031 struct {
	base   uint64
	now    func() uint32
	offset uint32
}

// NewPL031 makes one at a physical address. now is how many seconds have passed
// since 1970.
func NewPL031(base uint64, now func() uint32) *PL031 { return &PL031{base: base, now: now} }

// Window implements machine.Device.
func (c *PL031) Window() machine.Window { return machine.Window{Base: c.base, Size: pl031Size} }

// ReadDevice implements machine.Device.
func (c *PL031) ReadDevice(offset uint64, p []byte) error {
	clear(p)
	v, ok := readID(pl031ID, offset)
	switch {
	case ok:
	case offset == pl031Data:
		v = c.now() + c.offset
	case offset == pl031Load:
		v = c.offset
	case offset == pl031Control:
		v = 1 // it runs, and does not stop
	}
	put(p, uint64(v))
	return nil
}

// WriteDevice implements machine.Device.
func (c *PL031) WriteDevice(offset uint64, p []byte) error {
	if offset == pl031Load {
		c.offset = uint32(value(p)) - c.now()
	}
	return nil
}
