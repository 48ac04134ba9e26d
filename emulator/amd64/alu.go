package amd64

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// The eight operations of the arithmetic group, as ModRM.reg has them.
const (
	aluAdd = iota
	aluOr
	aluAdc
	aluSbb
	aluAnd
	aluSub
	aluXor
	aluCmp
)

// arithmetic computes a op b and the flags.
func (c *CPU) arithmetic(op, size uint8, a, b uint64) uint64 {
	var res uint64
	switch op {
	case aluAdd:
		res = a + b
		c.flagsAdd(size, a, b, res)
	case aluAdc:
		res = a + b + c.carry()
		c.flagsAdd(size, a, b, res)
	case aluSbb:
		res = a - b - c.carry()
		c.flagsSub(size, a, b, res)
	case aluSub, aluCmp:
		res = a - b
		c.flagsSub(size, a, b, res)
	case aluOr:
		res = a | b
		c.flagsLogic(size, res)
	case aluAnd:
		res = a & b
		c.flagsLogic(size, res)
	case aluXor:
		res = a ^ b
		c.flagsLogic(size, res)
	}
	return res
}

// storeArithmetic does r/m = r/m op b. The flags change only if the store does
// not fault.
func (c *CPU) storeArithmetic(in *inst, b uint64) bool {
	if in.op == aluCmp {
		a, ok := c.source(in, in.size)
		if ok {
			c.arithmetic(aluCmp, in.size, a, b)
		}
		return ok
	}
	a, ok := c.target(in)
	if !ok {
		return false
	}
	return c.result(in, in.size, c.arithmetic(in.op, in.size, a, b))
}

func operationALUStore(c *CPU, in *inst) bool { return c.storeArithmetic(in, c.get(in.reg, in.size)) }

func operationALUImmediate(c *CPU, in *inst) bool { return c.storeArithmetic(in, in.imm) }

func operationALULoad(c *CPU, in *inst) bool {
	b, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	res := c.arithmetic(in.op, in.size, c.get(in.reg, in.size), b)
	if in.op != aluCmp {
		c.set(in.reg, in.size, res)
	}
	return true
}

// operationALUAccumulator has AL or eAX and an immediate.
func operationALUAccumulator(c *CPU, in *inst) bool {
	res := c.arithmetic(in.op, in.size, c.get(machine.RAX, in.size), in.imm)
	if in.op != aluCmp {
		c.set(machine.RAX, in.size, res)
	}
	return true
}

func operationTest(c *CPU, in *inst) bool {
	a, ok := c.source(in, in.size)
	if ok {
		c.flagsLogic(in.size, a&c.get(in.reg, in.size))
	}
	return ok
}

func operationTestImmediate(c *CPU, in *inst) bool {
	a, ok := c.source(in, in.size)
	if ok {
		c.flagsLogic(in.size, a&in.imm)
	}
	return ok
}

func operationTestAccumulator(c *CPU, in *inst) bool {
	c.flagsLogic(in.size, c.get(machine.RAX, in.size)&in.imm)
	return true
}

// operationIncrement is INC (op 0) and DEC (op 1).
func operationIncrement(c *CPU, in *inst) bool {
	a, ok := c.target(in)
	if !ok {
		return false
	}
	carry := c.carry()
	res := a + 1
	if in.op == 1 {
		res = a - 1
	}
	if !c.result(in, in.size, res) {
		return false
	}
	if in.op == 0 {
		c.flagsAdd(in.size, a, 1, res)
	} else {
		c.flagsSub(in.size, a, 1, res)
	}
	c.flagsKeepCarry(carry)
	return true
}

func operationNot(c *CPU, in *inst) bool {
	a, ok := c.target(in)
	return ok && c.result(in, in.size, ^a)
}

func operationNegate(c *CPU, in *inst) bool {
	a, ok := c.target(in)
	if !ok || !c.result(in, in.size, -a) {
		return false
	}
	c.flagsSub(in.size, 0, a, -a)
	return true
}

// flagsMultiply are those of a product: CF and OF where the upper half matters.
// The other flags are undefined; here they are those of the lower half.
func (c *CPU) flagsMultiply(size uint8, low uint64, overflow bool) {
	c.flagsLogic(size, low)
	if overflow {
		c.faux |= auxCarry // the carry below is 0, so that OF is 1 too
	}
}

// operationMultiply is MUL (op 0) and IMUL (op 1) of one operand.
func operationMultiply(c *CPU, in *inst) bool {
	b, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	a := c.get(machine.RAX, in.size)
	var high, low uint64
	if in.op == 0 {
		high, low = bits.Mul64(a, b)
	} else {
		high, low = multiplySigned(extend(a, in.size), extend(b, in.size))
	}
	overflow := false
	switch in.size {
	case 1:
		c.set(machine.RAX, 2, low)
		overflow = low>>8&0xff != 0
	case 8:
		c.r[machine.RAX], c.r[machine.RDX] = low, high
		overflow = high != 0
	default:
		c.set(machine.RAX, in.size, low)
		c.set(machine.RDX, in.size, low>>(8*in.size))
		overflow = truncate(low>>(8*in.size), in.size) != 0
	}
	if in.op == 1 {
		overflow = extend(low, in.size) != low || in.size == 8 && high != uint64(int64(low)>>63)
	}
	c.flagsMultiply(in.size, low, overflow)
	return true
}

func multiplySigned(a, b uint64) (high, low uint64) {
	high, low = bits.Mul64(a, b)
	if int64(a) < 0 {
		high -= b
	}
	if int64(b) < 0 {
		high -= a
	}
	return high, low
}

// operationMultiplyTo is IMUL reg, r/m (op 0) and IMUL reg, r/m, imm (op 1).
func operationMultiplyTo(c *CPU, in *inst) bool {
	a, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	b := in.imm
	if in.op == 0 {
		b = c.get(in.reg, in.size)
	}
	high, low := multiplySigned(extend(a, in.size), extend(b, in.size))
	c.set(in.reg, in.size, low)
	c.flagsMultiply(in.size, low, extend(low, in.size) != low || in.size == 8 && high != uint64(int64(low)>>63))
	return true
}

// operationDivide is DIV (op 0) and IDIV (op 1).
func operationDivide(c *CPU, in *inst) bool {
	d, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	if in.op == 1 {
		return c.divideSigned(in.size, extend(d, in.size))
	}
	high, low := c.dividend(in.size)
	if high >= d { // division by zero too
		return c.raise(amd64.VectorDivideError)
	}
	var q, r uint64
	if in.size == 8 {
		q, r = bits.Div64(high, low, d)
	} else {
		whole := high<<(8*in.size) | low
		q, r = whole/d, whole%d
	}
	c.quotient(in.size, q, r)
	return true
}

// dividend is rDX:rAX, or AH:AL.
func (c *CPU) dividend(size uint8) (high, low uint64) {
	if size == 1 {
		return c.r[machine.RAX] >> 8 & 0xff, c.r[machine.RAX] & 0xff
	}
	return c.get(machine.RDX, size), c.get(machine.RAX, size)
}

func (c *CPU) quotient(size uint8, q, r uint64) {
	if size == 1 {
		c.set(machine.RAX, 2, q&0xff|r<<8)
		return
	}
	c.set(machine.RAX, size, q)
	c.set(machine.RDX, size, r)
}

func (c *CPU) divideSigned(size uint8, d uint64) bool {
	high, low := c.dividend(size)
	if size == 8 {
		return c.divideSigned128(high, low, d)
	}
	n := int64(extendTo(high<<(8*size)|low, 16*size))
	if d == 0 || n == -1<<63 && d == ^uint64(0) {
		return c.raise(amd64.VectorDivideError)
	}
	q, r := uint64(n/int64(d)), uint64(n%int64(d))
	if extend(q, size) != q {
		return c.raise(amd64.VectorDivideError)
	}
	c.quotient(size, q, r)
	return true
}

// extendTo extends the sign of a number of so many bits.
func extendTo(v uint64, bits uint8) uint64 {
	return uint64(int64(v) << (64 - bits) >> (64 - bits))
}

func (c *CPU) divideSigned128(high, low, d uint64) bool {
	negative := int64(high) < 0
	if negative {
		low = -low
		high = ^high
		if low == 0 {
			high++
		}
	}
	m := d
	if int64(d) < 0 {
		m = -d
	}
	if high >= m {
		return c.raise(amd64.VectorDivideError)
	}
	q, r := bits.Div64(high, low, m)
	limit := uint64(1)<<63 - 1
	if negative != (int64(d) < 0) {
		limit++
		if q > limit {
			return c.raise(amd64.VectorDivideError)
		}
		q = -q
	} else if q > limit {
		return c.raise(amd64.VectorDivideError)
	}
	if negative {
		r = -r
	}
	c.quotient(8, q, r)
	return true
}
