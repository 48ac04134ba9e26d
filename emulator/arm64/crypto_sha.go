package arm64

import "math/bits"

// words are the four 32-bit elements of a register.
func (w *word128) words() [4]uint32 {
	return [4]uint32{uint32(w[0]), uint32(w[0] >> 32), uint32(w[1]), uint32(w[1] >> 32)}
}

func fromWords(w [4]uint32) word128 {
	return word128{uint64(w[0]) | uint64(w[1])<<32, uint64(w[2]) | uint64(w[3])<<32}
}

// Functions of SHA-1 and SHA-256 (FIPS 180-4, 4.1).
func shaChoose(x, y, z uint32) uint32   { return (y^z)&x ^ z }
func shaParity(x, y, z uint32) uint32   { return x ^ y ^ z }
func shaMajority(x, y, z uint32) uint32 { return x&y | (x|y)&z }

// sha1Rounds is SHA1C, SHA1P and SHA1M: four rounds.
func sha1Rounds(f func(x, y, z uint32) uint32) operation {
	return func(c *CPU, in *inst) bool {
		x, y, w := c.v[in.d&31].words(), uint32(c.v[in.n&31][0]), c.v[in.m&31].words()
		for _, v := range w {
			y += bits.RotateLeft32(x[0], 5) + f(x[1], x[2], x[3]) + v
			x[1] = bits.RotateLeft32(x[1], 30)
			y, x[0], x[1], x[2], x[3] = x[3], y, x[0], x[1], x[2]
		}
		c.v[in.d&31] = fromWords(x)
		return true
	}
}

func operationSHA1H(c *CPU, in *inst) bool {
	c.v[in.d&31] = word128{uint64(bits.RotateLeft32(uint32(c.v[in.n&31][0]), 30))}
	return true
}

func operationSHA1SU0(c *CPU, in *inst) bool {
	d, n, m := c.v[in.d&31], c.v[in.n&31], c.v[in.m&31]
	c.v[in.d&31] = word128{d[1] ^ d[0] ^ m[0], n[0] ^ d[1] ^ m[1]}
	return true
}

func operationSHA1SU1(c *CPU, in *inst) bool {
	d, n := c.v[in.d&31].words(), c.v[in.n&31].words()
	var r [4]uint32
	for i := range 3 {
		r[i] = bits.RotateLeft32(d[i]^n[i+1], 1)
	}
	r[3] = bits.RotateLeft32(d[3], 1) ^ bits.RotateLeft32(d[0]^n[1], 2)
	c.v[in.d&31] = fromWords(r)
	return true
}

// sha256Rounds does four rounds (SHA256hash of the manual).
func sha256Rounds(x, y, w word128) (word128, word128) {
	a, b, d, e := uint32(x[0]), uint32(x[0]>>32), uint32(x[1]), uint32(x[1]>>32)
	f, g, h, i := uint32(y[0]), uint32(y[0]>>32), uint32(y[1]), uint32(y[1]>>32)
	for n := range 4 {
		v := uint32(w[n>>1] >> (n & 1 * 32))
		t := i + v + (bits.RotateLeft32(f, -6) ^ bits.RotateLeft32(f, -11) ^ bits.RotateLeft32(f, -25)) + shaChoose(f, g, h)
		s := t + (bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)) + shaMajority(a, b, d)
		a, b, d, e, f, g, h, i = s, a, b, d, e+t, f, g, h
	}
	return word128{uint64(a) | uint64(b)<<32, uint64(d) | uint64(e)<<32}, word128{uint64(f) | uint64(g)<<32, uint64(h) | uint64(i)<<32}
}

func operationSHA256H(c *CPU, in *inst) bool {
	c.v[in.d&31], _ = sha256Rounds(c.v[in.d&31], c.v[in.n&31], c.v[in.m&31])
	return true
}

func operationSHA256H2(c *CPU, in *inst) bool {
	_, c.v[in.d&31] = sha256Rounds(c.v[in.n&31], c.v[in.d&31], c.v[in.m&31])
	return true
}

func operationSHA256SU0(c *CPU, in *inst) bool {
	d, n := c.v[in.d&31].words(), c.v[in.n&31].words()
	t := [4]uint32{d[1], d[2], d[3], n[0]}
	for i, v := range t {
		d[i] += bits.RotateLeft32(v, -7) ^ bits.RotateLeft32(v, -18) ^ v>>3
	}
	c.v[in.d&31] = fromWords(d)
	return true
}

func operationSHA256SU1(c *CPU, in *inst) bool {
	d, n, m := c.v[in.d&31].words(), c.v[in.n&31].words(), c.v[in.m&31].words()
	t0 := [4]uint32{n[1], n[2], n[3], m[0]}
	t1 := [4]uint32{m[2], m[3]}
	var r [4]uint32
	for i := range r {
		if i == 2 {
			t1[2], t1[3] = r[0], r[1]
		}
		v := t1[i]
		r[i] = (bits.RotateLeft32(v, -17) ^ bits.RotateLeft32(v, -19) ^ v>>10) + d[i] + t0[i]
	}
	c.v[in.d&31] = fromWords(r)
	return true
}
