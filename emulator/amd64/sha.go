package amd64

import "math/bits"

// The SHA extensions (Intel SDM 2B, SHA1*, SHA256*). Doubleword 0 is the lowest.

func words32(v vector) (w [4]uint32) {
	return [4]uint32{uint32(v[0]), uint32(v[0] >> 32), uint32(v[1]), uint32(v[1] >> 32)}
}

func fromWords(w [4]uint32) vector {
	return vector{uint64(w[0]) | uint64(w[1])<<32, uint64(w[2]) | uint64(w[3])<<32}
}

// operationSHA256Rounds is SHA256RNDS2: two rounds with the words of XMM0.
func operationSHA256Rounds(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	src, ok := c.vectorSource(in)
	if !ok {
		return false
	}
	cdgh, abef, wk := words32(c.x[in.reg&15]), words32(src), words32(c.x[0])
	a, b, e, f := abef[3], abef[2], abef[1], abef[0]
	cc, d, g, h := cdgh[3], cdgh[2], cdgh[1], cdgh[0]
	for i := range 2 {
		s1 := bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)
		t := h + s1 + (e&f ^ ^e&g) + wk[i]
		s0 := bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)
		m := a&b ^ a&cc ^ b&cc
		h, g, f, e, d, cc, b, a = g, f, e, d+t, cc, b, a, t+s0+m
	}
	c.x[in.reg&15] = fromWords([4]uint32{f, e, b, a})
	return true
}

func sha256Message1(a, b vector) vector {
	w, next := words32(a), words32(b)
	in := [5]uint32{w[0], w[1], w[2], w[3], next[0]}
	for i := range 4 {
		v := in[i+1]
		w[i] += bits.RotateLeft32(v, -7) ^ bits.RotateLeft32(v, -18) ^ v>>3
	}
	return fromWords(w)
}

func sha256Message2(a, b vector) vector {
	w, s := words32(a), words32(b)
	sigma := func(v uint32) uint32 { return bits.RotateLeft32(v, -17) ^ bits.RotateLeft32(v, -19) ^ v>>10 }
	w[0] += sigma(s[2])
	w[1] += sigma(s[3])
	w[2] += sigma(w[0])
	w[3] += sigma(w[1])
	return fromWords(w)
}

func sha1Message1(a, b vector) vector {
	x, y := words32(a), words32(b)
	return fromWords([4]uint32{x[0] ^ y[2], x[1] ^ y[3], x[2] ^ x[0], x[3] ^ x[1]})
}

func sha1Message2(a, b vector) vector {
	x, y := words32(a), words32(b)
	w16 := bits.RotateLeft32(x[3]^y[2], 1)
	w17 := bits.RotateLeft32(x[2]^y[1], 1)
	w18 := bits.RotateLeft32(x[1]^y[0], 1)
	w19 := bits.RotateLeft32(x[0]^w16, 1)
	return fromWords([4]uint32{w19, w18, w17, w16})
}

func sha1NextE(a, b vector) vector {
	w := words32(b)
	w[3] += bits.RotateLeft32(uint32(a[1]>>32), 30)
	return fromWords(w)
}

// sha1Rounds is SHA1RNDS4: four rounds with the function that imm chooses.
func sha1Rounds(x, y vector, imm uint8) vector {
	s, w := words32(x), words32(y)
	a, b, c, d, e := s[3], s[2], s[1], s[0], uint32(0)
	k := [4]uint32{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6}[imm&3]
	for i := range 4 {
		var f uint32
		switch imm & 3 {
		case 0:
			f = b&c ^ ^b&d
		case 2:
			f = b&c ^ b&d ^ c&d
		default:
			f = b ^ c ^ d
		}
		t := f + bits.RotateLeft32(a, 5) + w[3-i] + e + k
		e, d, c, b, a = d, c, bits.RotateLeft32(b, 30), a, t
	}
	return fromWords([4]uint32{d, c, b, a})
}
