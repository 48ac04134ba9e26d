package amd64

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Types of system descriptors in 64-bit mode (Intel SDM 3A table 3-2).
const (
	typeLDT          = 0x2
	typeTSSAvailable = 0x9
	typeTSSBusy      = 0xb

	typeAccessed = 1 << 0
	typeWritable = 1 << 1 // data; for code, readable
	typeConform  = 1 << 2 // code; for data, expands down
	typeCode     = 1 << 3
)

// descriptor is a segment descriptor and where it was.
type descriptor struct {
	raw uint64
	va  uint64
}

func (d descriptor) access() uint32 {
	return uint32(d.raw>>40&0xff) | uint32(d.raw>>52&0xf)<<12
}

func (d descriptor) dpl() uint8     { return uint8(d.raw >> 45 & 3) }
func (d descriptor) present() bool  { return d.raw>>47&1 != 0 }
func (d descriptor) kind() uint32   { return uint32(d.raw >> 40 & 0xf) }
func (d descriptor) isSystem() bool { return d.raw>>44&1 == 0 }

func (d descriptor) segment(selector uint16) machine.Segment {
	base := d.raw>>16&0xffffff | d.raw>>56<<24
	limit := uint32(d.raw&0xffff | d.raw>>32&0xf0000)
	if d.raw>>55&1 != 0 {
		limit = limit<<12 | 0xfff
	}
	return machine.Segment{Selector: selector, Base: base, Limit: limit, Access: d.access()}
}

// selectorError is the error code that names a selector.
func selectorError(selector uint16) uint64 { return uint64(selector &^ 3) }

// loadDescriptor reads a descriptor from GDT or LDT. What is beyond the table is
// vector with the selector.
func (c *CPU) loadDescriptor(selector uint16, v amd64.Vector) (descriptor, bool) {
	base, limit := c.gdtr.Base, uint32(c.gdtr.Limit)
	if selector&4 != 0 {
		base, limit = c.ldtr.Base, c.ldtr.Limit
		if c.ldtr.Access&machine.AccessUnusable != 0 || c.ldtr.Selector&^3 == 0 {
			return descriptor{}, c.raiseCode(v, selectorError(selector))
		}
	}
	index := uint64(selector &^ 7)
	if index+7 > uint64(limit) {
		return descriptor{}, c.raiseCode(v, selectorError(selector))
	}
	raw, ok := c.loadSlow(base+index, 8, accessRead|system)
	return descriptor{raw, base + index}, ok
}

// touch sets the accessed bit of a descriptor that gets loaded.
func (c *CPU) touch(d *descriptor, bits uint64) bool {
	if d.raw>>40&bits == bits {
		return true
	}
	d.raw |= bits << 40
	return c.storeSystem(d.va+4, 4, d.raw>>32)
}

// setSegment is MOV to a segment register (Intel SDM 2B, MOV; 3A 5.7).
func (c *CPU) setSegment(n int, selector uint16) bool {
	if c.mode == modeReal {
		c.segments[n].Selector, c.segments[n].Base = selector, uint64(selector)<<4
		c.contextChanged()
		return true
	}
	if selector&^3 == 0 {
		if n == segSS && (c.mode != mode64 || c.cpl == 3 || uint8(selector&3) != c.cpl) {
			return c.general(0)
		}
		dpl := uint32(0)
		if n == segSS {
			dpl = uint32(c.cpl) << machine.AccessDPLShift
		}
		c.segments[n] = machine.Segment{Selector: selector, Access: machine.AccessUnusable | dpl}
		c.contextChanged()
		return true
	}
	d, ok := c.loadDescriptor(selector, amd64.VectorGeneralProtection)
	if !ok {
		return false
	}
	rpl, kind := uint8(selector&3), d.kind()
	absent := amd64.VectorSegmentNotPresent
	if n == segSS {
		absent = amd64.VectorStackFault
		if d.isSystem() || kind&typeCode != 0 || kind&typeWritable == 0 || rpl != c.cpl || d.dpl() != c.cpl {
			return c.general(selectorError(selector))
		}
	} else if d.isSystem() || kind&typeCode != 0 && kind&typeWritable == 0 ||
		(kind&typeCode == 0 || kind&typeConform == 0) && max(rpl, c.cpl) > d.dpl() {
		return c.general(selectorError(selector))
	}
	if !d.present() {
		return c.raiseCode(absent, selectorError(selector))
	}
	if !c.touch(&d, typeAccessed) {
		return false
	}
	c.segments[n] = d.segment(selector)
	c.contextChanged()
	return true
}

func operationMoveToSegment(c *CPU, in *inst) bool {
	n := int(in.reg & 7)
	if n == segCS || n > segGS {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	v, ok := c.source(in, 2)
	if !ok || !c.setSegment(n, uint16(v)) {
		return false
	}
	c.shadow = n == segSS
	return c.end(in)
}

func operationMoveFromSegment(c *CPU, in *inst) bool {
	if in.reg&7 > segGS {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	size := in.size
	if in.mem {
		size = 2
	}
	return c.result(in, size, uint64(c.segments[in.reg&7].Selector))
}

// operationPushSegment and operationPopSegment: op is the segment register.
func operationPushSegment(c *CPU, in *inst) bool {
	return c.push(in.size, uint64(c.segments[in.op].Selector))
}

func operationPopSegment(c *CPU, in *inst) bool {
	old := c.r[machine.RSP]
	v, ok := c.pop(in.size)
	if !ok {
		return false
	}
	if !c.setSegment(int(in.op), uint16(v)) {
		c.r[machine.RSP] = old
		return false
	}
	return c.end(in)
}

// farCode checks a code segment that a far branch of the same ring goes to.
func (c *CPU) farCode(selector uint16, toOuter bool) (machine.Segment, bool) {
	if selector&^3 == 0 {
		return machine.Segment{}, c.general(0)
	}
	d, ok := c.loadDescriptor(selector, amd64.VectorGeneralProtection)
	if !ok {
		return machine.Segment{}, false
	}
	rpl := uint8(selector & 3)
	if d.isSystem() || d.kind()&typeCode == 0 {
		return machine.Segment{}, c.general(selectorError(selector))
	}
	conforming := d.kind()&typeConform != 0
	level := c.cpl
	if toOuter {
		level = rpl
	}
	if conforming && d.dpl() > level || !conforming && (d.dpl() != level || rpl > level) || toOuter && rpl < c.cpl {
		return machine.Segment{}, c.general(selectorError(selector))
	}
	if c.efer&eferLMA != 0 && d.access()&machine.AccessLong != 0 && d.access()&machine.AccessBig != 0 {
		return machine.Segment{}, c.general(selectorError(selector))
	}
	if !d.present() {
		return machine.Segment{}, c.raiseCode(amd64.VectorSegmentNotPresent, selectorError(selector))
	}
	if !c.touch(&d, typeAccessed) {
		return machine.Segment{}, false
	}
	return d.segment(selector&^3 | uint16(level)), true
}

// farTo goes to another code segment of the same ring.
func (c *CPU) farTo(selector uint16, to uint64) bool {
	if !c.shadowStops("a far jump") {
		return false
	}
	if c.mode == modeReal {
		if c.cr0&cr0PE == 0 {
			c.segments[segCS].Selector, c.segments[segCS].Base = selector, uint64(selector)<<4
			c.contextChanged()
			return c.branch(to & 0xffff)
		}
	}
	cs, ok := c.farCode(selector, false)
	if !ok {
		return false
	}
	c.segments[segCS] = cs
	c.contextChanged()
	return c.branch(to)
}

// operationFarPointer is JMP ptr16:32.
func operationFarPointer(c *CPU, in *inst) bool { return c.farTo(uint16(in.disp), in.imm) }

// operationFarIndirect is JMP m16:n.
func operationFarIndirect(c *CPU, in *inst) bool {
	va := c.address(in)
	to, ok := c.load(va, in.size)
	if !ok {
		return false
	}
	selector, ok := c.load(va+uint64(in.size), 2)
	return ok && c.farTo(uint16(selector), to)
}

// operationFarReturn is RETF, to the same ring or an outer one.
func operationFarReturn(c *CPU, in *inst) bool {
	if !c.shadowStops("a far return") {
		return false
	}
	size := uint64(in.size)
	sp := c.r[machine.RSP]
	to, ok := c.load(c.stackAddress(sp), in.size)
	if !ok {
		return c.stackFault()
	}
	selector, ok := c.load(c.stackAddress(sp+size), in.size)
	if !ok {
		return c.stackFault()
	}
	if c.mode == modeReal {
		c.set(machine.RSP, c.stackSize(), sp+2*size+in.imm)
		return c.farTo(uint16(selector), to)
	}
	if uint8(selector&3) > c.cpl {
		newSP, ok := c.load(c.stackAddress(sp+2*size+in.imm), in.size)
		if !ok {
			return c.stackFault()
		}
		ss, ok := c.load(c.stackAddress(sp+3*size+in.imm), in.size)
		if !ok {
			return c.stackFault()
		}
		return c.outer(uint16(selector), to, uint16(ss), newSP+in.imm)
	}
	cs, ok := c.farCode(uint16(selector), true)
	if !ok {
		return false
	}
	c.set(machine.RSP, c.stackSize(), sp+2*size+in.imm)
	c.segments[segCS] = cs
	c.contextChanged()
	return c.goTo(to)
}

// outer is a return to an outer ring, by RETF or IRET.
func (c *CPU) outer(selector uint16, to uint64, stack uint16, sp uint64) bool {
	cs, ok := c.farCode(selector, true)
	if !ok {
		return false
	}
	ring := uint8(selector & 3)
	ss, ok := c.stackSegment(stack, ring, cs.Access&machine.AccessLong != 0)
	if !ok {
		return false
	}
	if cs.Access&machine.AccessLong != 0 && !c.canonical(to) {
		return c.general(0)
	}
	inner := c.cpl
	c.segments[segCS], c.segments[segSS] = cs, ss
	c.contextChanged()
	c.set(machine.RSP, c.stackSize(), sp)
	if ring > inner {
		c.dropSegments()
	}
	return c.branch(to)
}

// stackSegment checks an SS for a ring. A null one is fine in 64-bit mode
// inside of ring 3.
func (c *CPU) stackSegment(selector uint16, ring uint8, long bool) (machine.Segment, bool) {
	if selector&^3 == 0 {
		if !long || ring == 3 || uint8(selector&3) != ring {
			return machine.Segment{}, c.general(0)
		}
		return machine.Segment{Selector: selector, Access: machine.AccessUnusable | uint32(ring)<<machine.AccessDPLShift}, true
	}
	d, ok := c.loadDescriptor(selector, amd64.VectorGeneralProtection)
	if !ok {
		return machine.Segment{}, false
	}
	if uint8(selector&3) != ring || d.isSystem() || d.kind()&(typeCode|typeWritable) != typeWritable || d.dpl() != ring {
		return machine.Segment{}, c.general(selectorError(selector))
	}
	if !d.present() {
		return machine.Segment{}, c.raiseCode(amd64.VectorStackFault, selectorError(selector))
	}
	if !c.touch(&d, typeAccessed) {
		return machine.Segment{}, false
	}
	return d.segment(selector), true
}

// dropSegments makes data segments null that an outer ring may not have (Intel
// SDM 2A, IRET: RETURN-TO-OUTER-PRIVILEGE-LEVEL).
func (c *CPU) dropSegments() {
	for _, n := range []int{segES, segDS, segFS, segGS} {
		s := &c.segments[n]
		code := s.Access&typeCode != 0
		if s.Access&machine.AccessUnusable == 0 && uint8(s.Access>>machine.AccessDPLShift&3) < c.cpl && !(code && s.Access&typeConform != 0) {
			s.Selector, s.Access = 0, machine.AccessUnusable // the base stays: what 64-bit mode uses of FS and GS
		}
	}
	c.contextChanged()
}
