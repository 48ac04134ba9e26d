package arm64

import "github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"

// across folds all elements of a register into one.
func across(f lane) operation {
	return func(c *CPU, in *inst) bool {
		a, s := c.v[in.n&31], in.size
		r := a.element(s, 0)
		for i := 1; i < int(8<<(in.extra&1))>>(s&3); i++ {
			r = f(c, s, 0, r, a.element(s, i)) & ones(s)
		}
		c.v[in.d&31] = word128{r}
		return true
	}
}

// acrossLong adds all elements of a register to one of twice the size.
func acrossLong(unsigned bool) operation {
	return func(c *CPU, in *inst) bool {
		a, s := c.v[in.n&31], in.size
		var r uint64
		for i := range int(8<<(in.extra&1)) >> (s & 3) {
			r += extend(s, a.element(s, i), unsigned)
		}
		c.v[in.d&31] = word128{r & ones(s+1)}
		return true
	}
}

// acrossFloat folds pairs, then pairs of those: the order decides which NaN
// comes out (Reduce of the manual).
func acrossFloat(f floatLane) operation {
	return func(c *CPU, in *inst) bool {
		a := c.v[in.n&31]
		u := c.unit()
		low := f(&u, ieee.Single, 0, a.element(2, 0), a.element(2, 1))
		high := f(&u, ieee.Single, 0, a.element(2, 2), a.element(2, 3))
		c.v[in.d&31] = word128{f(&u, ieee.Single, 0, low, high)}
		c.fpsr = uint64(u.FPSR)
		return true
	}
}

// sizedAcross is sized for what wants four elements or more.
func sizedAcross(in *inst) bool {
	in.size, in.extra = uint8(in.bits(22, 2)), uint8(in.bit(30))
	return in.size < 2 || in.size == 2 && in.extra == 1
}

func acrossOpcodes() []opcode {
	var all []opcode
	for _, e := range []struct {
		name    string
		u, code int
		run     operation
	}{
		{"SADDLV", 0, 3, acrossLong(false)}, {"UADDLV", 1, 3, acrossLong(true)},
		{"SMAXV", 0, 10, across(signed2(maximum))}, {"UMAXV", 1, 10, across(laneMaxU)},
		{"SMINV", 0, 26, across(signed2(minimum))}, {"UMINV", 1, 26, across(laneMinU)},
		{"ADDV", 0, 27, across(laneAdd)},
	} {
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01110 zz11000%b %04b10nn nnnddddd", e.u, e.code>>4, e.code&15), lower: sizedAcross, run: e.run})
	}
	for _, e := range []struct {
		name    string
		a, code int
		f       floatLane
	}{
		{"FMAXNMV", 0, 12, floatMaxNumber}, {"FMINNMV", 1, 12, floatMinNumber}, {"FMAXV", 0, 15, floatMax}, {"FMINV", 1, 15, floatMin},
	} {
		all = append(all, opcode{name: e.name, pattern: pattern("01101110 %b0110000 %04b10nn nnnddddd", e.a, e.code), form: float, run: acrossFloat(e.f)})
	}
	return all
}

// scalarPairwiseOpcodes fold the two elements of a register.
func scalarPairwiseOpcodes() []opcode {
	pair := func(f lane) operation {
		return func(c *CPU, in *inst) bool {
			a, s := c.v[in.n&31], in.size
			c.v[in.d&31] = word128{f(c, s, 0, a.element(s, 0), a.element(s, 1)) & ones(s)}
			return true
		}
	}
	all := []opcode{{name: "ADDP (scalar)", pattern: "01011110 11110001 101110nn nnnddddd", lower: sizedScalar(sizeD), run: pair(laneAdd)}}
	for _, e := range []struct {
		name    string
		a, code int
		f       floatLane
	}{
		{"FMAXNMP (scalar)", 0, 12, floatMaxNumber}, {"FMINNMP (scalar)", 1, 12, floatMinNumber}, {"FADDP (scalar)", 0, 13, floatAdd},
		{"FMAXP (scalar)", 0, 15, floatMax}, {"FMINP (scalar)", 1, 15, floatMin},
	} {
		all = append(all, opcode{
			name: e.name, pattern: pattern("01111110 %bz110000 %04b10nn nnnddddd", e.a, e.code), form: float, lower: sizedFloatScalar, run: pair(e.f.lane()),
		})
	}
	return all
}
