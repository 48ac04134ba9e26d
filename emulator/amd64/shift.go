package amd64

import "github.com/seed64aab995/rescuekernel/machine"

// The operations of the shift group, as ModRM.reg has them.
const (
	shiftROL = iota
	shiftROR
	shiftRCL
	shiftRCR
	shiftSHL
	shiftSHR
	shiftSAL // an alias of SHL
	shiftSAR
)

func operationShiftImmediate(c *CPU, in *inst) bool { return c.shift(in, in.imm) }
func operationShiftOne(c *CPU, in *inst) bool       { return c.shift(in, 1) }
func operationShiftCL(c *CPU, in *inst) bool        { return c.shift(in, c.r[machine.RCX]) }

// shift does r/m = r/m shifted or rotated by count. A count of zero changes
// nothing, no flag either, but writes.
func (c *CPU) shift(in *inst, count uint64) bool {
	mask := uint64(31)
	if in.size == 8 {
		mask = 63
	}
	count &= mask
	a, ok := c.target(in)
	if !ok {
		return false
	}
	if count == 0 {
		return c.result(in, in.size, a)
	}
	if in.op <= shiftRCR {
		return c.rotate(in, a, count)
	}
	width := 8 * uint64(in.size)
	var res, carry, overflow uint64
	switch in.op {
	case shiftSHL, shiftSAL:
		res = a << count
		if count <= width {
			carry = a >> (width - count) & 1
		}
		overflow = res>>(width-1)&1 ^ carry
	case shiftSHR:
		res = a >> count
		carry = a >> (count - 1) & 1
		overflow = a >> (width - 1) & 1
	case shiftSAR:
		signed := int64(extend(a, in.size))
		res = uint64(signed >> count)
		carry = uint64(signed>>(count-1)) & 1
	}
	if !c.result(in, in.size, res) {
		return false
	}
	c.flagsShift(in.size, res, carry, overflow)
	return true
}

// flagsShift are those of a result with a carry and an overflow of its own.
func (c *CPU) flagsShift(size uint8, res, carry, overflow uint64) {
	c.fres, c.faux = extend(res, size), carry<<63|(carry^overflow)<<62
}

// rotate is ROL, ROR, RCL, RCR: they change CF and OF only.
func (c *CPU) rotate(in *inst, a, count uint64) bool {
	width := 8 * uint64(in.size)
	top := func(v uint64) uint64 { return v >> (width - 1) & 1 }
	res, carry, overflow := a, c.carry(), uint64(0)
	switch in.op {
	case shiftROL:
		n := count % width
		res = truncate(a<<n|a>>(width-n), in.size)
		carry = res & 1
		overflow = top(res) ^ carry
	case shiftROR:
		n := count % width
		res = truncate(a>>n|a<<(width-n), in.size)
		carry = top(res)
		overflow = top(res) ^ res>>(width-2)&1
	case shiftRCL:
		for range count % (width + 1) {
			res, carry = res<<1|carry, top(res)
		}
		overflow = top(res) ^ carry
	case shiftRCR:
		for range count % (width + 1) {
			res, carry = truncate(res, in.size)>>1|carry<<(width-1), res&1
		}
		overflow = top(res) ^ res>>(width-2)&1
	}
	if !c.result(in, in.size, res) {
		return false
	}
	c.faux = c.faux&^(auxCarry|auxPenult) | carry<<63 | (carry^overflow)<<62
	return true
}

// operationShiftDouble is SHLD (op 0) and SHRD (op 1) by an immediate,
// operationShiftDoubleCL by CL.
func operationShiftDouble(c *CPU, in *inst) bool   { return c.shiftDouble(in, in.imm) }
func operationShiftDoubleCL(c *CPU, in *inst) bool { return c.shiftDouble(in, c.r[machine.RCX]) }

func (c *CPU) shiftDouble(in *inst, count uint64) bool {
	count &= 31
	width := 8 * uint64(in.size)
	if in.size == 8 {
		count = count&31 | c.doubleCount(in)&32
	}
	a, ok := c.target(in)
	if !ok {
		return false
	}
	if count == 0 {
		return c.result(in, in.size, a)
	}
	b := c.get(in.reg, in.size)
	var res, carry uint64
	if in.op == 0 {
		res = a<<count | b>>(width-count)
		carry = a >> (width - count) & 1
	} else {
		res = a>>count | b<<(width-count)
		carry = a >> (count - 1) & 1
	}
	res = truncate(res, in.size)
	if !c.result(in, in.size, res) {
		return false
	}
	c.flagsShift(in.size, res, carry, (res^a)>>(width-1)&1)
	return true
}

// doubleCount is the count before it was cut to five bits.
func (c *CPU) doubleCount(in *inst) uint64 {
	if in.entry.form&immU8 != 0 {
		return in.imm
	}
	return c.r[machine.RCX]
}
