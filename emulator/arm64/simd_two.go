package arm64

import "math/bits"

// Operations of one register.

// unary is a lane of one operand.
func unary(f func(s uint8, a uint64) uint64) lane {
	return func(_ *CPU, s uint8, _, a, _ uint64) uint64 { return f(s, a) }
}

// reverse is REV16, REV32 and REV64: elements in containers of a size.
func reverse(container uint8) operation {
	return func(c *CPU, in *inst) bool {
		a := c.v[in.n&31]
		var r word128
		flip := 1<<(container-in.size) - 1
		for i := range int(8<<(in.extra&1)) >> (in.size & 3) {
			r.put(in.size, i^flip, a.element(in.size, i))
		}
		c.v[in.d&31] = r
		return true
	}
}

func leadingSigns(s uint8, a uint64) uint64 {
	x := signExtend(s, a)
	return uint64(bits.LeadingZeros64(uint64(x^x>>63))) - uint64(64-width(s)) - 1
}

func leadingZeros(s uint8, a uint64) uint64 {
	return uint64(bits.LeadingZeros64(a)) - uint64(64-width(s))
}
func population(_ uint8, a uint64) uint64  { return uint64(bits.OnesCount64(a)) }
func reverseBits(_ uint8, a uint64) uint64 { return uint64(bits.Reverse8(uint8(a))) }
func negated(_ uint8, a uint64) uint64     { return -a }

func absoluteValue(s uint8, a uint64) uint64 {
	if signExtend(s, a) < 0 {
		return -a
	}
	return a
}

func laneSaturatingAbs(c *CPU, s uint8, _, a, _ uint64) uint64 {
	if signExtend(s, a) >= 0 {
		return a
	}
	return laneSaturatingSubS(c, s, 0, 0, a)
}

func laneSaturatingNegate(c *CPU, s uint8, _, a, _ uint64) uint64 {
	return laneSaturatingSubS(c, s, 0, 0, a)
}

// laneAddUnsignedToSigned is SUQADD: d is signed, a is not.
func laneAddUnsignedToSigned(c *CPU, s uint8, d, a, _ uint64) uint64 {
	if s < 3 {
		return c.clampSigned(s, signExtend(s, d)+int64(a))
	}
	// The sum as one with the sign bits turned over.
	r, carry := bits.Add64(d^1<<63, a, 0)
	if carry != 0 {
		c.saturate()
		return 1<<63 - 1
	}
	return r ^ 1<<63
}

// laneAddSignedToUnsigned is USQADD: d is unsigned, a is signed.
func laneAddSignedToUnsigned(c *CPU, s uint8, d, a, _ uint64) uint64 {
	if s < 3 {
		return c.clampUnsigned(s, int64(d)+signExtend(s, a))
	}
	r, carry := bits.Add64(d, a, 0)
	switch {
	case int64(a) >= 0 && carry != 0:
		c.saturate()
		return ^uint64(0)
	case int64(a) < 0 && carry == 0:
		c.saturate()
		return 0
	}
	return r
}

// zeroSecond makes a comparison one with zero.
func zeroSecond(f lane) lane {
	return func(c *CPU, s uint8, d, a, _ uint64) uint64 { return f(c, s, d, a, 0) }
}

// zeroFirst has zero as the first operand.
func zeroFirst(f lane) lane {
	return func(c *CPU, s uint8, d, a, _ uint64) uint64 { return f(c, s, d, 0, a) }
}

type twoRegister struct {
	name    string
	u, code int
	sizes   uint8
	scalars uint8
	run     operation
	lane    lane // where run is nil
}

var twoRegisters = []twoRegister{
	{"REV64", 0, 0, sizesBHS, 0, reverse(3), nil},
	{"REV32 (vector)", 1, 0, sizeB | sizeH, 0, reverse(2), nil},
	{"REV16 (vector)", 0, 1, sizeB, 0, reverse(1), nil},
	{"SADDLP", 0, 2, sizesBHS, 0, addNeighbours(false, false), nil},
	{"UADDLP", 1, 2, sizesBHS, 0, addNeighbours(true, false), nil},
	{"SUQADD", 0, 3, sizesAll, sizesAll, nil, laneAddUnsignedToSigned},
	{"USQADD", 1, 3, sizesAll, sizesAll, nil, laneAddSignedToUnsigned},
	{"CLS (vector)", 0, 4, sizesBHS, 0, nil, unary(leadingSigns)},
	{"CLZ (vector)", 1, 4, sizesBHS, 0, nil, unary(leadingZeros)},
	{"CNT", 0, 5, sizeB, 0, nil, unary(population)},
	{"SADALP", 0, 6, sizesBHS, 0, addNeighbours(false, true), nil},
	{"UADALP", 1, 6, sizesBHS, 0, addNeighbours(true, true), nil},
	{"SQABS", 0, 7, sizesAll, sizesAll, nil, laneSaturatingAbs},
	{"SQNEG", 1, 7, sizesAll, sizesAll, nil, laneSaturatingNegate},
	{"CMGT (zero)", 0, 8, sizesAll, sizeD, nil, zeroSecond(laneGreater)},
	{"CMGE (zero)", 1, 8, sizesAll, sizeD, nil, zeroSecond(laneGreaterEqual)},
	{"CMEQ (zero)", 0, 9, sizesAll, sizeD, nil, zeroSecond(laneEqual)},
	{"CMLE (zero)", 1, 9, sizesAll, sizeD, nil, zeroFirst(laneGreaterEqual)},
	{"CMLT (zero)", 0, 10, sizesAll, sizeD, nil, zeroFirst(laneGreater)},
	{"ABS", 0, 11, sizesAll, sizeD, nil, unary(absoluteValue)},
	{"NEG (vector)", 1, 11, sizesAll, sizeD, nil, unary(negated)},
}

// narrowings are XTN and the like.
var narrowings = []struct {
	name    string
	u, code int
	scalar  bool
	lane    lane // s is the narrow size; a has twice that
}{
	{"XTN", 0, 18, false, unary(func(_ uint8, a uint64) uint64 { return a })},
	{"SQXTUN", 1, 18, true, func(c *CPU, s uint8, _, a, _ uint64) uint64 { return c.clampUnsigned(s, signExtend(s+1, a)) }},
	{"SQXTN", 0, 20, true, func(c *CPU, s uint8, _, a, _ uint64) uint64 { return c.clampSigned(s, signExtend(s+1, a)) }},
	{"UQXTN", 1, 20, true, laneNarrowUnsigned},
}

func laneNarrowUnsigned(c *CPU, s uint8, _, a, _ uint64) uint64 {
	if a > ones(s) {
		c.saturate()
		return ones(s)
	}
	return a
}

// narrowLanes does a lane to elements of twice the size.
func narrowLanes(f lane) operation {
	return func(c *CPU, in *inst) bool {
		a, s := c.v[in.n&31], in.size
		var r word128
		for i := range 8 >> (s & 3) {
			r.put(s, i, f(c, s, 0, a.element(s+1, i), 0))
		}
		c.narrowed(in, r[0])
		return true
	}
}

func narrowScalar(f lane) operation {
	return func(c *CPU, in *inst) bool {
		c.v[in.d&31] = word128{f(c, in.size, 0, c.v[in.n&31][0]&ones(in.size+1), 0) & ones(in.size)}
		return true
	}
}

// addNeighbours is SADDLP and the like.
func addNeighbours(unsigned, accumulates bool) operation {
	return func(c *CPU, in *inst) bool {
		a, s := c.v[in.n&31], in.size
		var r word128
		for i := range int(4<<(in.extra&1)) >> (s & 3) {
			v := extend(s, a.element(s, 2*i), unsigned) + extend(s, a.element(s, 2*i+1), unsigned)
			if accumulates {
				v += c.v[in.d&31].element(s+1, i)
			}
			r.put(s+1, i, v)
		}
		c.v[in.d&31] = r
		return true
	}
}

// operationShiftLong is SHLL: by the element's size.
func operationShiftLong(c *CPU, in *inst) bool {
	a, s := word128{c.v[in.n&31][in.extra&1]}, in.size
	var r word128
	for i := range 8 >> (s & 3) {
		r.put(s+1, i, a.element(s, i)<<width(s))
	}
	c.v[in.d&31] = r
	return true
}

func twoRegisterOpcodes() []opcode {
	var all []opcode
	for _, e := range twoRegisters {
		run := e.run
		if run == nil {
			run = lanes(e.lane)
		}
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01110 zz10000%b %04b10nn nnnddddd", e.u, e.code>>4, e.code&15), lower: withFast(e.name, sized(e.sizes)), run: run})
		if e.scalars != 0 {
			all = append(all, opcode{
				name: e.name + ", scalar", pattern: pattern("01%b11110 zz10000%b %04b10nn nnnddddd", e.u, e.code>>4, e.code&15), lower: sizedScalar(e.scalars), run: scalar(e.lane),
			})
		}
	}
	for _, e := range narrowings {
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01110 zz100001 %04b10nn nnnddddd", e.u, e.code&15), lower: sizedHalf(sizesBHS), run: narrowLanes(e.lane)})
		if e.scalar {
			all = append(all, opcode{
				name: e.name + ", scalar", pattern: pattern("01%b11110 zz100001 %04b10nn nnnddddd", e.u, e.code&15), lower: sizedScalar(sizesBHS), run: narrowScalar(e.lane),
			})
		}
	}
	return append(all,
		opcode{name: "SHLL", pattern: "0q101110 zz100001 001110nn nnnddddd", lower: sizedHalf(sizesBHS), run: operationShiftLong},
		opcode{name: "NOT", pattern: "0q101110 00100000 010110nn nnnddddd", lower: wholeRegister, run: bitwise(func(_, a, _ uint64) uint64 { return ^a })},
		opcode{name: "RBIT (vector)", pattern: "0q101110 01100000 010110nn nnnddddd", lower: bytesOnly, run: lanes(unary(reverseBits))},
	)
}

// bytesOnly is a lower function for instructions on bytes.
func bytesOnly(in *inst) bool {
	in.size, in.extra = 0, uint8(in.bit(30))
	return true
}
