package arm64

import "encoding/binary"

// aesTables are the S-box and its inverse (FIPS 197, 5.1.1).
type aesTables struct{ forward, inverse [256]byte }

// double multiplies by x in GF(2^8).
func double(b byte) byte { return b<<1 ^ -(b>>7)&0x1b }

// multiply multiplies in GF(2^8).
func multiply(a, b byte) (r byte) {
	for ; b != 0; b >>= 1 {
		r ^= a & -(b & 1)
		a = double(a)
	}
	return r
}

var boxes = func() (t aesTables) {
	p, q := byte(1), byte(1) // q is the inverse of p
	for {
		p ^= double(p)
		q = multiply(q, 0xf6) // 1/3
		s := q ^ q<<1 ^ q>>7 ^ q<<2 ^ q>>6 ^ q<<3 ^ q>>5 ^ q<<4 ^ q>>4 ^ 0x63
		t.forward[p] = s
		if p == 1 {
			break
		}
	}
	t.forward[0] = 0x63
	for i, s := range t.forward {
		t.inverse[s] = byte(i)
	}
	return t
}()

// columns are MixColumns and its inverse of a byte in the first row (FIPS 197,
// 5.1.3 and 5.3.3).
var columns, inverseColumns = func() (m, i [256]uint32) {
	for v := range 256 {
		b := byte(v)
		word := func(r0, r1, r2, r3 byte) uint32 {
			return binary.LittleEndian.Uint32([]byte{multiply(b, r0), multiply(b, r1), multiply(b, r2), multiply(b, r3)})
		}
		m[v], i[v] = word(2, 1, 1, 3), word(14, 9, 13, 11)
	}
	return m, i
}()

func (w *word128) bytes() (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:8], w[0])
	binary.LittleEndian.PutUint64(b[8:], w[1])
	return b
}

func fromBytes(b *[16]byte) word128 {
	return word128{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// aesRound adds the key, moves the rows by step columns and looks bytes up.
func aesRound(c *CPU, in *inst, box *[256]byte, step int) bool {
	d, n := &c.v[in.d&31], &c.v[in.n&31]
	sum := word128{d[0] ^ n[0], d[1] ^ n[1]}
	b := sum.bytes()
	var r [16]byte
	for i := range r {
		r[i] = box[b[(i+step*4*(i&3))&15]]
	}
	*d = fromBytes(&r)
	return true
}

func operationAESE(c *CPU, in *inst) bool { return aesRound(c, in, &boxes.forward, 1) }
func operationAESD(c *CPU, in *inst) bool { return aesRound(c, in, &boxes.inverse, -1) }

func mixColumns(c *CPU, in *inst, table *[256]uint32) bool {
	w := c.v[in.n&31].words()
	for i, v := range w {
		r := table[v&0xff]
		for row := 1; row < 4; row++ {
			t := table[v>>(8*row)&0xff]
			r ^= t<<(8*row) | t>>(32-8*row)
		}
		w[i] = r
	}
	c.v[in.d&31] = fromWords(w)
	return true
}

func operationAESMC(c *CPU, in *inst) bool  { return mixColumns(c, in, &columns) }
func operationAESIMC(c *CPU, in *inst) bool { return mixColumns(c, in, &inverseColumns) }
