package amd64

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// stackSize is the width of the stack pointer.
func (c *CPU) stackSize() uint8 {
	switch {
	case c.mode == mode64:
		return 8
	case c.segments[segSS].Access&machine.AccessBig != 0:
		return 4
	}
	return 2
}

// stackAddress is the linear address of what is at offset in the stack segment.
func (c *CPU) stackAddress(offset uint64) uint64 {
	if c.mode == mode64 {
		return offset
	}
	return truncate(offset, c.stackSize()) + c.segments[segSS].Base
}

func (c *CPU) push(size uint8, v uint64) bool {
	sp := c.r[machine.RSP] - uint64(size)
	if !c.store(c.stackAddress(sp), size, v) {
		return c.stackFault()
	}
	c.set(machine.RSP, c.stackSize(), sp)
	return true
}

func (c *CPU) pop(size uint8) (uint64, bool) {
	v, ok := c.load(c.stackAddress(c.r[machine.RSP]), size)
	if !ok {
		return 0, c.stackFault()
	}
	c.set(machine.RSP, c.stackSize(), c.r[machine.RSP]+uint64(size))
	return v, true
}

// stackFault makes #GP of an address that is not canonical #SS, as it is for
// the stack (Intel SDM 3A 6.15, interrupt 12).
func (c *CPU) stackFault() bool {
	if c.event == eventFault && c.fault.vector == amd64.VectorGeneralProtection {
		c.fault.vector = amd64.VectorStackFault
	}
	return false
}

func operationPush(c *CPU, in *inst) bool { return c.push(in.size, c.r[in.rm&regMask]) }

func operationPushMemory(c *CPU, in *inst) bool {
	v, ok := c.source(in, in.size)
	return ok && c.push(in.size, v)
}

func operationPushImmediate(c *CPU, in *inst) bool { return c.push(in.size, in.imm) }

func operationPop(c *CPU, in *inst) bool {
	v, ok := c.pop(in.size)
	if ok {
		c.set(in.rm, in.size, v)
	}
	return ok
}

// operationPopMemory addresses memory with RSP as it is after the pop.
func operationPopMemory(c *CPU, in *inst) bool {
	old := c.r[machine.RSP]
	v, ok := c.pop(in.size)
	if !ok {
		return false
	}
	if !c.result(in, in.size, v) {
		c.r[machine.RSP] = old
		return false
	}
	return true
}

func operationPushFlags(c *CPU, in *inst) bool {
	return c.push(in.size, c.getFlags()&^(flagVM|flagRF))
}

func operationPopFlags(c *CPU, in *inst) bool {
	v, ok := c.pop(in.size)
	if !ok {
		return false
	}
	keep := uint64(flagVM | flagRF | 3<<19)
	if c.cpl != 0 {
		keep |= flagIOPL
	}
	if uint64(c.cpl) > c.rflags>>12&3 {
		keep |= flagIF
	}
	if in.size == 2 {
		keep |= ^uint64(0xffff)
	}
	c.setFlags(c.getFlags()&keep | v&^keep&^flagRF)
	c.limit = 0
	return c.end(in)
}

func operationEnter(c *CPU, in *inst) bool {
	if in.disp != 0 {
		return operationMissing(c, in) // nested frames: no compiler makes them
	}
	bp := c.r[machine.RBP]
	if !c.probe(c.stackAddress(c.r[machine.RSP]-uint64(in.size)), uint64(in.size)) || !c.push(in.size, bp) {
		return c.stackFault()
	}
	c.set(machine.RBP, c.stackSize(), c.r[machine.RSP])
	c.set(machine.RSP, c.stackSize(), c.r[machine.RSP]-in.imm)
	return true
}

func operationLeave(c *CPU, in *inst) bool {
	v, ok := c.load(c.stackAddress(c.r[machine.RBP]), in.size)
	if !ok {
		return c.stackFault()
	}
	c.set(machine.RSP, c.stackSize(), c.r[machine.RBP]+uint64(in.size))
	c.set(machine.RBP, in.size, v)
	return true
}
