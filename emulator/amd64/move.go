package amd64

import "github.com/seed64aab995/rescuekernel/machine"

func operationMoveStore(c *CPU, in *inst) bool {
	return c.result(in, in.size, c.get(in.reg, in.size))
}

func operationMoveLoad(c *CPU, in *inst) bool {
	v, ok := c.source(in, in.size)
	if ok {
		c.set(in.reg, in.size, v)
	}
	return ok
}

func operationMoveImmediate(c *CPU, in *inst) bool { return c.result(in, in.size, in.imm) }

// operationMoveOffset is MOV between the accumulator and an address that the
// instruction holds: load (op 0), store (op 1).
func operationMoveOffset(c *CPU, in *inst) bool {
	if in.op == 1 {
		return c.store(c.address(in), in.size, c.get(machine.RAX, in.size))
	}
	v, ok := c.load(c.address(in), in.size)
	if ok {
		c.set(machine.RAX, in.size, v)
	}
	return ok
}

// Widening moves: the source is 1, 2 or 4 bytes, as op says.
func operationMoveZero(c *CPU, in *inst) bool {
	v, ok := c.source(in, in.op)
	if ok {
		c.set(in.reg, in.size, v)
	}
	return ok
}

func operationMoveSign(c *CPU, in *inst) bool {
	v, ok := c.source(in, min(in.op, in.size))
	if ok {
		c.set(in.reg, in.size, extend(v, in.op))
	}
	return ok
}

func operationLoadAddress(c *CPU, in *inst) bool {
	c.set(in.reg, in.size, c.address(in)-c.r[in.seg&regMask])
	return true
}

func operationConditionalMove(c *CPU, in *inst) bool {
	v, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	if !c.condition(in.op) {
		v = c.get(in.reg, in.size)
	}
	c.set(in.reg, in.size, v)
	return true
}

func operationConditionalSet(c *CPU, in *inst) bool {
	v := uint64(0)
	if c.condition(in.op) {
		v = 1
	}
	return c.result(in, 1, v)
}

// operationWidenAccumulator is CBW, CWDE, CDQE.
func operationWidenAccumulator(c *CPU, in *inst) bool {
	c.set(machine.RAX, in.size, extend(c.r[machine.RAX], in.size/2))
	return true
}

// operationWidenToD is CWD, CDQ, CQO.
func operationWidenToD(c *CPU, in *inst) bool {
	c.set(machine.RDX, in.size, uint64(int64(extend(c.r[machine.RAX], in.size))>>63))
	return true
}

func operationTranslate(c *CPU, in *inst) bool {
	a := truncate(c.r[machine.RBX]+c.r[machine.RAX]&0xff, in.asize) + c.r[in.seg&regMask]
	v, ok := c.load(a, 1)
	if ok {
		c.set(machine.RAX, 1, v)
	}
	return ok
}

func operationNop(c *CPU, in *inst) bool { return true }

func operationLoadFlags(c *CPU, in *inst) bool { // LAHF
	c.set(high8|machine.RAX, 1, c.status()&0xff|flagOne)
	return true
}

func operationStoreFlags(c *CPU, in *inst) bool { // SAHF
	const low = flagCF | flagPF | flagAF | flagZF | flagSF
	c.setStatus(c.status()&^low | c.r[machine.RAX]>>8&low)
	return true
}

// operationCarry is CLC (op 0), STC (op 1), CMC (op 2).
func operationCarry(c *CPU, in *inst) bool {
	switch in.op {
	case 2:
		c.setCarry(c.carry() ^ 1)
	default:
		c.setCarry(uint64(in.op))
	}
	return true
}

// operationDirection is CLD (op 0) and STD (op 1).
func operationDirection(c *CPU, in *inst) bool {
	c.rflags = c.rflags&^flagDF | uint64(in.op)*flagDF
	return true
}
