package arm64

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// SetIRQ sets the level at the CPU's IRQ input.
func (c *CPU) SetIRQ(asserted bool) {
	c.irq = asserted
	c.limit = 0 // look around at the end of the block
}

// SetFIQ sets the level at the CPU's FIQ input.
func (c *CPU) SetFIQ(asserted bool) {
	c.fiq = asserted
	c.limit = 0
}

// NMI makes a physical SError pending: what arm64 has that is nearest to it.
func (c *CPU) NMI() {
	c.serror = true
	c.limit = 0
}

// asynchronous is one kind of interrupt.
type asynchronous struct {
	pending, virtual bool
	vector           arm64.Vector
	mask             uint64
	routed           arm64.HCR // sends it to EL2
}

// interrupts lists what could be taken, the most urgent first. Virtual ones are
// by HCR_EL2.VSE, VI and VF.
func (c *CPU) interrupts() [6]asynchronous {
	hcr := arm64.HCR(c.sys.hcr)
	return [6]asynchronous{
		{c.serror, false, arm64.VectorSError, maskA, arm64.HCRPhysicalSError},
		{c.fiq, false, arm64.VectorFIQ, maskF, arm64.HCRPhysicalFIQ},
		{c.irq, false, arm64.VectorIRQ, maskI, arm64.HCRPhysicalIRQ},
		{hcr>>8&1 != 0 && hcr&arm64.HCRPhysicalSError != 0, true, arm64.VectorSError, maskA, 0},
		{hcr>>6&1 != 0 && hcr&arm64.HCRPhysicalFIQ != 0, true, arm64.VectorFIQ, maskF, 0},
		{hcr>>7&1 != 0 && hcr&arm64.HCRPhysicalIRQ != 0, true, arm64.VectorIRQ, maskI, 0},
	}
}

// takes gives the level that an interrupt would be taken to now, or 0 (DDI 0487
// D1.3.6).
func (c *CPU) takes(a *asynchronous) uint8 {
	if !a.pending {
		return 0
	}
	hcr := arm64.HCR(c.sys.hcr)
	masked := c.daif&a.mask != 0
	if a.virtual {
		if c.level == 2 || masked || hcr&arm64.HCRTrapGeneral != 0 {
			return 0
		}
		return 1
	}
	toEL2 := c.config.EL2 && hcr&(a.routed|arm64.HCRTrapGeneral) != 0
	switch {
	case toEL2 && c.level < 2:
		return 2
	case toEL2 && !masked:
		return 2
	case !toEL2 && c.level < 2 && !masked:
		return 1
	case !toEL2 && c.level == 2:
		return 0
	}
	return 0
}

// takeInterrupt takes an interrupt if one is pending and not masked.
func (c *CPU) takeInterrupt() bool {
	if !c.irq && !c.fiq && !c.serror && c.sys.hcr&(7<<6) == 0 && c.timers.next > c.now() {
		return false
	}
	c.updateTimers()
	list := c.interrupts()
	for i := range list {
		a := &list[i]
		to := c.takes(a)
		if to == 0 {
			continue
		}
		if a.vector == arm64.VectorSError && !a.virtual {
			c.serror = false
		}
		syndrome := uint64(arm64.ClassSError)<<26 | 1<<25
		c.enter(to, a.vector, c.pc, syndrome, fault{})
		c.count++
		return true
	}
	return false
}

// pending reports whether anything would wake the CPU from WFI: masks do not
// count (DDI 0487 D1.6.2).
func (c *CPU) pending() bool {
	list := c.interrupts()
	for _, a := range list {
		if a.pending {
			return true
		}
	}
	return false
}

// wake ends WFI or WFE where there is a reason to.
func (c *CPU) wake() {
	c.updateTimers()
	switch {
	case c.waitsForEvent && c.eventFlag:
		c.eventFlag = false
	case !c.pending():
		return
	}
	c.activity = machine.Running
}

// Wakeable reports whether a CPU that waits can go on: something is pending or
// one of its timers runs.
func (c *CPU) Wakeable() bool {
	_, timer := c.Deadline()
	return c.pending() || c.waitsForEvent && c.eventFlag || timer
}

// SetSiblings tells the CPU of all CPUs of its machine, itself included: SEV and
// broadcast maintenance reach them.
func (c *CPU) SetSiblings(all []*CPU) { c.siblings = all }

// everyone is the CPUs that broadcasts reach.
func (c *CPU) everyone() []*CPU {
	if c.siblings == nil {
		return []*CPU{c}
	}
	return c.siblings
}
