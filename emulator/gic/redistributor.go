package gic

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/device/gic"
)

// redistributor is what version 3 has for each CPU, beside its bank.
type redistributor struct {
	control, waker      uint32
	properties, pending uint64
}

// Bits of GICR_PROPBASER and GICR_PENDBASER that there are (12.11.29, 12.11.30).
const (
	propertiesWritable = 0x0700_0000_0000_0000 | 0x000f_ffff_ffff_f000 | 0xf80 | 0x1f
	pendingWritable    = 0x4700_0000_0000_0000 | 0x000f_ffff_ffff_0000 | 0xf80
)

// redistributorFrame is GICR of one CPU: both of its frames.
type redistributorFrame struct {
	*Controller
	index int
}

func (f redistributorFrame) cpu() *cpu { return &f.cpus[f.index] }

func (f redistributorFrame) read32(offset uint64) uint32 {
	p := f.cpu()
	if offset >= gic.RedistributorSGIFrame {
		return f.readSGI(offset - gic.RedistributorSGIFrame)
	}
	half := func(v uint64) uint32 { return uint32(v >> (8 * (offset & 4))) }
	switch offset &^ 4 {
	case gic.RedistributorType:
		return half(f.typeRegister())
	case gic.RedistributorProperties:
		return half(p.redist.properties)
	case gic.RedistributorPending:
		return half(p.redist.pending &^ (1 << 62)) // PTZ reads as zero
	}
	switch offset {
	case gic.RedistributorControl:
		return p.redist.control
	case gic.RedistributorImplementer:
		return implementer3
	case gic.RedistributorWaker:
		return p.redist.waker
	case gic.RedistributorPeripheralID2:
		return 3<<gic.PeripheralIDRevisionShift | 0xb
	}
	return 0
}

func (f redistributorFrame) typeRegister() uint64 {
	v := uint64(f.cpu().affinity)<<gic.RedistributorTypeAffinityShift | uint64(f.index)<<gic.RedistributorTypeNumberShift
	if f.config.ITS != 0 {
		v |= gic.RedistributorTypeLPIs
	}
	if f.index == len(f.cpus)-1 {
		v |= gic.RedistributorTypeLast
	}
	return v
}

func (f redistributorFrame) write32(offset uint64, v uint32) {
	p := f.cpu()
	switch {
	case offset >= gic.RedistributorSGIFrame:
		f.writeSGI(offset-gic.RedistributorSGIFrame, v)
	case offset == gic.RedistributorControl && f.config.ITS != 0:
		p.redist.control = v & gic.RedistributorEnableLPIs
	case offset == gic.RedistributorWaker:
		p.redist.waker = 0
		if v&gic.WakerProcessorSleep != 0 {
			p.redist.waker = gic.WakerProcessorSleep | gic.WakerChildrenAsleep
		}
	case f.config.ITS != 0:
		f.writeTable(offset, v)
	}
	f.update()
}

// writeTable writes half of where tables of LPIs are. With LPIs on they stay
// where they are (12.11.29).
func (f redistributorFrame) writeTable(offset uint64, v uint32) {
	p := f.cpu()
	if p.redist.control&gic.RedistributorEnableLPIs != 0 {
		return
	}
	merge := func(old, writable uint64) uint64 {
		shift := 8 * (offset & 4)
		return (old&^(0xffff_ffff<<shift) | uint64(v)<<shift) & writable
	}
	switch offset &^ 4 {
	case gic.RedistributorProperties:
		p.redist.properties = merge(p.redist.properties, propertiesWritable)
	case gic.RedistributorPending:
		p.redist.pending = merge(p.redist.pending, pendingWritable)
	}
}

func (f redistributorFrame) readSGI(offset uint64) uint32 {
	b := &f.cpu().bank
	switch {
	case offset >= gic.DistributorGroup && offset < gic.DistributorPriority:
		if kind, word := bitsAt(offset); word == 0 {
			return b.readBits(kind)
		}
	case offset >= gic.DistributorPriority && offset < gic.DistributorPriority+32:
		return binary.LittleEndian.Uint32(b.priority[offset-gic.DistributorPriority:])
	case offset == gic.DistributorConfiguration || offset == gic.DistributorConfiguration+4:
		return b.readConfiguration(int(offset&4) * 4)
	}
	return 0
}

func (f redistributorFrame) writeSGI(offset uint64, v uint32) {
	b := &f.cpu().bank
	switch {
	case offset >= gic.DistributorGroup && offset < gic.DistributorPriority:
		if kind, word := bitsAt(offset); word == 0 {
			b.writeBits(kind, v, false)
		}
	case offset >= gic.DistributorPriority && offset < gic.DistributorPriority+32:
		for i := range uint64(4) {
			b.priority[offset-gic.DistributorPriority+i] = byte(v>>(8*i)) & priorityMask
		}
	case offset == gic.DistributorConfiguration+4:
		b.writeConfiguration(gic.SGIs, v)
	}
}

func (f redistributorFrame) bytes(offset uint64) bool {
	first := uint64(gic.RedistributorSGIFrame + gic.DistributorPriority)
	return offset >= first && offset < first+32
}

func (f redistributorFrame) writeByte(offset uint64, v byte) {
	f.cpu().priority[offset-gic.RedistributorSGIFrame-gic.DistributorPriority] = v & priorityMask
	f.update()
}
