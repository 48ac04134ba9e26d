package virtio

import "github.com/seed64aab995/rescuekernel/device"

// configuration is the device's configuration within a transport's registers.
type configuration struct {
	registers device.Registers
	base      uint64
}

var _ device.Registers = configuration{}

func (c configuration) Read8(offset uint64) uint8       { return c.registers.Read8(c.base + offset) }
func (c configuration) Read16(offset uint64) uint16     { return c.registers.Read16(c.base + offset) }
func (c configuration) Read32(offset uint64) uint32     { return c.registers.Read32(c.base + offset) }
func (c configuration) Read64(offset uint64) uint64     { return c.registers.Read64(c.base + offset) }
func (c configuration) Write8(offset uint64, v uint8)   { c.registers.Write8(c.base+offset, v) }
func (c configuration) Write16(offset uint64, v uint16) { c.registers.Write16(c.base+offset, v) }
func (c configuration) Write32(offset uint64, v uint32) { c.registers.Write32(c.base+offset, v) }
func (c configuration) Write64(offset uint64, v uint64) { c.registers.Write64(c.base+offset, v) }

// readConfig reads a little of the device's configuration with read, again if
// the device has changed it meanwhile (2.5.1). It gives up on one that
// never stops.
func readConfig(t Transport, read func(device.Registers)) error {
	const attempts = 8
	config := t.Config()
	before := t.Generation()
	for range attempts {
		read(config)
		after := t.Generation()
		if after == before {
			return nil
		}
		before = after
	}
	return ErrConfigChanges
}
