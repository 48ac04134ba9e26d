package arm64

import "github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"

// Scalar floating point. The format is in bits 23 and 22; half precision there
// is only to convert from and to.

// floatOpcodes are the instructions of scalar floating point (DDI 0487
// C4.1.96).
func floatOpcodes() []opcode {
	var all []opcode
	for _, table := range []func() []opcode{floatOneOpcodes, floatTwoOpcodes, floatThreeOpcodes, floatCompareOpcodes, floatMoveOpcodes, floatIntegerOpcodes} {
		all = append(all, table()...)
	}
	for i := range all {
		all[i].form |= vector
	}
	return all
}

func floatOneOpcodes() []opcode {
	var all []opcode
	for _, e := range []struct {
		name string
		code int
		lane floatLane
	}{
		{"FABS", 1, floatAbs}, {"FNEG", 2, floatNegate}, {"FSQRT", 3, floatSqrt},
		{"FRINTN", 8, roundTo(ieee.Nearest, false)}, {"FRINTP", 9, roundTo(ieee.Up, false)}, {"FRINTM", 10, roundTo(ieee.Down, false)},
		{"FRINTZ", 11, roundTo(ieee.Zero, false)}, {"FRINTA", 12, roundTo(ieee.Away, false)}, {"FRINTX", 14, roundCurrent(true)},
		{"FRINTI", 15, roundCurrent(false)},
	} {
		all = append(all, opcode{
			name: e.name + " (scalar)", pattern: pattern("00011110 0f1%06b 10000nnnnnddddd", e.code), form: float, lower: sizedFloatScalar, run: scalar(e.lane.lane()),
		})
	}
	all = append(all, opcode{name: "FMOV (register)", pattern: "00011110 0f100000 010000nn nnnddddd", lower: sizedFloatScalar, run: operationFloatMove})
	for from, f := range map[string]ieee.Format{"00": ieee.Single, "01": ieee.Double, "11": ieee.Half} {
		for to, t := range map[string]ieee.Format{"00": ieee.Single, "01": ieee.Double, "11": ieee.Half} {
			if from != to {
				all = append(all, opcode{name: "FCVT", pattern: pattern("00011110 %s10001%s 10000nnnnnddddd", from, to), form: float, run: floatConvert(f, t)})
			}
		}
	}
	return all
}

// mask of a format's bits.
func formatMask(f ieee.Format) uint64 {
	switch f {
	case ieee.Half:
		return ones(1)
	case ieee.Single:
		return ones(2)
	}
	return ones(3)
}

func floatConvert(from, to ieee.Format) operation {
	m := formatMask(from)
	return func(c *CPU, in *inst) bool {
		u := c.unit()
		c.v[in.d&31] = word128{u.Convert(from, to, c.v[in.n&31][0]&m)}
		c.fpsr = uint64(u.FPSR)
		return true
	}
}

func operationFloatMove(c *CPU, in *inst) bool {
	c.v[in.d&31] = word128{c.v[in.n&31][0] & ones(in.size)}
	return true
}

func floatTwoOpcodes() []opcode {
	var all []opcode
	for code, e := range []struct {
		name string
		lane floatLane
	}{
		{"FMUL", floatMul}, {"FDIV", floatDiv}, {"FADD", floatAdd}, {"FSUB", floatSub}, {"FMAX", floatMax}, {"FMIN", floatMin},
		{"FMAXNM", floatMaxNumber}, {"FMINNM", floatMinNumber}, {"FNMUL", floatMulNegated},
	} {
		all = append(all, opcode{
			name: e.name + " (scalar)", pattern: pattern("00011110 0f1mmmmm %04b10nn nnnddddd", code), form: float, lower: sizedFloatScalar,
			run: floatTwo(e.lane),
		})
	}
	return all
}

// floatTwo is an operation of two registers, without the detour of scalar.
func floatTwo(lane floatLane) operation {
	return func(c *CPU, in *inst) bool {
		u := c.unit()
		m := ones(in.size)
		c.v[in.d&31] = word128{lane(&u, ieee.Format(in.size-2), 0, c.v[in.n&31][0]&m, c.v[in.m&31][0]&m)}
		c.fpsr = uint64(u.FPSR)
		return true
	}
}

func floatThreeOpcodes() []opcode {
	fused := func(negateAddend, negateProduct bool) operation {
		return func(c *CPU, in *inst) bool {
			u, f, m := c.unit(), ieee.Format(in.size-2), ones(in.size)
			addend, a, b := c.v[in.a&31][0]&m, c.v[in.n&31][0]&m, c.v[in.m&31][0]&m
			if negateAddend {
				addend = f.Negate(addend)
			}
			if negateProduct {
				a = f.Negate(a)
			}
			c.v[in.d&31] = word128{u.MulAdd(f, addend, a, b)}
			c.fpsr = uint64(u.FPSR)
			return true
		}
	}
	entry := func(name string, o1, o0 int, run operation) opcode {
		return opcode{name: name, pattern: pattern("00011111 0f%bmmmmm %baaaaann nnnddddd", o1, o0), form: float, run: run, lower: func(in *inst) bool {
			in.a = uint8(in.bits(10, 5))
			return sizedFloatScalar(in)
		}}
	}
	return []opcode{
		entry("FMADD", 0, 0, fused(false, false)), entry("FMSUB", 0, 1, fused(false, true)),
		entry("FNMADD", 1, 0, fused(true, true)), entry("FNMSUB", 1, 1, fused(true, false)),
	}
}

func floatCompareOpcodes() []opcode {
	compare := func(signals, zero bool) operation {
		return func(c *CPU, in *inst) bool {
			u, m := c.unit(), ones(in.size)
			b := uint64(0)
			if !zero {
				b = c.v[in.m&31][0] & m
			}
			c.setFlags(u.Compare(ieee.Format(in.size-2), c.v[in.n&31][0]&m, b, signals))
			c.fpsr = uint64(u.FPSR)
			return true
		}
	}
	conditional := func(signals bool) operation {
		full := compare(signals, false)
		return func(c *CPU, in *inst) bool {
			if c.holds(uint8(in.bits(12, 4))) {
				return full(c, in)
			}
			c.setFlags(uint8(in.bits(0, 4)))
			return true
		}
	}
	all := []opcode{{name: "FCSEL", pattern: "00011110 0f1mmmmm cccc11nn nnnddddd", lower: sizedFloatScalar, run: operationFloatSelect}}
	for e, name := range []string{"FCMP", "FCMPE"} {
		all = append(all,
			opcode{name: name, pattern: pattern("00011110 0f1mmmmm 001000nn nnn%b0000", e), form: float, lower: sizedFloatScalar, run: compare(e == 1, false)},
			opcode{name: name + " (zero)", pattern: pattern("00011110 0f1xxxxx 001000nn nnn%b1000", e), form: float, lower: sizedFloatScalar, run: compare(e == 1, true)},
			opcode{name: "FCC" + name[2:], pattern: pattern("00011110 0f1mmmmm cccc01nn nnn%bvvvv", e), form: float, lower: sizedFloatScalar, run: conditional(e == 1)},
		)
	}
	return all
}

func operationFloatSelect(c *CPU, in *inst) bool {
	from := in.m
	if c.holds(uint8(in.bits(12, 4))) {
		from = in.n
	}
	c.v[in.d&31] = word128{c.v[from&31][0] & ones(in.size)}
	return true
}

func operationFloatImmediate(c *CPU, in *inst) bool {
	c.v[in.d&31] = word128{in.imm}
	return true
}

// floatMoveOpcodes move between registers and bring constants.
func floatMoveOpcodes() []opcode {
	toGeneral := func(c *CPU, in *inst) bool {
		c.r[in.d&regMask] = c.v[in.n&31][in.extra&1] & ones(in.size)
		return true
	}
	fromGeneral := func(c *CPU, in *inst) bool {
		c.v[in.d&31] = word128{c.r[in.n&regMask] & ones(in.size)}
		return true
	}
	toUpper := func(c *CPU, in *inst) bool {
		c.v[in.d&31][1] = c.r[in.n&regMask]
		return true
	}
	general := func(size, upper uint8) func(in *inst) bool {
		return func(in *inst) bool {
			in.d, in.size, in.extra = target(in.d), size, upper
			return true
		}
	}
	sized := func(size uint8) func(in *inst) bool {
		return func(in *inst) bool {
			in.size = size
			return true
		}
	}
	return []opcode{
		{name: "FMOV (immediate)", pattern: "00011110 0f1iiiii iii10000 000ddddd", run: operationFloatImmediate, lower: func(in *inst) bool {
			in.imm = expandFloat(2+uint8(in.bit(22)), uint64(in.bits(13, 8)))
			return true
		}},
		{name: "FMOV (general)", pattern: "00011110 00100110 000000nn nnnddddd", lower: general(2, 0), run: toGeneral},
		{name: "FMOV (general)", pattern: "10011110 01100110 000000nn nnnddddd", lower: general(3, 0), run: toGeneral},
		{name: "FMOV (general)", pattern: "10011110 10101110 000000nn nnnddddd", lower: general(3, 1), run: toGeneral},
		{name: "FMOV (general)", pattern: "00011110 00100111 000000nn nnnddddd", lower: sized(2), run: fromGeneral},
		{name: "FMOV (general)", pattern: "10011110 01100111 000000nn nnnddddd", lower: sized(3), run: fromGeneral},
		{name: "FMOV (general)", pattern: "10011110 10101111 000000nn nnnddddd", lower: sized(3), run: toUpper},
	}
}

// floatIntegerOpcodes convert between floating point and integers in general
// registers. imm is how many bits are behind the binary point.
func floatIntegerOpcodes() []opcode {
	var all []opcode
	for mode, e := range []struct {
		letter   string
		rounding ieee.Rounding
	}{{"N", ieee.Nearest}, {"P", ieee.Up}, {"M", ieee.Down}, {"Z", ieee.Zero}, {"A", ieee.Away}} {
		for u, sign := range []string{"S", "U"} {
			rmode, code := mode, u
			if mode == 4 { // ties away have another opcode
				rmode, code = 0, 4+u
			}
			all = append(all, opcode{
				name: "FCVT" + e.letter + sign + " (scalar, integer)", pattern: pattern("x0011110 0f1%02b%03b 000000nn nnnddddd", rmode, code), form: float,
				lower: floatInteger, run: floatToInteger(e.rounding, u == 1),
			})
		}
	}
	for u, sign := range []string{"S", "U"} {
		all = append(all,
			opcode{name: sign + "CVTF (scalar, integer)", pattern: pattern("x0011110 0f100%03b 000000nn nnnddddd", 2+u), form: float, lower: integerFloat, run: integerToFloat(u == 1)},
			opcode{name: sign + "CVTF (scalar, fixed-point)", pattern: pattern("x0011110 0f000%03b ssssssnn nnnddddd", 2+u), form: float, lower: withScale(integerFloat), run: integerToFloat(u == 1)},
			opcode{
				name: "FCVTZ" + sign + " (scalar, fixed-point)", pattern: pattern("x0011110 0f011%03b ssssssnn nnnddddd", u), form: float, lower: withScale(floatInteger),
				run: floatToInteger(ieee.Zero, u == 1),
			},
		)
	}
	return all
}

// floatInteger and integerFloat are lower functions: op is the integer's size
// as size is that of the number.
func floatInteger(in *inst) bool {
	in.d = target(in.d)
	return integerFloat(in)
}

func integerFloat(in *inst) bool {
	in.size, in.op, in.imm = 2+uint8(in.bit(22)), 2+uint8(in.bit(31)), 0
	return true
}

// withScale takes the fixed-point position in.
func withScale(lower func(in *inst) bool) func(in *inst) bool {
	return func(in *inst) bool {
		lower(in)
		in.imm = uint64(64 - in.bits(10, 6))
		return in.bit(31) != 0 || in.imm <= 32
	}
}

func floatToInteger(r ieee.Rounding, unsigned bool) operation {
	return func(c *CPU, in *inst) bool {
		u := c.unit()
		c.r[in.d&regMask] = u.ToInteger(ieee.Format(in.size-2), c.v[in.n&31][0]&ones(in.size), width(in.op), unsigned, int(in.imm), r)
		c.fpsr = uint64(u.FPSR)
		return true
	}
}

func integerToFloat(unsigned bool) operation {
	return func(c *CPU, in *inst) bool {
		u := c.unit()
		c.v[in.d&31] = word128{u.FromInteger(ieee.Format(in.size-2), c.r[in.n&regMask]&ones(in.op), width(in.op), unsigned, int(in.imm))}
		c.fpsr = uint64(u.FPSR)
		return true
	}
}
