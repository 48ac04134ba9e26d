package gic

import "github.com/seed64aab995/rescuekernel/device/gic"

// interface2 is GICC, of the CPU that accesses it.
type interface2 struct{ *Controller }

const interfaceWritable = gic.InterfaceEnableGroup0 | gic.InterfaceEnableGroup1 | gic.InterfaceAckControl |
	gic.InterfaceFIQ | gic.InterfaceCommonPoint | gic.InterfaceNoBypass | gic.InterfaceSplitEnd

func (f interface2) bytes(uint64) bool      { return false }
func (f interface2) writeByte(uint64, byte) {}

func (f interface2) read32(offset uint64) uint32 {
	i := f.selected
	p := &f.cpus[i]
	switch offset {
	case gic.InterfaceControl:
		return p.control
	case gic.InterfaceMask:
		return uint32(p.mask)
	case gic.InterfacePoint:
		return uint32(p.point[0])
	case gic.InterfaceAliasPoint:
		return uint32(p.point[1])
	case gic.InterfaceAcknowledge:
		return f.take(f.ordinary)
	case gic.InterfaceAliasAcknowledge:
		return f.take(onlyGroup1)
	case gic.InterfaceRunning:
		return uint32(f.running(i))
	case gic.InterfaceHighest:
		return f.peek(f.ordinary)
	case gic.InterfaceAliasHighest:
		return f.peek(onlyGroup1)
	case gic.InterfaceActive:
		return p.activated[0]
	case gic.InterfaceActive1:
		return p.activated[1]
	case gic.InterfaceImplementer:
		return implementer2Interface
	}
	return 0
}

// ordinary is what GICC_IAR takes (v2 4.4.4).
func (f interface2) ordinary(best found) int {
	if best.group == 1 && f.cpus[f.selected].control&gic.InterfaceAckControl == 0 {
		return gic.OtherGroup
	}
	return 0
}

// onlyGroup1 is what GICC_AIAR takes (v2 4.4.11).
func onlyGroup1(best found) int {
	if best.group == 0 {
		return gic.Spurious
	}
	return 0
}

func (f interface2) take(accept func(found) int) uint32 {
	number, source := f.acknowledge(f.selected, accept)
	return uint32(number | source<<gic.AcknowledgeCPUShift)
}

// peek is what would be taken if nothing were handled.
func (f interface2) peek(accept func(found) int) uint32 {
	best, ok := f.highest(f.selected)
	if !ok {
		return gic.Spurious
	}
	if special := accept(best); special != 0 {
		return uint32(special)
	}
	return uint32(best.number)
}

func (f interface2) write32(offset uint64, v uint32) {
	i := f.selected
	p := &f.cpus[i]
	number := int(v & gic.AcknowledgeIDMask)
	switch offset {
	case gic.InterfaceControl:
		p.control = v & interfaceWritable
		p.enable = [2]bool{v&gic.InterfaceEnableGroup0 != 0, v&gic.InterfaceEnableGroup1 != 0}
	case gic.InterfaceMask:
		p.mask = uint8(v) & priorityMask
	case gic.InterfacePoint:
		p.point[0] = max(uint8(v&7), f.leastPoint(0))
	case gic.InterfaceAliasPoint:
		p.point[1] = max(uint8(v&7), f.leastPoint(1))
	case gic.InterfaceEnd:
		f.endOf(number)
	case gic.InterfaceAliasEnd:
		f.end(i, number, 1, p.control&gic.InterfaceSplitEnd != 0)
	case gic.InterfaceDeactivate:
		if p.control&gic.InterfaceSplitEnd != 0 {
			f.deactivate(i, number)
		}
	case gic.InterfaceActive:
		p.activated[0] = v
	case gic.InterfaceActive1:
		p.activated[1] = v
	}
	f.update()
}

// endOf is GICC_EOIR: of the group that the highest active priority is of.
func (f interface2) endOf(number int) {
	p := &f.cpus[f.selected]
	group := 0
	all := p.activated[0] | p.activated[1]
	if p.activated[1]&(all&-all) != 0 {
		group = 1
	}
	f.end(f.selected, number, group, p.control&gic.InterfaceSplitEnd != 0)
}
