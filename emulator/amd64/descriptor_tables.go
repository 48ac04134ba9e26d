package amd64

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// storeSystem writes to a descriptor table.
func (c *CPU) storeSystem(va uint64, size uint8, v uint64) bool {
	pa, ok := c.translate(va, accessWrite|system)
	if !ok {
		return false
	}
	word := pa &^ 7
	old, ok := c.physical64(word)
	if !ok {
		return c.general(0)
	}
	shift := pa & 7 * 8
	mask := (uint64(1)<<(8*size) - 1) << shift
	c.putPhysical64(word, old&^mask|v<<shift&mask)
	return true
}

// operationLoadTable is LGDT (op 0) and LIDT (op 1).
func operationLoadTable(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	size := uint8(4)
	if c.mode == mode64 {
		size = 8
	}
	va := c.address(in)
	limit, ok := c.load(va, 2)
	if !ok {
		return false
	}
	base, ok := c.load(va+2, size)
	if !ok {
		return false
	}
	if size == 8 && !c.canonical(base) {
		return c.general(0)
	}
	if size == 4 && in.size == 2 {
		base &= 0xffffff
	}
	table := machine.DescriptorTable{Base: base, Limit: uint16(limit)}
	if in.op == 0 {
		c.gdtr = table
	} else {
		c.idtr = table
	}
	return true
}

// operationStoreTable is SGDT (op 0) and SIDT (op 1).
func operationStoreTable(c *CPU, in *inst) bool {
	if c.cpl != 0 && c.cr4&cr4UMIP != 0 {
		return c.general(0)
	}
	table := c.gdtr
	if in.op == 1 {
		table = c.idtr
	}
	size := uint8(4)
	if c.mode == mode64 {
		size = 8
	}
	va := c.address(in)
	return c.probe(va, 2+uint64(size)) && c.store(va, 2, uint64(table.Limit)) && c.store(va+2, size, table.Base)
}

// operationStoreSelector is SLDT (op 0) and STR (op 1).
func operationStoreSelector(c *CPU, in *inst) bool {
	if c.cpl != 0 && c.cr4&cr4UMIP != 0 {
		return c.general(0)
	}
	v := c.ldtr.Selector
	if in.op == 1 {
		v = c.tr.Selector
	}
	size := in.size
	if in.mem {
		size = 2
	}
	return c.result(in, size, uint64(v))
}

// operationLoadSelector is LLDT (op 0) and LTR (op 1).
func operationLoadSelector(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	v, ok := c.source(in, 2)
	if !ok {
		return false
	}
	selector := uint16(v)
	if selector&^3 == 0 && in.op == 0 {
		c.ldtr = machine.Segment{Selector: selector, Access: machine.AccessUnusable}
		return true
	}
	if selector&^3 == 0 || selector&4 != 0 {
		return c.general(selectorError(selector))
	}
	d, ok := c.loadDescriptor(selector, amd64.VectorGeneralProtection)
	if !ok {
		return false
	}
	want := uint32(typeLDT)
	if in.op == 1 {
		want = typeTSSAvailable
	}
	if !d.isSystem() || d.kind() != want || uint64(selector&^7)+15 > uint64(c.gdtr.Limit) && c.efer&eferLMA != 0 {
		return c.general(selectorError(selector))
	}
	if !d.present() {
		return c.raiseCode(amd64.VectorSegmentNotPresent, selectorError(selector))
	}
	s := d.segment(selector)
	if c.efer&eferLMA != 0 {
		high, ok := c.loadSlow(d.va+8, 8, accessRead|system)
		if !ok {
			return false
		}
		s.Base |= high << 32
		if !c.canonical(s.Base) {
			return c.general(selectorError(selector))
		}
	}
	if in.op == 0 {
		c.ldtr = s
		return true
	}
	if !c.touch(&d, typeTSSBusy) {
		return false
	}
	s.Access |= 2
	c.tr = s
	return true
}
