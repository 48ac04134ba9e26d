package amd64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

const debugSingleStep = 1 << 14 // DR6.BS

// Classes of exceptions for double faults (Intel SDM 3A table 6-4).
func contributory(v amd64.Vector) bool {
	switch v {
	case amd64.VectorDivideError, amd64.VectorInvalidTSS, amd64.VectorSegmentNotPresent, amd64.VectorStackFault,
		amd64.VectorGeneralProtection, amd64.VectorControlProtection:
		return true
	}
	return false
}

// deliverFault delivers c.fault, and what comes of that: a double fault, or the
// CPU's shutdown.
func (c *CPU) deliverFault() *machine.Exit {
	// The address is known, so what is watched needs no second attempt.
	precise := c.precise
	c.precise = true
	defer func() { c.precise = precise }()
	origin := c.fault
	for first := c.fault; ; {
		if c.fault.vector == amd64.VectorPageFault {
			c.cr2 = c.fault.address
		}
		if c.interrupt(c.fault) {
			return nil
		}
		if c.event == eventExit {
			c.event = eventNone
			return c.exit
		}
		c.event = eventNone
		second := c.fault
		pf := amd64.VectorPageFault
		switch {
		case first.vector == amd64.VectorDoubleFault && (contributory(second.vector) || second.vector == pf):
			return &machine.Exit{Reason: machine.TripleFault, Detail: c.shutdown(origin, second)}
		case contributory(first.vector) && contributory(second.vector), first.vector == pf && (contributory(second.vector) || second.vector == pf):
			if second.vector == pf {
				c.cr2 = second.address
			}
			c.fault = fault{vector: amd64.VectorDoubleFault, hasCode: true}
		}
		first = c.fault
	}
}

func (c *CPU) shutdown(first, f fault) string {
	return fmt.Sprintf("%v (code %#x, address %#x), then %v (code %#x) while #DF was delivered; %s",
		first.vector, first.code, first.address, f.vector, f.code, c.registers())
}

// gateOf reads an IDT entry: 16 bytes.
func (c *CPU) gateOf(v amd64.Vector, external uint64) (low, high uint64, ok bool) {
	at := uint64(v) * 16
	if at+15 > uint64(c.idtr.Limit) {
		return 0, 0, c.general(uint64(v)<<3 | 2 | external)
	}
	if low, ok = c.loadSlow(c.idtr.Base+at, 8, accessRead|system); !ok {
		return 0, 0, false
	}
	high, ok = c.loadSlow(c.idtr.Base+at+8, 8, accessRead|system)
	return low, high, ok
}

// interrupt delivers an exception or interrupt in 64-bit mode (Intel SDM 3A
// 6.14). False leaves a fault in c.fault.
func (c *CPU) interrupt(f fault) bool {
	if c.efer&eferLMA == 0 {
		if c.idtr.Limit < 16 {
			return c.general(0)
		}
		return c.stop(machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("%v outside of long mode, at %#x; %s", f.vector, c.rip, c.registers())})
	}
	if !c.shadowStops(fmt.Sprintf("delivery of %v", f.vector)) {
		return false
	}
	external := uint64(1)
	if f.soft {
		external = 0
	}
	low, high, ok := c.gateOf(f.vector, external)
	if !ok {
		return false
	}
	code := uint64(f.vector)<<3 | 2 | external
	kind, dpl := low>>40&0x1f, uint8(low>>45&3)
	if kind != 0xe && kind != 0xf || f.soft && dpl < c.cpl {
		return c.general(code)
	}
	if low>>47&1 == 0 {
		return c.raiseCode(amd64.VectorSegmentNotPresent, code)
	}
	selector := uint16(low >> 16)
	to := low&0xffff | low>>48<<16 | high<<32
	cs, ring, ok := c.gateCode(selector, external)
	if !ok {
		return false
	}
	sp := c.r[machine.RSP]
	switch ist := low >> 32 & 7; {
	case ist != 0:
		sp, ok = c.taskStack(0x24 + 8*(ist-1))
	case ring < c.cpl:
		sp, ok = c.taskStack(4 + 8*uint64(ring))
	}
	if !ok || !c.pushFrame(f, sp&^15, ring, cs, to) {
		return false
	}
	if kind == 0xe {
		c.rflags &^= flagIF
	}
	c.rflags &^= flagTF | flagNT | flagRF | flagVM
	c.waitForEndbranch()
	return true
}

// waitForEndbranch is what comes of a change to code that must begin with
// ENDBR64: an interrupt's or SYSCALL's.
func (c *CPU) waitForEndbranch() { c.cet.waiting[c.user()] = c.enforced()&cetEndbranch != 0 }

// gateCode checks the code segment that a gate names.
func (c *CPU) gateCode(selector uint16, external uint64) (cs machine.Segment, ring uint8, ok bool) {
	if selector&^3 == 0 {
		return cs, 0, c.general(external)
	}
	d, ok := c.loadDescriptor(selector, amd64.VectorGeneralProtection)
	if !ok {
		if c.fault.vector == amd64.VectorGeneralProtection {
			c.fault.code |= external
		}
		return cs, 0, false
	}
	if d.isSystem() || d.kind()&typeCode == 0 || d.dpl() > c.cpl || d.access()&machine.AccessLong == 0 {
		return cs, 0, c.general(selectorError(selector) | external)
	}
	if !d.present() {
		return cs, 0, c.raiseCode(amd64.VectorSegmentNotPresent, selectorError(selector)|external)
	}
	if !c.touch(&d, typeAccessed) {
		return cs, 0, false
	}
	ring = d.dpl()
	if d.kind()&typeConform != 0 {
		ring = c.cpl
	}
	return d.segment(selector&^3 | uint16(ring)), ring, true
}

// taskStack reads a stack pointer from the TSS.
func (c *CPU) taskStack(offset uint64) (uint64, bool) {
	if offset+7 > uint64(c.tr.Limit) {
		return 0, c.raiseCode(amd64.VectorInvalidTSS, selectorError(c.tr.Selector))
	}
	sp, ok := c.loadSlow(c.tr.Base+offset, 8, accessRead|system)
	if ok && !c.canonical(sp) {
		return 0, c.raiseCode(amd64.VectorStackFault, 0)
	}
	return sp, ok
}

// pushFrame writes the frame of an interrupt and goes to its handler. Nothing
// but memory has changed where it fails.
func (c *CPU) pushFrame(f fault, sp uint64, ring uint8, cs machine.Segment, to uint64) bool {
	flags := c.getFlags()
	if !f.trap {
		flags |= flagRF
	}
	words := []uint64{uint64(c.segments[segSS].Selector), c.r[machine.RSP], flags, uint64(c.segments[segCS].Selector), c.rip}
	if f.hasCode {
		words = append(words, f.code)
	}
	cpl := c.cpl
	c.setRing(ring)
	for _, w := range words {
		sp -= 8
		if !c.store64(sp, w) {
			c.setRing(cpl)
			return c.stackFault()
		}
	}
	if !c.canonical(to) {
		c.setRing(cpl)
		return c.general(0)
	}
	c.segments[segCS] = cs
	if ring != cpl {
		c.segments[segSS] = machine.Segment{Selector: uint16(ring), Access: machine.AccessUnusable | uint32(ring)<<machine.AccessDPLShift}
	}
	c.contextChanged()
	c.setRing(ring)
	c.r[machine.RSP], c.rip = sp, to
	return true
}

// setRing changes the privilege level alone.
func (c *CPU) setRing(ring uint8) {
	c.cpl = ring
	c.selectTLB()
}

// operationInterruptReturn is IRET in 64-bit mode (Intel SDM 2A, IRET).
func operationInterruptReturn(c *CPU, in *inst) bool {
	if c.mode != mode64 {
		return operationMissing(c, in)
	}
	if c.rflags&flagNT != 0 {
		return c.general(0)
	}
	if !c.shadowStops("IRET") {
		return false
	}
	var frame [5]uint64
	size := in.size
	for i := range frame {
		v, ok := c.load(c.r[machine.RSP]+uint64(i)*uint64(size), size)
		if !ok {
			return c.stackFault()
		}
		frame[i] = v
	}
	cpl, iopl := c.cpl, uint8(c.rflags>>12&3)
	if uint8(frame[1]&3) < cpl {
		return c.general(selectorError(uint16(frame[1])))
	}
	done := c.outer(uint16(frame[1]), frame[0], uint16(frame[4]), frame[3])
	if c.event != eventNone {
		return false
	}
	keep := uint64(flagVM | 3<<19)
	if cpl != 0 {
		keep |= flagIOPL
	}
	if cpl > iopl {
		keep |= flagIF
	}
	if size == 2 {
		keep |= ^uint64(0xffff)
	}
	c.setFlags(c.getFlags()&keep | frame[2]&^keep)
	c.nmiBlocked = false
	c.limit = 0
	return done
}

// operationSystemCall is SYSCALL (Intel SDM 2B).
func operationSystemCall(c *CPU, in *inst) bool {
	if c.mode != mode64 || c.efer&eferSCE == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if !c.shadowStops("SYSCALL") {
		return false
	}
	c.r[machine.RCX], c.r[machine.R11] = in.next, c.getFlags()&^flagRF
	c.setFlags(c.getFlags() &^ (c.msr.fmask | flagRF))
	selector := uint16(c.msr.star>>32) &^ 3
	c.segments[segCS] = machine.Segment{Selector: selector, Limit: 0xffffffff, Access: flatCode64}
	c.segments[segSS] = machine.Segment{Selector: selector + 8, Limit: 0xffffffff, Access: flatData}
	c.contextChanged()
	c.waitForEndbranch()
	return c.branch(c.msr.lstar)
}

const (
	flatCode64 = 0xb | machine.AccessCodeData | machine.AccessPresent | machine.AccessLong | machine.AccessPages
	flatCode32 = 0xb | machine.AccessCodeData | machine.AccessPresent | machine.AccessBig | machine.AccessPages
	flatData   = 0x3 | machine.AccessCodeData | machine.AccessPresent | machine.AccessBig | machine.AccessPages
	ring3      = 3 << machine.AccessDPLShift
)

// operationSystemReturn is SYSRET (Intel SDM 2B).
func operationSystemReturn(c *CPU, in *inst) bool {
	if c.mode != mode64 || c.efer&eferSCE == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if c.cpl != 0 {
		return c.general(0)
	}
	if !c.shadowStops("SYSRET") {
		return false
	}
	to, selector := c.r[machine.RCX], uint16(c.msr.star>>48)
	code := machine.Segment{Selector: selector | 3, Limit: 0xffffffff, Access: flatCode32 | ring3}
	if in.size == 8 {
		if !c.canonical(to) {
			return c.general(0)
		}
		code = machine.Segment{Selector: (selector + 16) | 3, Limit: 0xffffffff, Access: flatCode64 | ring3}
	} else {
		to &= 0xffffffff
	}
	c.segments[segCS] = code
	c.segments[segSS] = machine.Segment{Selector: (selector + 8) | 3, Limit: 0xffffffff, Access: flatData | ring3}
	c.setFlags(c.r[machine.R11] &^ (flagRF | flagVM))
	c.contextChanged()
	c.limit = 0
	return c.branch(to)
}

// takeInterrupt delivers what is pending: NMI, then what the local APIC has. It
// also wakes the CPU.
func (c *CPU) takeInterrupt() bool {
	if c.shadow {
		return false
	}
	if c.nmiPending && !c.nmiBlocked {
		c.nmiPending, c.nmiBlocked = false, true
		c.activity = machine.Running
		c.fault = fault{vector: amd64.VectorNMI, trap: true}
		c.afterInterrupt(c.deliverFault())
		return true
	}
	if c.rflags&flagIF == 0 {
		return false
	}
	v, ok := c.apic.acknowledge(c)
	if !ok && c.externalPending {
		v, ok, c.externalPending = uint32(c.externalVector), true, false
	}
	if ok {
		c.activity = machine.Running
		c.fault = fault{vector: amd64.Vector(v), trap: true}
		c.afterInterrupt(c.deliverFault())
	}
	return ok
}

// afterInterrupt keeps an exit that came of the delivery for the next
// instruction.
func (c *CPU) afterInterrupt(exit *machine.Exit) {
	c.count++
	c.pendingExit = exit
}
