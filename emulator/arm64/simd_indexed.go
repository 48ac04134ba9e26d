package arm64

import "github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"

// Operations with one element of m: its number is in H (bit 11), L (21) and M
// (20), of which as many are used as the element's size needs.

// byElement is a lower function: it makes in.m the register and in.imm the
// element.
func byElement(isScalar bool) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.extra = uint8(in.bits(22, 2)), uint8(in.bit(30))
		if isScalar {
			in.extra = 0
		}
		h, l, m := in.bit(11), in.bit(21), in.bit(20)
		switch in.size {
		case 1:
			in.m &= 15
			in.imm = uint64(h<<2 | l<<1 | m)
		case 2:
			in.imm = uint64(h<<1 | l)
		default:
			return false
		}
		return true
	}
}

// floatByElement is byElement for floating point: bit 22 is the format.
func floatByElement(isScalar bool) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.extra = 2+uint8(in.bit(22)), uint8(in.bit(30))
		in.imm = uint64(in.bit(11)<<1 | in.bit(21))
		if in.size == 3 {
			in.imm = uint64(in.bit(11))
			if in.bit(21) != 0 || in.extra == 0 && !isScalar {
				return false
			}
		}
		return true
	}
}

// repeat is a register full of one element of m.
func (c *CPU) repeat(in *inst) (r word128) {
	v := c.v[in.m&31].element(in.size, int(in.imm))
	for shift := uint(0); shift < 64; shift += width(in.size) {
		r[0] |= v << shift
	}
	r[1] = r[0]
	return r
}

func elementLanes(f lane) operation {
	return func(c *CPU, in *inst) bool {
		c.v[in.d&31] = c.map3(in, c.v[in.d&31], c.v[in.n&31], c.repeat(in), f)
		return true
	}
}

func elementScalar(f lane) operation {
	return func(c *CPU, in *inst) bool {
		m := ones(in.size)
		c.v[in.d&31] = word128{f(c, in.size, c.v[in.d&31][0]&m, c.v[in.n&31][0]&m, c.v[in.m&31].element(in.size, int(in.imm))) & m}
		return true
	}
}

func elementLong(unsigned bool, f longLane) operation {
	return func(c *CPU, in *inst) bool {
		s := in.size
		d, a := c.v[in.d&31], word128{c.v[in.n&31][in.extra&1]}
		b := extend(s, c.v[in.m&31].element(s, int(in.imm)), unsigned)
		var r word128
		for i := range 8 >> (s & 3) {
			r.put(s+1, i, f(c, s, d.element(s+1, i), extend(s, a.element(s, i), unsigned), b))
		}
		c.v[in.d&31] = r
		return true
	}
}

func elementLongScalar(f longLane) operation {
	return func(c *CPU, in *inst) bool {
		s := in.size
		a, b := signExtend(s, c.v[in.n&31][0]), signExtend(s, c.v[in.m&31].element(s, int(in.imm)))
		c.v[in.d&31] = word128{f(c, s, c.v[in.d&31][0]&ones(s+1), uint64(a), uint64(b)) & ones(s+1)}
		return true
	}
}

var indexedLongs = []struct {
	name    string
	u, code int
	scalar  bool
	lane    longLane
}{
	{"SMLAL (by element)", 0, 2, false, longMulAdd}, {"UMLAL (by element)", 1, 2, false, longMulAdd},
	{"SMLSL (by element)", 0, 6, false, longMulSub}, {"UMLSL (by element)", 1, 6, false, longMulSub},
	{"SMULL (by element)", 0, 10, false, longMul}, {"UMULL (by element)", 1, 10, false, longMul},
	{"SQDMLAL (by element)", 0, 3, true, longDoublingAdd}, {"SQDMLSL (by element)", 0, 7, true, longDoublingSub},
	{"SQDMULL (by element)", 0, 11, true, longDoubling},
}

var indexedSames = []struct {
	name    string
	u, code int
	scalar  bool
	lane    lane
}{
	{"MUL (by element)", 0, 8, false, laneMul}, {"MLA (by element)", 1, 0, false, laneMulAdd}, {"MLS (by element)", 1, 4, false, laneMulSub},
	{"SQDMULH (by element)", 0, 12, true, doubling(0)}, {"SQRDMULH (by element)", 0, 13, true, doubling(1)},
}

var indexedFloats = []struct {
	name    string
	u, code int
	lane    floatLane
}{
	{"FMLA (by element)", 0, 1, floatMulAdd}, {"FMLS (by element)", 0, 5, floatMulSub}, {"FMUL (by element)", 0, 9, floatMul},
	{"FMULX (by element)", 1, 9, func(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.MulExtended(f, a, b) }},
}

func indexedOpcodes() []opcode {
	var all []opcode
	vectors := func(u, code int) string { return pattern("0q%b01111 zzlmmmmm %04bh0nn nnnddddd", u, code) }
	scalars := func(u, code int) string { return pattern("01%b11111 zzlmmmmm %04bh0nn nnnddddd", u, code) }
	for _, e := range indexedLongs {
		all = append(all, opcode{name: e.name, pattern: vectors(e.u, e.code), lower: byElement(false), run: elementLong(e.u == 1, e.lane)})
		if e.scalar {
			all = append(all, opcode{name: e.name + ", scalar", pattern: scalars(e.u, e.code), lower: byElement(true), run: elementLongScalar(e.lane)})
		}
	}
	for _, e := range indexedSames {
		all = append(all, opcode{name: e.name, pattern: vectors(e.u, e.code), lower: byElement(false), run: elementLanes(e.lane)})
		if e.scalar {
			all = append(all, opcode{name: e.name + ", scalar", pattern: scalars(e.u, e.code), lower: byElement(true), run: elementScalar(e.lane)})
		}
	}
	for _, e := range indexedFloats {
		all = append(all,
			opcode{
				name: e.name, pattern: pattern("0q%b01111 1zlmmmmm %04bh0nn nnnddddd", e.u, e.code), form: float, lower: floatByElement(false),
				run: elementLanes(e.lane.lane()),
			},
			opcode{
				name: e.name + ", scalar", pattern: pattern("01%b11111 1zlmmmmm %04bh0nn nnnddddd", e.u, e.code), form: float, lower: floatByElement(true),
				run: elementScalar(e.lane.lane()),
			})
	}
	return all
}
