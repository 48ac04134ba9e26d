package amd64

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

func operationJump(c *CPU, in *inst) bool { return c.branch(in.imm) }

func operationJumpIf(c *CPU, in *inst) bool {
	if c.condition(in.op) {
		return c.branch(in.imm)
	}
	return true
}

// operationLoop is LOOPNE (op 0), LOOPE (op 1), LOOP (op 2), JrCXZ (op 3).
func operationLoop(c *CPU, in *inst) bool {
	if in.op == 3 {
		if truncate(c.r[machine.RCX], in.asize) == 0 {
			return c.branch(in.imm)
		}
		return true
	}
	n := c.get(machine.RCX, in.asize) - 1
	c.set(machine.RCX, in.asize, n)
	if truncate(n, in.asize) != 0 && (in.op == 2 || c.zero() == (in.op == 1)) {
		return c.branch(in.imm)
	}
	return true
}

// goTo checks the target of an indirect branch and goes there.
func (c *CPU) goTo(to uint64) bool {
	if c.mode == mode64 && !c.canonical(to) {
		return c.general(0)
	}
	return c.branch(to)
}

func operationJumpIndirect(c *CPU, in *inst) bool {
	v, ok := c.source(in, in.size)
	return ok && c.goTo(v)
}

func operationCall(c *CPU, in *inst) bool {
	return c.push(in.size, in.next) && c.branch(in.imm)
}

func operationCallIndirect(c *CPU, in *inst) bool {
	v, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	if c.mode == mode64 && !c.canonical(v) {
		return c.general(0)
	}
	return c.push(in.size, in.next) && c.branch(v)
}

func operationReturn(c *CPU, in *inst) bool {
	v, ok := c.load(c.stackAddress(c.r[machine.RSP]), in.size)
	if !ok {
		return c.stackFault()
	}
	if c.mode == mode64 && !c.canonical(v) {
		return c.general(0)
	}
	c.set(machine.RSP, c.stackSize(), c.r[machine.RSP]+uint64(in.size)+in.imm)
	return c.branch(v)
}

// operationTrap is INT3 (op 3) and INT1 (op 1); operationInterrupt is INT n.
func operationTrap(c *CPU, in *inst) bool { return c.softInterrupt(amd64.Vector(in.op)) }

func operationInterrupt(c *CPU, in *inst) bool { return c.softInterrupt(amd64.Vector(in.imm)) }

func (c *CPU) softInterrupt(v amd64.Vector) bool {
	c.fault = fault{vector: v, trap: true, soft: v != amd64.VectorDebug}
	c.event = eventFault
	return false
}

func operationUndefined(c *CPU, in *inst) bool { return c.raise(amd64.VectorInvalidOpcode) }

// operationMissing stops the machine: no guess is made.
func operationMissing(c *CPU, in *inst) bool {
	return c.stop(machine.Exit{Reason: machine.Failed, Detail: "an instruction that is not there"})
}

// operationPause lets time pass: a CPU that waits in a loop gets there sooner.
func operationPause(c *CPU, in *inst) bool {
	c.limit = 0 // the other CPUs' turn
	c.paused = true
	return c.end(in)
}
