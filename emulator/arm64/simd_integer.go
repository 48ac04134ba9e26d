package arm64

import "math/bits"

// Lanes of integer operations. Names are those of the instructions, in words.

func laneAdd(_ *CPU, _ uint8, _, a, b uint64) uint64      { return a + b }
func laneSub(_ *CPU, _ uint8, _, a, b uint64) uint64      { return a - b }
func laneMul(_ *CPU, _ uint8, _, a, b uint64) uint64      { return a * b }
func laneMulAdd(_ *CPU, _ uint8, d, a, b uint64) uint64   { return d + a*b }
func laneMulSub(_ *CPU, _ uint8, d, a, b uint64) uint64   { return d - a*b }
func laneTest(_ *CPU, _ uint8, _, a, b uint64) uint64     { return allOnes(a&b != 0) }
func laneEqual(_ *CPU, _ uint8, _, a, b uint64) uint64    { return allOnes(a == b) }
func laneHigher(_ *CPU, _ uint8, _, a, b uint64) uint64   { return allOnes(a > b) }
func laneHighSame(_ *CPU, _ uint8, _, a, b uint64) uint64 { return allOnes(a >= b) }
func laneMaxU(_ *CPU, _ uint8, _, a, b uint64) uint64     { return max(a, b) }
func laneMinU(_ *CPU, _ uint8, _, a, b uint64) uint64     { return min(a, b) }

// allOnes is the mask of a comparison.
func allOnes(b bool) uint64 {
	if b {
		return ^uint64(0)
	}
	return 0
}

// signed2 is a lane of signed numbers.
func signed2(f func(a, b int64) int64) lane {
	return func(_ *CPU, s uint8, _, a, b uint64) uint64 { return uint64(f(signExtend(s, a), signExtend(s, b))) }
}

// unsigned2 is a lane of unsigned numbers of up to 32 bits, for what is computed
// alike with signs.
func unsigned2(f func(a, b int64) int64) lane {
	return func(_ *CPU, _ uint8, _, a, b uint64) uint64 { return uint64(f(int64(a), int64(b))) }
}

func halvingAdd(a, b int64) int64   { return (a + b) >> 1 }
func roundingHalf(a, b int64) int64 { return (a + b + 1) >> 1 }
func halvingSub(a, b int64) int64   { return (a - b) >> 1 }
func minimum(a, b int64) int64      { return min(a, b) }
func maximum(a, b int64) int64      { return max(a, b) }
func difference(a, b int64) int64   { return max(a, b) - min(a, b) }

// accumulate adds what a lane gives to the target.
func accumulate(f lane) lane {
	return func(c *CPU, s uint8, d, a, b uint64) uint64 { return d + f(c, s, d, a, b) }
}

func laneGreater(_ *CPU, s uint8, _, a, b uint64) uint64 {
	return allOnes(signExtend(s, a) > signExtend(s, b))
}

func laneGreaterEqual(_ *CPU, s uint8, _, a, b uint64) uint64 {
	return allOnes(signExtend(s, a) >= signExtend(s, b))
}

func laneSaturatingAddU(c *CPU, s uint8, _, a, b uint64) uint64 {
	r := a + b
	if r < a || r > ones(s) {
		c.saturate()
		return ones(s)
	}
	return r
}

func laneSaturatingSubU(c *CPU, _ uint8, _, a, b uint64) uint64 {
	if b > a {
		c.saturate()
		return 0
	}
	return a - b
}

func laneSaturatingAddS(c *CPU, s uint8, _, a, b uint64) uint64 {
	x, y := signExtend(s, a), signExtend(s, b)
	r := x + y
	if s == 3 && (x^r)&(y^r) < 0 {
		c.saturate()
		return uint64(x>>63) ^ (1<<63 - 1)
	}
	return c.clampSigned(s, r)
}

func laneSaturatingSubS(c *CPU, s uint8, _, a, b uint64) uint64 {
	x, y := signExtend(s, a), signExtend(s, b)
	r := x - y
	if s == 3 && (x^y)&(x^r) < 0 {
		c.saturate()
		return uint64(x>>63) ^ (1<<63 - 1)
	}
	return c.clampSigned(s, r)
}

// laneMulPolynomial is PMUL: bytes over GF(2).
func laneMulPolynomial(_ *CPU, _ uint8, _, a, b uint64) uint64 {
	var r uint64
	for i := range 8 {
		r ^= a << i & -(b >> i & 1)
	}
	return r
}

// doubling is SQDMULH and SQRDMULH.
func doubling(round int64) lane {
	return func(c *CPU, s uint8, _, a, b uint64) uint64 {
		w := width(s)
		x, y := signExtend(s, a), signExtend(s, b)
		if x == y && x == -1<<(w-1) {
			c.saturate()
			return ones(s) >> 1
		}
		return uint64((x*y + round<<(w-2)) >> (w - 1))
	}
}

// shiftKind says what a shift by a register or an immediate does beside.
type shiftKind uint8

const (
	shiftUnsigned   shiftKind = 1 << iota // of the operand
	shiftRounds                           // to the right
	shiftSaturates                        // to the left
	shiftToUnsigned                       // saturates to unsigned: SQSHLU
)

// shiftBy shifts an element left, or right where by is negative.
func (c *CPU) shiftBy(s uint8, v uint64, by int, kind shiftKind) uint64 {
	if by < 0 {
		return shiftRight(s, v, uint(-by), kind)
	}
	w := int(width(s))
	if kind&shiftSaturates == 0 {
		if by >= w {
			return 0
		}
		return v << by
	}
	if v == 0 {
		return 0
	}
	if kind&shiftUnsigned != 0 {
		if by >= w || bits.Len64(v)+by > w {
			c.saturate()
			return ones(s)
		}
		return v << by
	}
	x := signExtend(s, v)
	if kind&shiftToUnsigned != 0 {
		if x < 0 {
			c.saturate()
			return 0
		}
		return c.shiftBy(s, v, by, shiftSaturates|shiftUnsigned)
	}
	used := bits.Len64(uint64(x^x>>63)) + 1 // with the sign
	if by >= w || used+by > w {
		c.saturate()
		return uint64(x>>63) ^ ones(s)>>1
	}
	return v << by
}

// shiftRight shifts an element right by 1 or more.
func shiftRight(s uint8, v uint64, by uint, kind shiftKind) uint64 {
	w := width(s)
	if kind&shiftUnsigned != 0 {
		if by > w {
			return 0
		}
		r := v >> (by - 1)
		if kind&shiftRounds != 0 {
			return r>>1 + r&1
		}
		return r >> 1
	}
	x := signExtend(s, v)
	if by > w {
		if kind&shiftRounds != 0 {
			return 0
		}
		return uint64(x >> 63)
	}
	r := x >> (by - 1)
	if kind&shiftRounds != 0 {
		return uint64(r>>1 + r&1)
	}
	return uint64(r >> 1)
}

// shifting is a lane of a shift by the low byte of the other operand.
func shifting(kind shiftKind) lane {
	return func(c *CPU, s uint8, _, a, b uint64) uint64 { return c.shiftBy(s, a, int(int8(b)), kind) }
}

// bitwise is an operation on whole registers.
func bitwise(f func(d, a, b uint64) uint64) operation {
	return func(c *CPU, in *inst) bool {
		d, a, b := &c.v[in.d&31], &c.v[in.n&31], &c.v[in.m&31]
		low := f(d[0], a[0], b[0])
		high := f(d[1], a[1], b[1])
		*d = word128{low, high & -uint64(in.extra&1)}
		return true
	}
}

// threeSame is an instruction of two registers and a target with the same
// elements.
type threeSame struct {
	name    string
	u, code int
	sizes   uint8
	scalars uint8 // sizes of a scalar form; 0: none
	lane    lane
	pairs   bool
}

var threeSames = []threeSame{
	{"SHADD", 0, 0, sizesBHS, 0, signed2(halvingAdd), false},
	{"UHADD", 1, 0, sizesBHS, 0, unsigned2(halvingAdd), false},
	{"SQADD", 0, 1, sizesAll, sizesAll, laneSaturatingAddS, false},
	{"UQADD", 1, 1, sizesAll, sizesAll, laneSaturatingAddU, false},
	{"SRHADD", 0, 2, sizesBHS, 0, signed2(roundingHalf), false},
	{"URHADD", 1, 2, sizesBHS, 0, unsigned2(roundingHalf), false},
	{"SHSUB", 0, 4, sizesBHS, 0, signed2(halvingSub), false},
	{"UHSUB", 1, 4, sizesBHS, 0, unsigned2(halvingSub), false},
	{"SQSUB", 0, 5, sizesAll, sizesAll, laneSaturatingSubS, false},
	{"UQSUB", 1, 5, sizesAll, sizesAll, laneSaturatingSubU, false},
	{"CMGT (register)", 0, 6, sizesAll, sizeD, laneGreater, false},
	{"CMHI", 1, 6, sizesAll, sizeD, laneHigher, false},
	{"CMGE (register)", 0, 7, sizesAll, sizeD, laneGreaterEqual, false},
	{"CMHS", 1, 7, sizesAll, sizeD, laneHighSame, false},
	{"SSHL", 0, 8, sizesAll, sizeD, shifting(0), false},
	{"USHL", 1, 8, sizesAll, sizeD, shifting(shiftUnsigned), false},
	{"SQSHL (register)", 0, 9, sizesAll, sizesAll, shifting(shiftSaturates), false},
	{"UQSHL (register)", 1, 9, sizesAll, sizesAll, shifting(shiftSaturates | shiftUnsigned), false},
	{"SRSHL", 0, 10, sizesAll, sizeD, shifting(shiftRounds), false},
	{"URSHL", 1, 10, sizesAll, sizeD, shifting(shiftRounds | shiftUnsigned), false},
	{"SQRSHL", 0, 11, sizesAll, sizesAll, shifting(shiftSaturates | shiftRounds), false},
	{"UQRSHL", 1, 11, sizesAll, sizesAll, shifting(shiftSaturates | shiftRounds | shiftUnsigned), false},
	{"SMAX", 0, 12, sizesBHS, 0, signed2(maximum), false},
	{"UMAX", 1, 12, sizesBHS, 0, laneMaxU, false},
	{"SMIN", 0, 13, sizesBHS, 0, signed2(minimum), false},
	{"UMIN", 1, 13, sizesBHS, 0, laneMinU, false},
	{"SABD", 0, 14, sizesBHS, 0, signed2(difference), false},
	{"UABD", 1, 14, sizesBHS, 0, unsigned2(difference), false},
	{"SABA", 0, 15, sizesBHS, 0, accumulate(signed2(difference)), false},
	{"UABA", 1, 15, sizesBHS, 0, accumulate(unsigned2(difference)), false},
	{"ADD (vector)", 0, 16, sizesAll, sizeD, laneAdd, false},
	{"SUB (vector)", 1, 16, sizesAll, sizeD, laneSub, false},
	{"CMTST", 0, 17, sizesAll, sizeD, laneTest, false},
	{"CMEQ (register)", 1, 17, sizesAll, sizeD, laneEqual, false},
	{"MLA (vector)", 0, 18, sizesBHS, 0, laneMulAdd, false},
	{"MLS (vector)", 1, 18, sizesBHS, 0, laneMulSub, false},
	{"MUL (vector)", 0, 19, sizesBHS, 0, laneMul, false},
	{"PMUL", 1, 19, sizeB, 0, laneMulPolynomial, false},
	{"SMAXP", 0, 20, sizesBHS, 0, signed2(maximum), true},
	{"UMAXP", 1, 20, sizesBHS, 0, laneMaxU, true},
	{"SMINP", 0, 21, sizesBHS, 0, signed2(minimum), true},
	{"UMINP", 1, 21, sizesBHS, 0, laneMinU, true},
	{"SQDMULH (vector)", 0, 22, sizesHS, sizesHS, doubling(0), false},
	{"SQRDMULH (vector)", 1, 22, sizesHS, sizesHS, doubling(1), false},
	{"ADDP (vector)", 0, 23, sizesAll, 0, laneAdd, true},
}

// logicals are by U and size.
var logicals = [8]struct {
	name string
	f    func(d, a, b uint64) uint64
}{
	{"AND (vector)", func(_, a, b uint64) uint64 { return a & b }},
	{"BIC (vector, register)", func(_, a, b uint64) uint64 { return a &^ b }},
	{"ORR (vector, register)", func(_, a, b uint64) uint64 { return a | b }},
	{"ORN (vector)", func(_, a, b uint64) uint64 { return a | ^b }},
	{"EOR (vector)", func(_, a, b uint64) uint64 { return a ^ b }},
	{"BSL", func(d, a, b uint64) uint64 { return a&d | b&^d }},
	{"BIT", func(d, a, b uint64) uint64 { return d&^b | a&b }},
	{"BIF", func(d, a, b uint64) uint64 { return d&b | a&^b }},
}

// wholeRegister is a lower function for instructions with Q only.
func wholeRegister(in *inst) bool {
	in.extra = uint8(in.bit(30))
	return true
}

func threeSameOpcodes() []opcode {
	var all []opcode
	for _, e := range threeSames {
		run := lanes(e.lane)
		if e.pairs {
			run = pairs(e.lane)
		}
		all = append(all, opcode{
			name: e.name, pattern: pattern("0q%b01110 zz1mmmmm %05b1nn nnnddddd", e.u, e.code), lower: withFast(e.name, sized(e.sizes)), run: run,
		})
		if e.scalars != 0 {
			all = append(all, opcode{
				name: e.name + ", scalar", pattern: pattern("01%b11110 zz1mmmmm %05b1nn nnnddddd", e.u, e.code), lower: sizedScalar(e.scalars), run: scalar(e.lane),
			})
		}
	}
	for i, e := range logicals {
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01110 %02b1mmmmm 000111nn nnnddddd", i>>2, i&3), lower: wholeRegister, run: bitwise(e.f)})
	}
	return all
}
