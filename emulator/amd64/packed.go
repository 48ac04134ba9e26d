package amd64

// lanes gives the elements of a vector, of size bytes.
func lanes(v vector, size int) (e [16]uint64) {
	per := 8 / size
	mask := ^uint64(0) >> (64 - 8*size)
	for i := range 16 / size {
		e[i] = v[i/per] >> (8 * size * (i % per)) & mask
	}
	return e
}

// join is the inverse of lanes.
func join(e [16]uint64, size int) (v vector) {
	per := 8 / size
	mask := ^uint64(0) >> (64 - 8*size)
	for i := range 16 / size {
		v[i/per] |= e[i] & mask << (8 * size * (i % per))
	}
	return v
}

// each makes an operation on vectors of one on elements of size bytes.
func each(size int, f func(a, b uint64) uint64) func(a, b vector) vector {
	return func(a, b vector) vector {
		x, y := lanes(a, size), lanes(b, size)
		for i := range 16 / size {
			x[i] = f(x[i], y[i])
		}
		return join(x, size)
	}
}

// eachSigned is each for elements with a sign.
func eachSigned(size int, f func(a, b int64) int64) func(a, b vector) vector {
	s := uint8(size)
	return each(size, func(a, b uint64) uint64 { return uint64(f(int64(extend(a, s)), int64(extend(b, s)))) })
}

func ones(b bool) uint64 {
	if b {
		return ^uint64(0)
	}
	return 0
}

// limits of elements of size bytes.
func clampSigned(size int, v int64) int64 {
	top := int64(1)<<(8*size-1) - 1
	return min(max(v, -top-1), top)
}

func clampUnsigned(size int, v int64) int64 {
	return min(max(v, 0), int64(1)<<(8*size)-1)
}

// pack narrows elements of both vectors to half their size.
func pack(size int, clamp func(size int, v int64) int64) func(a, b vector) vector {
	return func(a, b vector) vector {
		x, y := lanes(a, size), lanes(b, size)
		var e [16]uint64
		n := 16 / size
		for i := range n {
			e[i] = uint64(clamp(size/2, int64(extend(x[i], uint8(size)))))
			e[n+i] = uint64(clamp(size/2, int64(extend(y[i], uint8(size)))))
		}
		return join(e, size/2)
	}
}

// unpack interleaves elements of the low or the high halves.
func unpack(size, half int) func(a, b vector) vector {
	return func(a, b vector) vector {
		x, y := lanes(a, size), lanes(b, size)
		var e [16]uint64
		n := 16 / size
		for i := range n / 2 {
			e[2*i], e[2*i+1] = x[half*n/2+i], y[half*n/2+i]
		}
		return join(e, size)
	}
}

// shiftBy shifts elements by a count of the second vector: kind 0 left, 1 right,
// 2 right with the sign.
func shiftBy(size, kind int) func(a vector, count uint64) vector {
	width := uint64(8 * size)
	return func(a vector, count uint64) vector {
		x := lanes(a, size)
		for i := range 16 / size {
			switch {
			case kind == 2:
				x[i] = uint64(int64(extend(x[i], uint8(size))) >> min(count, width-1))
			case count >= width:
				x[i] = 0
			case kind == 0:
				x[i] <<= count
			default:
				x[i] >>= count
			}
		}
		return join(x, size)
	}
}

// bytesLeft and bytesRight shift the whole vector by bytes.
func bytesLeft(_, v vector, n uint8) vector {
	b, r := v.bytes(), [16]byte{}
	if n < 16 {
		copy(r[n:], b[:16-n])
	}
	return fromBytes(r)
}

func bytesRight(_, v vector, n uint8) vector {
	b, r := v.bytes(), [16]byte{}
	if n < 16 {
		copy(r[:], b[n:])
	}
	return fromBytes(r)
}

// align is PALIGNR.
func align(a, b vector, n uint8) vector {
	words := [6]uint64{b[0], b[1], a[0], a[1]}
	if n >= 32 {
		return vector{}
	}
	i, shift := n/8, n%8*8
	return vector{words[i]>>shift | words[i+1]<<(64-shift), words[i+1]>>shift | words[i+2]<<(64-shift)}
}

func shuffleDoublewords(_, b vector, imm uint8) vector {
	word := func(i uint8) uint64 { return b[i>>1&1] >> (i & 1 * 32) & 0xffffffff }
	return vector{word(imm) | word(imm>>2)<<32, word(imm>>4) | word(imm>>6)<<32}
}

// shuffleWords shuffles the words of one half.
func shuffleWords(half int) func(_, b vector, imm uint8) vector {
	return func(_, b vector, imm uint8) vector {
		w := b[half]
		b[half] = 0
		for i := range 4 {
			b[half] |= w >> (16 * (imm >> (2 * i) & 3)) & 0xffff << (16 * i)
		}
		return b
	}
}

func shuffleSingles(a, b vector, imm uint8) vector {
	x, y := lanes(a, 4), lanes(b, 4)
	return join([16]uint64{x[imm&3], x[imm>>2&3], y[imm>>4&3], y[imm>>6]}, 4)
}

func shuffleDoubles(a, b vector, imm uint8) vector { return vector{a[imm&1], b[imm>>1&1]} }

// shuffleBytes is PSHUFB.
func shuffleBytes(a, b vector) (r vector) {
	for i := range 2 {
		for at := 0; at < 64; at += 8 {
			if s := b[i] >> at; s&0x80 == 0 {
				r[i] |= a[s>>3&1] >> (s & 7 * 8) & 0xff << at
			}
		}
	}
	return r
}

// multiplyAdd is PMADDWD.
func multiplyAdd(a, b vector) vector {
	x, y := lanes(a, 2), lanes(b, 2)
	var e [16]uint64
	for i := range 4 {
		for j := range 2 {
			e[i] += extend(x[2*i+j], 2) * extend(y[2*i+j], 2)
		}
	}
	return join(e, 4)
}

// multiplyAddBytes is PMADDUBSW.
func multiplyAddBytes(a, b vector) vector {
	x, y := lanes(a, 1), lanes(b, 1)
	var e [16]uint64
	for i := range 8 {
		sum := int64(x[2*i])*int64(int8(y[2*i])) + int64(x[2*i+1])*int64(int8(y[2*i+1]))
		e[i] = uint64(clampSigned(2, sum))
	}
	return join(e, 2)
}

// sumDifferences is PSADBW.
func sumDifferences(a, b vector) (v vector) {
	x, y := lanes(a, 1), lanes(b, 1)
	for i := range 16 {
		v[i/8] += max(x[i], y[i]) - min(x[i], y[i])
	}
	return v
}

// horizontal combines neighbours of both vectors.
func horizontal(size int, f func(a, b int64) int64) func(a, b vector) vector {
	return func(a, b vector) vector {
		x, y := lanes(a, size), lanes(b, size)
		var e [16]uint64
		n := 8 / size
		s := uint8(size)
		for i := range n {
			e[i] = uint64(f(int64(extend(x[2*i], s)), int64(extend(x[2*i+1], s))))
			e[n+i] = uint64(f(int64(extend(y[2*i], s)), int64(extend(y[2*i+1], s))))
		}
		return join(e, size)
	}
}

// widen is PMOVSX and PMOVZX: elements of from bytes become to bytes.
func widen(from, to int, signed bool) func(_, b vector) vector {
	return func(_, b vector) vector {
		x := lanes(b, from)
		for i := range 16 / to {
			if signed {
				x[i] = extend(x[i], uint8(from))
			}
		}
		return join(x, to)
	}
}

// blendWords is PBLENDW; blend is for other sizes.
func blend(size int) func(a, b vector, imm uint8) vector {
	return func(a, b vector, imm uint8) vector {
		x, y := lanes(a, size), lanes(b, size)
		for i := range 16 / size {
			if imm>>i&1 != 0 {
				x[i] = y[i]
			}
		}
		return join(x, size)
	}
}

// operationBlendVariable is PBLENDVB, BLENDVPS, BLENDVPD: XMM0's highest bits
// choose elements of op bytes.
func operationBlendVariable(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b, ok := c.vectorSource(in)
	if !ok {
		return false
	}
	size := int(in.op)
	x, y, m := lanes(c.x[in.reg&15], size), lanes(b, size), lanes(c.x[0], size)
	for i := range 16 / size {
		if m[i]>>(8*size-1) != 0 {
			x[i] = y[i]
		}
	}
	c.x[in.reg&15] = join(x, size)
	return true
}

// operationVectorTest is PTEST.
func operationVectorTest(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b, ok := c.vectorSource(in)
	if !ok {
		return false
	}
	a := c.x[in.reg&15]
	f := uint64(0)
	if a[0]&b[0]|a[1]&b[1] == 0 {
		f |= flagZF
	}
	if b[0]&^a[0]|b[1]&^a[1] == 0 {
		f |= flagCF
	}
	c.setStatus(f)
	return true
}
