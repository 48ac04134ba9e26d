package arm64

// Operations between elements of one size and of twice that.

// narrowed writes a result of half a register: to the upper half where Q is set,
// which leaves the lower one, else to the lower half.
func (c *CPU) narrowed(in *inst, r uint64) {
	if in.extra&1 != 0 {
		c.v[in.d&31][1] = r
		return
	}
	c.v[in.d&31] = word128{r}
}

// longLane makes an element of twice the size: d has that, a and b are extended
// to 64 bits.
type longLane func(c *CPU, s uint8, d, a, b uint64) uint64

// extend makes an element a number of 64 bits.
func extend(s uint8, v uint64, unsigned bool) uint64 {
	if unsigned {
		return v
	}
	return uint64(signExtend(s, v))
}

// long is an operation on a half of both operands, or of m only: wide.
func long(unsigned, wide bool, f longLane) operation {
	return func(c *CPU, in *inst) bool {
		s, half := in.size, in.extra&1
		d, a, b := c.v[in.d&31], c.v[in.n&31], word128{c.v[in.m&31][half]}
		if !wide {
			a = word128{a[half]}
		}
		var r word128
		for i := range 8 >> (s & 3) {
			x := a.element(s, i)
			if wide {
				x = a.element(s+1, i)
			} else {
				x = extend(s, x, unsigned)
			}
			r.put(s+1, i, f(c, s, d.element(s+1, i), x, extend(s, b.element(s, i), unsigned)))
		}
		c.v[in.d&31] = r
		return true
	}
}

// narrow is an operation on elements of twice the size whose upper halves are
// the result.
func narrow(f func(a, b uint64) uint64, round bool) operation {
	return func(c *CPU, in *inst) bool {
		s := in.size
		a, b := c.v[in.n&31], c.v[in.m&31]
		var r word128
		for i := range 8 >> (s & 3) {
			v := f(a.element(s+1, i), b.element(s+1, i))
			if round {
				v += 1 << (width(s) - 1)
			}
			r.put(s, i, v>>width(s))
		}
		c.narrowed(in, r[0])
		return true
	}
}

func longAdd(_ *CPU, _ uint8, _, a, b uint64) uint64    { return a + b }
func longSub(_ *CPU, _ uint8, _, a, b uint64) uint64    { return a - b }
func longMul(_ *CPU, _ uint8, _, a, b uint64) uint64    { return a * b }
func longMulAdd(_ *CPU, _ uint8, d, a, b uint64) uint64 { return d + a*b }
func longMulSub(_ *CPU, _ uint8, d, a, b uint64) uint64 { return d - a*b }

func longDifference(_ *CPU, _ uint8, _, a, b uint64) uint64 {
	return uint64(difference(int64(a), int64(b)))
}

func longDifferenceAdd(_ *CPU, _ uint8, d, a, b uint64) uint64 {
	return d + uint64(difference(int64(a), int64(b)))
}

// longDoubling is SQDMULL.
func longDoubling(c *CPU, s uint8, _, a, b uint64) uint64 {
	if a == b && int64(a) == -1<<(width(s)-1) {
		c.saturate()
		return ones(s+1) >> 1
	}
	return 2 * a * b
}

func longDoublingAdd(c *CPU, s uint8, d, a, b uint64) uint64 {
	return laneSaturatingAddS(c, s+1, 0, d, longDoubling(c, s, 0, a, b)&ones(s+1))
}

func longDoublingSub(c *CPU, s uint8, d, a, b uint64) uint64 {
	return laneSaturatingSubS(c, s+1, 0, d, longDoubling(c, s, 0, a, b)&ones(s+1))
}

func longPolynomial(c *CPU, s uint8, d, a, b uint64) uint64 { return laneMulPolynomial(c, s, d, a, b) }

// threeDifferent is an instruction with elements of two sizes.
type threeDifferent struct {
	name    string
	u, code int
	sizes   uint8
	run     operation
}

func threeDifferents() (all []threeDifferent) {
	for u, prefix := range []string{"S", "U"} {
		unsigned := u == 1
		for _, e := range []struct {
			name string
			code int
			wide bool
			f    longLane
		}{
			{"ADDL", 0, false, longAdd}, {"ADDW", 1, true, longAdd}, {"SUBL", 2, false, longSub}, {"SUBW", 3, true, longSub},
			{"ABAL", 5, false, longDifferenceAdd}, {"ABDL", 7, false, longDifference}, {"MLAL (vector)", 8, false, longMulAdd},
			{"MLSL (vector)", 10, false, longMulSub}, {"MULL (vector)", 12, false, longMul},
		} {
			all = append(all, threeDifferent{prefix + e.name, u, e.code, sizesBHS, long(unsigned, e.wide, e.f)})
		}
	}
	add := func(a, b uint64) uint64 { return a + b }
	sub := func(a, b uint64) uint64 { return a - b }
	return append(all,
		threeDifferent{"ADDHN", 0, 4, sizesBHS, narrow(add, false)},
		threeDifferent{"RADDHN", 1, 4, sizesBHS, narrow(add, true)},
		threeDifferent{"SUBHN", 0, 6, sizesBHS, narrow(sub, false)},
		threeDifferent{"RSUBHN", 1, 6, sizesBHS, narrow(sub, true)},
		threeDifferent{"SQDMLAL (vector)", 0, 9, sizesHS, long(false, false, longDoublingAdd)},
		threeDifferent{"SQDMLSL (vector)", 0, 11, sizesHS, long(false, false, longDoublingSub)},
		threeDifferent{"SQDMULL (vector)", 0, 13, sizesHS, long(false, false, longDoubling)},
		threeDifferent{"PMULL", 0, 14, sizeB, long(true, false, longPolynomial)},
	)
}

// sizedHalf is sized for instructions where Q picks a half.
func sizedHalf(sizes uint8) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.extra = uint8(in.bits(22, 2)), uint8(in.bit(30))
		return sizes>>in.size&1 != 0
	}
}

func threeDifferentOpcodes() []opcode {
	var all []opcode
	for _, e := range threeDifferents() {
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01110 zz1mmmmm %04b00nn nnnddddd", e.u, e.code), lower: sizedHalf(e.sizes), run: e.run})
	}
	for _, e := range []struct {
		name string
		code int
		f    longLane
	}{{"SQDMLAL", 9, longDoublingAdd}, {"SQDMLSL", 11, longDoublingSub}, {"SQDMULL", 13, longDoubling}} {
		all = append(all, opcode{
			name: e.name + " (vector), scalar", pattern: pattern("01011110 zz1mmmmm %04b00nn nnnddddd", e.code), lower: sizedScalar(sizesHS), run: longScalar(e.f),
		})
	}
	return append(all, opcode{
		name: "PMULL (64-bit)", pattern: "0q001110 111mmmmm 111000nn nnnddddd", needs: featurePMULL, lower: wholeRegister, run: operationMulPolynomial64,
	})
}

// longScalar is an operation on the first elements.
func longScalar(f longLane) operation {
	return func(c *CPU, in *inst) bool {
		s := in.size
		d, a, b := c.v[in.d&31][0]&ones(s+1), c.v[in.n&31][0], c.v[in.m&31][0]
		c.v[in.d&31] = word128{f(c, s, d, uint64(signExtend(s, a)), uint64(signExtend(s, b))) & ones(s+1)}
		return true
	}
}

// operationMulPolynomial64 is PMULL of one 64-bit element.
func operationMulPolynomial64(c *CPU, in *inst) bool {
	a, b := c.v[in.n&31][in.extra&1], c.v[in.m&31][in.extra&1]
	c.v[in.d&31] = polynomial(a, b)
	return true
}

// polynomial multiplies over GF(2), four bits of b at a time.
func polynomial(a, b uint64) word128 {
	var low, high [16]uint64 // multiples of a
	for i := range 16 {
		for j := range 4 {
			if i>>j&1 != 0 {
				low[i] ^= a << j
				high[i] ^= a >> (64 - j)
			}
		}
	}
	var r word128
	for i := 60; i >= 0; i -= 4 {
		r[1] = r[1]<<4 | r[0]>>60
		r[0] <<= 4
		r[0] ^= low[b>>i&15]
		r[1] ^= high[b>>i&15]
	}
	return r
}
