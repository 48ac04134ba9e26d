package gic

import "github.com/seed64aab995/rescuekernel/device/gic"

const (
	systemEnable  = gic.SRESystemRegisters | gic.SRENoFIQBypass | gic.SRENoIRQBypass
	systemControl = (priorityBits-1)<<gic.ControlPriorityBitsShift | gic.ControlAffinity3
)

// ReadSystem reads a system register of a CPU. False says that there is none: of
// version 2 there never is.
func (c *Controller) ReadSystem(i int, r gic.SystemRegister) (v uint64, ok bool) {
	if c.version2() || i < 0 || i >= len(c.cpus) {
		return 0, false
	}
	p := &c.cpus[i]
	switch r {
	case gic.PMR:
		return uint64(p.mask), true
	case gic.IAR0, gic.IAR1:
		return c.takeGroup(i, group(r)), true
	case gic.HPPIR0, gic.HPPIR1:
		if best, ok := c.highest(i); ok && best.group == group(r) {
			return uint64(best.number), true
		}
		return gic.Spurious, true
	case gic.BPR0:
		return uint64(p.point[0]), true
	case gic.BPR1:
		if c.commonPoint(i) {
			return uint64(min(p.point[0]+1, 7)), true
		}
		return uint64(p.point[1]), true
	case gic.AP0R0:
		return uint64(p.activated[0]), true
	case gic.AP1R0:
		return uint64(p.activated[1]), true
	case gic.RPR:
		return uint64(c.running(i)), true
	case gic.CTLR:
		return systemControl | uint64(p.control), true
	case gic.SRE:
		return systemEnable, true
	case gic.SREEL2:
		return p.hypervisor.enable, true
	case gic.HCREL2:
		return p.traps, true
	case gic.IGRPEN0, gic.IGRPEN1:
		if p.enable[group(r)] {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// group is which group a register with one for each is of.
func group(r gic.SystemRegister) int {
	switch r {
	case gic.IAR1, gic.EOIR1, gic.HPPIR1, gic.BPR1, gic.IGRPEN1:
		return 1
	}
	return 0
}

// takeGroup is ICC_IAR0_EL1 and ICC_IAR1_EL1: where the highest is of the other
// group there is nothing to take (12.2.14).
func (c *Controller) takeGroup(i, group int) uint64 {
	number, _ := c.acknowledge(i, func(best found) int {
		if best.group != group {
			return gic.Spurious
		}
		return 0
	})
	return uint64(number)
}

// WriteSystem writes a system register of a CPU.
func (c *Controller) WriteSystem(i int, r gic.SystemRegister, v uint64) (ok bool) {
	if c.version2() || i < 0 || i >= len(c.cpus) {
		return false
	}
	p := &c.cpus[i]
	number := int(v & 0xffffff)
	split := p.control&gic.ControlSplitEnd != 0
	switch r {
	case gic.PMR:
		p.mask = uint8(v) & priorityMask
	case gic.EOIR0, gic.EOIR1:
		c.end(i, number, group(r), split)
	case gic.BPR0:
		p.point[0] = max(uint8(v&7), c.leastPoint(0))
	case gic.BPR1:
		if !c.commonPoint(i) {
			p.point[1] = max(uint8(v&7), c.leastPoint(1))
		}
	case gic.AP0R0:
		p.activated[0] = uint32(v)
	case gic.AP1R0:
		p.activated[1] = uint32(v)
	case gic.DIR:
		if split {
			c.deactivate(i, number)
		}
	case gic.SGI0R:
		c.send(i, v, 0)
	case gic.SGI1R:
		c.send(i, v, 1)
	case gic.ASGI1R: // group 1 of the other security state, which here is group 0
		c.send(i, v, 0)
	case gic.CTLR:
		p.control = uint32(v) & (gic.ControlCommonPoint | gic.ControlSplitEnd)
	case gic.SRE: // all bits are fixed
	case gic.SREEL2:
		p.hypervisor.enable = v & (systemEnable | gic.SREEnable)
	case gic.HCREL2:
		p.traps = v & hypervisorTraps
	case gic.IGRPEN0, gic.IGRPEN1:
		p.enable[group(r)] = v&1 != 0
	default:
		return false
	}
	c.update()
	return true
}

// send makes an SGI pending at CPUs where it is of the register's group (12.2.19,
// 12.1.10).
func (c *Controller) send(from int, v uint64, group uint32) {
	n := v >> gic.SGINumberShift & 0xf
	cluster := uint32(v>>gic.SGIAffinity1&0xff<<8 | v>>gic.SGIAffinity2&0xff<<16 | v>>gic.SGIAffinity3&0xff<<24)
	first := uint32(v>>gic.SGIRangeShift&0xf) * 16
	for i := range c.cpus {
		p := &c.cpus[i]
		if v&gic.SGIOthers != 0 {
			if i == from {
				continue
			}
		} else {
			low := p.affinity&0xff - first
			if p.affinity&^0xff != cluster || low >= 16 || v>>low&1 == 0 {
				continue
			}
		}
		if p.group>>n&1 == group {
			p.latched |= 1 << n
		}
	}
}
