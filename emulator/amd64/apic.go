package amd64

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Registers of the local APIC by their offset (Intel SDM 3A table 11-1).
const (
	apicID          = 0x20
	apicVersion     = 0x30
	apicTPR         = 0x80
	apicPPR         = 0xa0
	apicEOI         = 0xb0
	apicLDR         = 0xd0
	apicDFR         = 0xe0
	apicSpurious    = 0xf0
	apicISR         = 0x100
	apicTMR         = 0x180
	apicIRR         = 0x200
	apicESR         = 0x280
	apicICRLow      = 0x300
	apicICRHigh     = 0x310
	apicTimer       = 0x320
	apicInitial     = 0x380
	apicCurrent     = 0x390
	apicDivide      = 0x3e0
	apicDefaultBase = 0xfee00000

	apicBSP      = 1 << 8
	apicExtended = 1 << 10
	apicEnable   = 1 << 11

	timerMasked   = 1 << 16
	timerPeriodic = 1 << 17
)

// apic is a local APIC in xAPIC mode.
type apic struct {
	present  bool
	base     uint64 // IA32_APIC_BASE
	id       uint32
	regs     [64]uint32 // by offset/16, those that are plain
	isr, irr [8]uint32

	deadline uint64 // when the timer fires; 0: it is off
}

func (a *apic) reset(index int) {
	present := a.present
	*a = apic{present: present, id: uint32(index)}
	if present {
		a.base = apicDefaultBase | apicEnable
		if index == 0 {
			a.base |= apicBSP
		}
	}
	a.regs[apicSpurious>>4] = 0xff
	a.regs[apicDFR>>4] = 0xffffffff
	for at := apicTimer; at <= 0x370; at += 0x10 {
		a.regs[at>>4] = timerMasked
	}
}

func (a *apic) maps(pa uint64) bool {
	return a.base&apicEnable != 0 && pa&^pageMask == a.base&entryAddress
}

// setBase is WRMSR to IA32_APIC_BASE. There is no x2APIC.
func (a *apic) setBase(c *CPU, v uint64) bool {
	if !a.present || v&apicExtended != 0 || v>>physicalBits != 0 || v&0x2ff != 0 {
		return c.general(0)
	}
	a.base = v&^apicBSP | a.base&apicBSP
	c.contextSwitched()
	return true
}

func (c *CPU) apicRead(offset uint64, size uint8) uint64 {
	a := &c.apic
	v, at := uint32(0), offset&^15
	switch {
	case offset&15 != 0:
		return 0
	case at == apicID:
		v = a.id << 24
	case at == apicVersion:
		v = 0x50014 // six entries in the local vector table
	case at == apicPPR:
		v = uint32(a.priority())
	case at >= apicISR && at < apicISR+0x80:
		v = a.isr[(at-apicISR)>>4]
	case at >= apicIRR && at < apicIRR+0x80:
		v = a.irr[(at-apicIRR)>>4]
	case at == apicCurrent:
		v = a.remaining(c)
	case at < 0x400:
		v = a.regs[at>>4]
	}
	return truncate(uint64(v), size)
}

func (c *CPU) apicWrite(offset uint64, v uint32) bool {
	a := &c.apic
	switch at := offset; {
	case at&15 != 0 || at >= 0x400:
	case at == apicEOI:
		if n := highest(&a.isr); n >= 0 {
			a.isr[n>>5] &^= 1 << (n & 31)
		}
	case at == apicICRLow:
		a.regs[at>>4] = v &^ (1 << 12) // always delivered
		return c.sendInterrupt(v, a.regs[apicICRHigh>>4]>>24)
	case at == apicInitial, at == apicDivide, at == apicTimer:
		a.regs[at>>4] = v
		a.arm(c, at == apicInitial)
	case at == apicID, at == apicVersion, at == apicPPR, at == apicCurrent, at >= apicISR && at < apicESR:
	case at == apicESR:
		a.regs[at>>4] = 0
	default:
		a.regs[at>>4] = v
	}
	c.limit = 0
	return true
}

// period is the timer's initial count in ticks.
func (a *apic) period() uint64 {
	d := a.regs[apicDivide>>4]
	shift := (d&3 | d>>1&4) + 1
	return uint64(a.regs[apicInitial>>4]) << (shift & 7)
}

// arm sets the deadline after a register of the timer was written.
func (a *apic) arm(c *CPU, again bool) {
	if a.regs[apicInitial>>4] == 0 {
		a.deadline = 0
	} else if again {
		a.deadline = c.now() + a.period()
	}
}

func (a *apic) remaining(c *CPU) uint32 {
	now := c.now()
	if a.deadline <= now {
		return 0
	}
	d := a.regs[apicDivide>>4]
	return uint32((a.deadline - now) >> (((d&3 | d>>1&4) + 1) & 7))
}

// Deadline is when the CPU's timer fires, if it is set.
func (c *CPU) Deadline() (uint64, bool) { return c.apic.deadline, c.apic.deadline != 0 }

// tick fires the timer when its time has come.
func (a *apic) tick(c *CPU) {
	if a.deadline == 0 || a.deadline > c.now() {
		return
	}
	lvt := a.regs[apicTimer>>4]
	if lvt&timerPeriodic != 0 {
		a.deadline += max(a.period(), 1)
	} else {
		a.deadline = 0
	}
	if lvt&timerMasked == 0 {
		a.request(lvt & 0xff)
	}
}

func (a *apic) request(v uint32) {
	if v >= 16 {
		a.irr[v>>5] |= 1 << (v & 31)
	}
}

// highest is the highest bit that is set, or -1.
func highest(r *[8]uint32) int {
	for i := 7; i >= 0; i-- {
		if r[i] != 0 {
			return 32*i + 31 - bits.LeadingZeros32(r[i])
		}
	}
	return -1
}

// priority is the processor priority (Intel SDM 3A 11.8.3.1).
func (a *apic) priority() int {
	tpr := int(a.regs[apicTPR>>4] & 0xff)
	if in := highest(&a.isr); in>>4 > tpr>>4 {
		return in &^ 15
	}
	return tpr
}

// acknowledge gives the vector to be delivered, if there is one.
func (a *apic) acknowledge(c *CPU) (uint32, bool) {
	if !a.present || a.regs[apicSpurious>>4]&0x100 == 0 {
		return 0, false
	}
	n := highest(&a.irr)
	if n < 0 || n>>4 <= max(a.priority()>>4, int(c.cr8)) {
		return 0, false
	}
	a.irr[n>>5] &^= 1 << (n & 31)
	a.isr[n>>5] |= 1 << (n & 31)
	return uint32(n), true
}

// Delivery modes of the interrupt command register (Intel SDM 3A figure 11-12).
const (
	deliverFixed   = 0
	deliverLowest  = 1
	deliverNMI     = 4
	deliverInit    = 5
	deliverStartUp = 6
)

// sendInterrupt carries out a command.
func (c *CPU) sendInterrupt(command, destination uint32) bool {
	if c.apic.regs[apicSpurious>>4]&0x100 == 0 {
		return true
	}
	for _, other := range c.siblings {
		var hit bool
		switch command >> 18 & 3 {
		case 0:
			hit = destination == other.apic.id || destination == 0xff
			if command>>11&1 != 0 { // logical, flat model
				hit = destination&(other.apic.regs[apicLDR>>4]>>24) != 0
			}
		case 1:
			hit = other == c
		case 2:
			hit = true
		case 3:
			hit = other != c
		}
		if hit {
			other.receive(command)
		}
	}
	c.limit = 0
	return true
}

// receive takes an interrupt that another CPU, or this one, sent.
func (c *CPU) receive(command uint32) {
	switch command >> 8 & 7 {
	case deliverFixed, deliverLowest:
		c.apic.request(command & 0xff)
	case deliverNMI:
		c.nmiPending = true
	case deliverInit:
		if command>>14&1 != 0 { // assert
			base := c.apic.base
			c.Reset()
			c.apic.base = base
			c.waitSIPI = true
		}
	case deliverStartUp:
		if c.waitSIPI {
			c.waitSIPI = false
			c.segments[segCS].Selector = uint16(command & 0xff << 8)
			c.segments[segCS].Base = uint64(command&0xff) << 12
			c.rip = 0
			c.activity = machine.Running
			c.contextChanged()
		}
	}
	c.limit = 0
}
