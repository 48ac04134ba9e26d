package gic

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Who made the controller: GIC-400 (Arm DDI 0471, 3.3.4), GIC-600 (Arm 100336).
const (
	implementer2          = 0x0200143b
	implementer2Interface = 0x0202143b
	implementer3          = 0x0200043b
)

// registerFile is a frame of registers of 32 bits, some of which have bytes that
// are accessed alone.
type registerFile interface {
	read32(offset uint64) uint32
	write32(offset uint64, v uint32)

	// bytes reports whether bytes at an offset are registers of their own.
	bytes(offset uint64) bool
	writeByte(offset uint64, v byte)
}

// frame makes a machine's device of a register file. Accesses of eight bytes are
// two, the low half first.
type frame struct {
	registerFile
	base, size uint64
}

func (f frame) Window() machine.Window { return machine.Window{Base: f.base, Size: f.size} }

func (f frame) ReadDevice(offset uint64, p []byte) error {
	clear(p)
	switch {
	case len(p) == 8 && offset%8 == 0:
		binary.LittleEndian.PutUint32(p, f.read32(offset))
		binary.LittleEndian.PutUint32(p[4:], f.read32(offset+4))
	case len(p) == 4 && offset%4 == 0:
		binary.LittleEndian.PutUint32(p, f.read32(offset))
	case len(p) == 1 && f.bytes(offset):
		p[0] = byte(f.read32(offset&^3) >> (8 * (offset & 3)))
	}
	return nil
}

func (f frame) WriteDevice(offset uint64, p []byte) error {
	switch {
	case len(p) == 8 && offset%8 == 0:
		f.write32(offset, binary.LittleEndian.Uint32(p))
		f.write32(offset+4, binary.LittleEndian.Uint32(p[4:]))
	case len(p) == 4 && offset%4 == 0:
		f.write32(offset, binary.LittleEndian.Uint32(p))
	case len(p) == 1 && f.bytes(offset):
		f.writeByte(offset, p[0])
	}
	return nil
}

// Devices are the controller's frames in memory.
func (c *Controller) Devices() []machine.Device {
	if c.version2() {
		return []machine.Device{
			frame{distributor{c}, c.config.Distributor, gic.DistributorSize2},
			frame{interface2{c}, c.config.CPUInterface, gic.InterfaceSize},
		}
	}
	list := []machine.Device{frame{distributor{c}, c.config.Distributor, gic.DistributorSize3}}
	for i := range c.cpus {
		base := c.config.Redistributors + uint64(i)*gic.RedistributorSize
		list = append(list, frame{redistributorFrame{c, i}, base, gic.RedistributorSize})
	}
	if c.config.ITS != 0 {
		list = append(list, frame{&c.its, c.config.ITS, gic.ITSSize})
	}
	return list
}

// distributor is GICD.
type distributor struct{ *Controller }

// bitsAt is a bank and the kind of an array of bits, by the offset of its word.
func bitsAt(offset uint64) (kind uint64, word int) {
	return offset &^ 0x7f, int(offset & 0x7f / 4)
}

// own reports whether the registers of interrupts 0 to 31 are in the
// distributor: with affinity routing they are in the redistributors.
func (c *Controller) own(word int) (*bank, bool) {
	switch {
	case word > 0 && word <= len(c.shared):
		return &c.shared[word-1], true
	case word == 0 && c.version2():
		return &c.cpus[c.selected].bank, true
	}
	return nil, false
}

func (d distributor) read32(offset uint64) uint32 {
	switch offset {
	case gic.DistributorControl:
		if d.version2() {
			return d.control
		}
		return d.control | gic.DistributorOneState | gic.DistributorAffinity
	case gic.DistributorType:
		return d.typeRegister()
	case gic.DistributorImplementer:
		if d.version2() {
			return implementer2
		}
		return implementer3
	}
	switch {
	case offset >= gic.DistributorGroup && offset < gic.DistributorPriority:
		kind, word := bitsAt(offset)
		if b, ok := d.own(word); ok {
			return b.readBits(kind)
		}
	case offset >= gic.DistributorPriority && offset < gic.DistributorTarget:
		n := int(offset - gic.DistributorPriority)
		if b, ok := d.own(n / 32); ok {
			return binary.LittleEndian.Uint32(b.priority[n%32:])
		}
	case offset >= gic.DistributorTarget && offset < gic.DistributorConfiguration && d.version2():
		return d.readTargets(int(offset - gic.DistributorTarget))
	case offset >= gic.DistributorConfiguration && offset < gic.DistributorConfiguration+0x100:
		n := int(offset-gic.DistributorConfiguration) * 4
		if b, ok := d.own(n / 32); ok {
			return b.readConfiguration(n % 32)
		}
	case offset >= gic.DistributorClearSGI && offset < gic.DistributorSetSGI+16 && d.version2():
		return binary.LittleEndian.Uint32(d.cpus[d.selected].sources[offset&0xf:])
	case offset >= gic.DistributorRoute && !d.version2():
		if n := int(offset-gic.DistributorRoute)/8 - gic.FirstSPI; n >= 0 && n < len(d.routes) {
			return uint32(d.routes[n] >> (8 * (offset & 4)))
		}
	}
	return d.peripheralID(offset)
}

func (d distributor) peripheralID(offset uint64) uint32 {
	switch {
	case d.version2() && offset == gic.DistributorPeripheralID2V2:
		return 2<<gic.PeripheralIDRevisionShift | 0xb
	case !d.version2() && offset == gic.DistributorPeripheralID2:
		return 3<<gic.PeripheralIDRevisionShift | 0xb
	}
	return 0
}

func (c *Controller) typeRegister() uint32 {
	v := uint32(len(c.shared)) | uint32(min(c.config.CPUs, MaxCPUs)-1)<<gic.TypeCPUsShift
	if c.version2() {
		return v
	}
	v |= 15<<gic.TypeIDsShift | 1<<24 // A3V
	if c.config.ITS != 0 {
		v |= gic.TypeLPIs
	}
	return v
}

func (d distributor) write32(offset uint64, v uint32) {
	switch {
	case offset == gic.DistributorControl:
		d.control = v & (gic.DistributorEnableGroup0 | gic.DistributorEnableGroup1)
	case offset >= gic.DistributorGroup && offset < gic.DistributorPriority:
		kind, word := bitsAt(offset)
		if b, ok := d.own(word); ok {
			b.writeBits(kind, v, word == 0)
		}
	case d.bytes(offset):
		for i := range uint64(4) {
			d.setByte(offset+i, byte(v>>(8*i)))
		}
	case offset >= gic.DistributorConfiguration && offset < gic.DistributorConfiguration+0x100:
		n := int(offset-gic.DistributorConfiguration) * 4
		if b, ok := d.own(n / 32); ok && n >= gic.SGIs {
			b.writeConfiguration(n%32, v)
		}
	case offset == gic.DistributorSendSGI && d.version2():
		d.sendSGI(v)
	case offset >= gic.DistributorRoute && !d.version2():
		if n := int(offset-gic.DistributorRoute)/8 - gic.FirstSPI; n >= 0 && n < len(d.routes) {
			shift := 8 * (offset & 4)
			d.routes[n] = (d.routes[n]&^(0xffffffff<<shift) | uint64(v)<<shift) & 0xff_80ff_ffff
		}
	}
	d.update()
}

func (d distributor) bytes(offset uint64) bool {
	switch {
	case offset >= gic.DistributorPriority && offset < gic.DistributorTarget:
		return true
	case !d.version2():
		return false
	}
	return offset >= gic.DistributorTarget && offset < gic.DistributorConfiguration ||
		offset >= gic.DistributorClearSGI && offset < gic.DistributorSetSGI+16
}

func (d distributor) writeByte(offset uint64, v byte) {
	d.setByte(offset, v)
	d.update()
}

func (d distributor) setByte(offset uint64, v byte) {
	switch {
	case offset < gic.DistributorTarget:
		n := int(offset - gic.DistributorPriority)
		if b, ok := d.own(n / 32); ok {
			b.priority[n%32] = v & priorityMask
		}
	case offset < gic.DistributorConfiguration:
		if n := int(offset-gic.DistributorTarget) - gic.FirstSPI; n >= 0 && n < len(d.targets) {
			d.targets[n] = v & (1<<len(d.cpus) - 1)
		}
	default:
		p := &d.cpus[d.selected]
		n := offset & 0xf
		if offset < gic.DistributorSetSGI {
			p.sources[n] &^= v
		} else {
			p.sources[n] |= v & (1<<len(d.cpus) - 1)
		}
		p.latched &^= 1 << n
		if p.sources[n] != 0 {
			p.latched |= 1 << n
		}
	}
}

// readTargets: of its own interrupts a CPU is the target, which is how it finds
// out its number (v2 4.3.12).
func (d distributor) readTargets(n int) uint32 {
	if n < gic.FirstSPI {
		if len(d.cpus) == 1 {
			return 0
		}
		return 0x01010101 << d.selected
	}
	if n -= gic.FirstSPI; n+4 <= len(d.targets) {
		return binary.LittleEndian.Uint32(d.targets[n:])
	}
	return 0
}

// sendSGI is GICD_SGIR (v2 4.3.15).
func (d distributor) sendSGI(v uint32) {
	targets := uint8(v >> gic.SendSGITargetShift)
	switch v >> gic.SendSGIFilterShift & 3 {
	case 1:
		targets = ^(1 << d.selected)
	case 2:
		targets = 1 << d.selected
	case 3:
		return
	}
	n := v & 0xf
	for i := range d.cpus {
		if targets>>i&1 != 0 {
			d.cpus[i].sources[n] |= 1 << d.selected
			d.cpus[i].latched |= 1 << n
		}
	}
}
