package arm64

// permute picks elements of two registers: pick gives for each element of the
// result, of count, the one of n, or from count on of m.
func permute(pick func(i, count int) int) operation {
	return func(c *CPU, in *inst) bool {
		a, b, s := c.v[in.n&31], c.v[in.m&31], in.size
		count := int(8<<(in.extra&1)) >> (s & 3)
		var r word128
		for i := range count {
			if from := pick(i, count); from < count {
				r.put(s, i, a.element(s, from))
			} else {
				r.put(s, i, b.element(s, from-count))
			}
		}
		c.v[in.d&31] = r
		return true
	}
}

// Where elements come from.
func unzip(part int) func(i, count int) int {
	return func(i, _ int) int { return 2*i + part }
}

func transpose(part int) func(i, count int) int {
	return func(i, count int) int { return i&^1 + part + i&1*count }
}

func zip(part int) func(i, count int) int {
	return func(i, count int) int { return i/2 + part*count/2 + i&1*count }
}

// operationExtract is EXT.
func operationExtract(c *CPU, in *inst) bool {
	a, b := c.v[in.n&31], c.v[in.m&31]
	by := uint(in.imm & 7 * 8)
	if in.extra == 0 {
		c.v[in.d&31] = word128{a[0]>>by | b[0]<<(64-by)}
		return true
	}
	w := [4]uint64{a[0], a[1], b[0], b[1]}
	at := in.imm >> 3 & 1
	c.v[in.d&31] = word128{w[at]>>by | w[at+1]<<(64-by), w[at+1]>>by | w[at+2]<<(64-by)}
	return true
}

// lookup is TBL, and TBX, which leaves bytes whose index is outside.
func lookup(keep bool) operation {
	return func(c *CPU, in *inst) bool {
		var table [64]byte
		limit := 16 * (int(in.imm) + 1)
		for i := range int(in.imm) + 1 {
			for j, half := range c.v[(in.n+uint8(i))&31] {
				for k := range 8 {
					table[(16*i+8*j+k)&63] = byte(half >> (8 * k))
				}
			}
		}
		index, old := c.v[in.m&31], c.v[in.d&31]
		var r word128
		for h := range 1 + int(in.extra&1) {
			for shift := 0; shift < 64; shift += 8 {
				v := uint64(0)
				if i := int(index[h&1] >> shift & 0xff); i < limit {
					v = uint64(table[i&63])
				} else if keep {
					v = old[h&1] >> shift & 0xff
				}
				r[h&1] |= v << shift
			}
		}
		c.v[in.d&31] = r
		return true
	}
}

func permuteOpcodes() []opcode {
	var all []opcode
	for i, e := range []struct {
		name string
		pick func(int) func(i, count int) int
	}{{"UZP", unzip}, {"TRN", transpose}, {"ZIP", zip}} {
		for part := range 2 {
			all = append(all, opcode{
				name: pattern("%s%d", e.name, part+1), pattern: pattern("0q001110 zz0mmmmm 0%b%02b10nn nnnddddd", part, i+1), lower: sized(sizesAll),
				run: permute(e.pick(part)),
			})
		}
	}
	length := func(in *inst) bool {
		in.imm, in.extra = uint64(in.bits(13, 2)), uint8(in.bit(30))
		return true
	}
	return append(all,
		opcode{name: "EXT", pattern: "0q101110 000mmmmm 0iiii0nn nnnddddd", run: operationExtract, lower: func(in *inst) bool {
			in.imm, in.extra = uint64(in.bits(11, 4)), uint8(in.bit(30))
			return in.extra == 1 || in.imm < 8
		}},
		opcode{name: "TBL", pattern: "0q001110 000mmmmm 0ll000nn nnnddddd", run: lookup(false), lower: length},
		opcode{name: "TBX", pattern: "0q001110 000mmmmm 0ll100nn nnnddddd", run: lookup(true), lower: length},
	)
}
