package amd64

import (
	"math"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Floating-point arithmetic is Go's own, which is IEEE 754's to nearest. What
// that leaves open, which NaN comes out, is done here as the Intel SDM says
// (1, table 4-7), so that no computer that this runs on shows through.
const (
	quiet64, default64 = 1 << 51, 0xfff8000000000000
	quiet32, default32 = 1 << 22, 0xffc00000
)

func isNaN64(v uint64) bool { return v&^(1<<63) > 0x7ff0000000000000 }
func isNaN32(v uint64) bool { return v&0x7fffffff > 0x7f800000 }

func nan64(a, b uint64) uint64 {
	switch {
	case isNaN64(a):
		return a | quiet64
	case isNaN64(b):
		return b | quiet64
	}
	return default64
}

func nan32(a, b uint64) uint64 {
	switch {
	case isNaN32(a):
		return a | quiet32
	case isNaN32(b):
		return b | quiet32
	}
	return default32
}

// The operations of the floating-point group: opcodes 51, 58, 59, 5C to 5F.
const (
	floatSqrt = 0x1
	floatAdd  = 0x8
	floatMul  = 0x9
	floatSub  = 0xc
	floatMin  = 0xd
	floatDiv  = 0xe
	floatMax  = 0xf
)

func float64Operation(op uint8, a, b uint64) uint64 {
	x, y := math.Float64frombits(a), math.Float64frombits(b)
	var r float64
	switch op {
	case floatAdd:
		r = x + y
	case floatMul:
		r = x * y
	case floatSub:
		r = x - y
	case floatDiv:
		r = x / y
	case floatSqrt:
		if r = math.Sqrt(y); r != r {
			return nan64(b, b)
		}
		return math.Float64bits(r)
	case floatMin:
		if x < y {
			return a
		}
		return b
	case floatMax:
		if x > y {
			return a
		}
		return b
	}
	if r != r {
		return nan64(a, b)
	}
	return math.Float64bits(r)
}

func float32Operation(op uint8, a, b uint64) uint64 {
	x, y := math.Float32frombits(uint32(a)), math.Float32frombits(uint32(b))
	var r float32
	switch op {
	case floatAdd:
		r = x + y
	case floatMul:
		r = x * y
	case floatSub:
		r = x - y
	case floatDiv:
		r = x / y
	case floatSqrt:
		if r = float32(math.Sqrt(float64(y))); r != r {
			return nan32(b, b)
		}
		return uint64(math.Float32bits(r))
	case floatMin:
		if x < y {
			return a
		}
		return b
	case floatMax:
		if x > y {
			return a
		}
		return b
	}
	if r != r {
		return nan32(a, b)
	}
	return uint64(math.Float32bits(r))
}

// floatsAllowed checks that SSE arithmetic can be done, and is of the kind that
// is done here.
func (c *CPU) floatsAllowed() bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	if c.mxcsr&^mxcsrStatus != mxcsrModel {
		return c.stop(machine.Exit{Reason: machine.Failed, Detail: "arithmetic with rounding, flushing or exceptions in MXCSR that are not there"})
	}
	return true
}

// operationScalarFloat works on the low element, of 4 or 8 bytes by the prefix.
func operationScalarFloat(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	size := scalarSize(in)
	b, ok := c.partSource(in, size)
	if !ok {
		return false
	}
	a := truncate(c.x[in.reg&15][0], size)
	if size == 8 {
		c.setPart(in.reg, 8, float64Operation(in.op, a, b))
	} else {
		c.setPart(in.reg, 4, float32Operation(in.op, a, b))
	}
	return true
}

// scalarSize is 4 for F3, 8 for F2.
func scalarSize(in *inst) uint8 {
	if in.repeat == 0xf3 {
		return 4
	}
	return 8
}

func operationPackedFloat(c *CPU, in *inst) bool {
	return c.floatsAllowed() && operationPacked(c, in)
}

func operationPackedFloatImmediate(c *CPU, in *inst) bool {
	return c.floatsAllowed() && operationPackedImmediate(c, in)
}

func packedFloat(size int, op uint8) func(a, b vector) vector {
	if size == 8 {
		return each(8, func(a, b uint64) uint64 { return float64Operation(op, a, b) })
	}
	return each(4, func(a, b uint64) uint64 { return float32Operation(op, a, b) })
}

// single and double give the numbers that bits stand for, as float64.
func single(v uint64) float64 { return float64(math.Float32frombits(uint32(v))) }
func double(v uint64) float64 { return math.Float64frombits(v) }

// operationFloatCompare is UCOMISS, UCOMISD, COMISS, COMISD; op is the size.
func operationFloatCompare(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	v, ok := c.partSource(in, in.op)
	if !ok {
		return false
	}
	number := single
	if in.op == 8 {
		number = double
	}
	a, b := number(truncate(c.x[in.reg&15][0], in.op)), number(v)
	switch {
	case a != a || b != b:
		c.setStatus(flagZF | flagPF | flagCF)
	case a < b:
		c.setStatus(flagCF)
	case a == b:
		c.setStatus(flagZF)
	default:
		c.setStatus(0)
	}
	return true
}

// compares evaluates a predicate of CMPPS and its like.
func compares(a, b float64, predicate uint8) bool {
	unordered := a != a || b != b
	var v bool
	switch predicate & 3 {
	case 0:
		v = a == b
	case 1:
		v = a < b
	case 2:
		v = a <= b
	case 3:
		v = unordered
	}
	return v != (predicate&4 != 0)
}

func packedCompare(size int) func(a, b vector, imm uint8) vector {
	number := single
	if size == 8 {
		number = double
	}
	return func(a, b vector, imm uint8) vector {
		return each(size, func(x, y uint64) uint64 { return ones(compares(number(x), number(y), imm)) })(a, b)
	}
}

func operationScalarCompare(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	size := scalarSize(in)
	b, ok := c.partSource(in, size)
	if !ok {
		return false
	}
	number := double
	if size == 4 {
		number = single
	}
	c.setPart(in.reg, size, ones(compares(number(truncate(c.x[in.reg&15][0], size)), number(b), uint8(in.imm))))
	return true
}

// roundTo rounds as the immediate of ROUNDSD says (Intel SDM 2B, figure 4-24).
// 4 is as MXCSR says: to nearest.
func roundTo(v float64, imm uint8) float64 {
	if imm&4 != 0 {
		return math.RoundToEven(v)
	}
	switch imm & 3 {
	case 1:
		return math.Floor(v)
	case 2:
		return math.Ceil(v)
	case 3:
		return math.Trunc(v)
	}
	return math.RoundToEven(v)
}

func round(size uint8, v uint64, imm uint8) uint64 {
	if size == 8 {
		if isNaN64(v) {
			return v | quiet64
		}
		return math.Float64bits(roundTo(double(v), imm))
	}
	if isNaN32(v) {
		return v | quiet32
	}
	return uint64(math.Float32bits(float32(roundTo(single(v), imm))))
}

// operationRound is ROUNDSS, ROUNDSD; op is the size.
func operationRound(c *CPU, in *inst) bool {
	if !c.floatsAllowed() {
		return false
	}
	v, ok := c.partSource(in, in.op)
	if ok {
		c.setPart(in.reg, in.op, round(in.op, v, uint8(in.imm)))
	}
	return ok
}

func packedRound(size int) func(_, b vector, imm uint8) vector {
	return func(_, b vector, imm uint8) vector {
		return each(size, func(_, y uint64) uint64 { return round(uint8(size), y, imm) })(b, b)
	}
}
