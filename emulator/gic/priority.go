package gic

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/device/gic"
)

// leastPoint is the least binary point of a group (4.8.5; v2 3.3.3): with fewer
// bits of priority there is nothing to divide below.
func (c *Controller) leastPoint(group int) uint8 {
	if group == 1 && !c.version2() {
		return 8 - priorityBits
	}
	return 7 - priorityBits
}

// groupMask are the bits of a priority that decide about preemption.
func (c *Controller) groupMask(i, group int) uint8 {
	p := &c.cpus[i]
	point := uint(p.point[0])
	if group == 1 && !c.commonPoint(i) {
		point = uint(p.point[1])
		if !c.version2() && point > 0 {
			point-- // the field is one bit longer in this register
		}
	}
	return uint8(0xff << (point + 1))
}

func (c *Controller) commonPoint(i int) bool {
	if c.version2() {
		return c.cpus[i].control&gic.InterfaceCommonPoint != 0
	}
	return c.cpus[i].control&gic.ControlCommonPoint != 0
}

// running is the priority of what a CPU handles.
func (c *Controller) running(i int) uint8 {
	active := c.cpus[i].activated[0] | c.cpus[i].activated[1]
	if active == 0 {
		return gic.PriorityIdle
	}
	return uint8(bits.TrailingZeros32(active) << (8 - priorityBits))
}

// preempts reports whether an interrupt may be signalled: it is not masked, and
// its group priority is above that of what is handled.
func (c *Controller) preempts(i int, f found) bool {
	if f.priority >= c.cpus[i].mask {
		return false
	}
	running := c.running(i)
	return running == gic.PriorityIdle || f.priority&c.groupMask(i, f.group) < running
}

// acknowledge takes the highest interrupt if accept says so of it: it becomes
// active, and its priority the running one.
func (c *Controller) acknowledge(i int, accept func(found) int) (number, source int) {
	best, ok := c.highest(i)
	if !ok || !c.preempts(i, best) {
		return gic.Spurious, 0
	}
	if special := accept(best); special != 0 {
		return special, 0
	}
	b, n := c.bankOf(i, best.number)
	bit := uint32(1) << n
	b.active |= bit
	source = c.unlatch(i, b, best.number, bit)
	level := best.priority & c.groupMask(i, best.group) >> (8 - priorityBits)
	c.cpus[i].activated[best.group] |= 1 << level
	c.update()
	return best.number, source
}

// unlatch ends the pending state that is not a line's. Of an SGI of version 2 that
// more than one CPU has sent, only one is taken.
func (c *Controller) unlatch(i int, b *bank, number int, bit uint32) (source int) {
	if !c.version2() || number >= gic.SGIs {
		b.latched &^= bit
		return 0
	}
	sources := &c.cpus[i].sources[number]
	source = bits.TrailingZeros8(*sources) & (MaxCPUs - 1)
	*sources &^= 1 << source
	if *sources == 0 {
		b.latched &^= bit
	}
	return source
}

// end drops the running priority if the interrupt that is ended has it, and ends
// the interrupt unless that is another register's.
func (c *Controller) end(i, number, group int, split bool) {
	p := &c.cpus[i]
	if number >= gic.FirstSPI+c.config.SPIs {
		return
	}
	all := p.activated[0] | p.activated[1]
	lowest := all & -all
	if p.activated[group]&lowest != 0 {
		p.activated[group] &^= lowest
	}
	if !split {
		c.deactivate(i, number)
		return
	}
	c.update()
}

func (c *Controller) deactivate(i, number int) {
	if b, n := c.bankOf(i, number); b != nil {
		b.active &^= 1 << n
	}
	c.update()
}
