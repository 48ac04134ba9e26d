package arm64

import "github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"

// Lanes of floating-point operations.

func floatAdd(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.Add(f, a, b) }
func floatSub(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.Sub(f, a, b) }
func floatMul(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.Mul(f, a, b) }
func floatDiv(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.Div(f, a, b) }
func floatMax(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.Max(f, a, b) }
func floatMin(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.Min(f, a, b) }

func floatMaxNumber(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.MaxNumber(f, a, b) }
func floatMinNumber(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.MinNumber(f, a, b) }

func floatMulExtended(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 {
	return u.MulExtended(f, a, b)
}

func floatMulNegated(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 {
	return f.Negate(u.Mul(f, a, b))
}

func floatMulAdd(u *ieee.Unit, f ieee.Format, d, a, b uint64) uint64 { return u.MulAdd(f, d, a, b) }

func floatMulSub(u *ieee.Unit, f ieee.Format, d, a, b uint64) uint64 {
	return u.MulAdd(f, d, f.Negate(a), b)
}

func floatDifference(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 {
	return f.Abs(u.Sub(f, a, b))
}

func floatRecipStep(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.RecipStep(f, a, b) }
func floatRSqrtStep(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 { return u.RSqrtStep(f, a, b) }

func floatEqual(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 {
	return allOnes(u.Equal(f, a, b))
}

func floatGreaterEqual(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 {
	return allOnes(u.GreaterEqual(f, a, b))
}

func floatGreater(u *ieee.Unit, f ieee.Format, _, a, b uint64) uint64 {
	return allOnes(u.Greater(f, a, b))
}

// absolute makes a comparison one of magnitudes.
func absolute(g floatLane) floatLane {
	return func(u *ieee.Unit, f ieee.Format, d, a, b uint64) uint64 { return g(u, f, d, f.Abs(a), f.Abs(b)) }
}

// threeSameFloat is an instruction of two registers of floating-point numbers.
type threeSameFloat struct {
	name    string
	u, a    int // a is bit 23
	code    int
	scalars bool
	lane    floatLane
	pairs   bool
}

var threeSameFloats = []threeSameFloat{
	{"FMAXNM (vector)", 0, 0, 24, false, floatMaxNumber, false},
	{"FMLA (vector)", 0, 0, 25, false, floatMulAdd, false},
	{"FADD (vector)", 0, 0, 26, false, floatAdd, false},
	{"FMULX", 0, 0, 27, true, floatMulExtended, false},
	{"FCMEQ (register)", 0, 0, 28, true, floatEqual, false},
	{"FMAX (vector)", 0, 0, 30, false, floatMax, false},
	{"FRECPS", 0, 0, 31, true, floatRecipStep, false},
	{"FMINNM (vector)", 0, 1, 24, false, floatMinNumber, false},
	{"FMLS (vector)", 0, 1, 25, false, floatMulSub, false},
	{"FSUB (vector)", 0, 1, 26, false, floatSub, false},
	{"FMIN (vector)", 0, 1, 30, false, floatMin, false},
	{"FRSQRTS", 0, 1, 31, true, floatRSqrtStep, false},
	{"FMAXNMP (vector)", 1, 0, 24, false, floatMaxNumber, true},
	{"FADDP (vector)", 1, 0, 26, false, floatAdd, true},
	{"FMUL (vector)", 1, 0, 27, false, floatMul, false},
	{"FCMGE (register)", 1, 0, 28, true, floatGreaterEqual, false},
	{"FACGE", 1, 0, 29, true, absolute(floatGreaterEqual), false},
	{"FMAXP (vector)", 1, 0, 30, false, floatMax, true},
	{"FDIV (vector)", 1, 0, 31, false, floatDiv, false},
	{"FMINNMP (vector)", 1, 1, 24, false, floatMinNumber, true},
	{"FABD", 1, 1, 26, true, floatDifference, false},
	{"FCMGT (register)", 1, 1, 28, true, floatGreater, false},
	{"FACGT", 1, 1, 29, true, absolute(floatGreater), false},
	{"FMINP (vector)", 1, 1, 30, false, floatMin, true},
}

func threeSameFloatOpcodes() []opcode {
	var all []opcode
	for _, e := range threeSameFloats {
		run := lanes(e.lane.lane())
		if e.pairs {
			run = pairs(e.lane.lane())
		}
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01110 %bz1mmmmm %05b1nn nnnddddd", e.u, e.a, e.code), form: float, lower: sizedFloat, run: run})
		if e.scalars {
			all = append(all, opcode{
				name: e.name + ", scalar", pattern: pattern("01%b11110 %bz1mmmmm %05b1nn nnnddddd", e.u, e.a, e.code), form: float,
				lower: sizedFloatScalar, run: scalar(e.lane.lane()),
			})
		}
	}
	return all
}

// roundTo is FRINT*: a negative rounding is FPCR's.
func roundTo(r ieee.Rounding, exact bool) floatLane {
	return func(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 { return u.RoundToIntegral(f, a, r, exact) }
}

// roundCurrent is FRINTI and FRINTX.
func roundCurrent(exact bool) floatLane {
	return func(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 {
		return u.RoundToIntegral(f, a, u.Rounding(), exact)
	}
}

// toInteger is FCVT*: to an integer as wide as the number.
func toInteger(r ieee.Rounding, unsigned bool) floatLane {
	return func(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 {
		return u.ToInteger(f, a, 32<<f, unsigned, 0, r)
	}
}

// fromInteger is SCVTF and UCVTF.
func fromInteger(unsigned bool) floatLane {
	return func(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 {
		return u.FromInteger(f, a, 32<<f, unsigned, 0)
	}
}

// withZero compares with zero; swapped says that zero is the first operand.
func withZero(g floatLane, swapped bool) floatLane {
	return func(u *ieee.Unit, f ieee.Format, d, a, _ uint64) uint64 {
		if swapped {
			return g(u, f, d, 0, a)
		}
		return g(u, f, d, a, 0)
	}
}

func floatAbs(_ *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64    { return f.Abs(a) }
func floatNegate(_ *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 { return f.Negate(a) }
func floatSqrt(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64   { return u.Sqrt(f, a) }

func floatRecip(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 { return u.RecipEstimate(f, a) }
func floatRSqrt(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 { return u.RSqrtEstimate(f, a) }

func floatRecipExponent(u *ieee.Unit, f ieee.Format, _, a, _ uint64) uint64 {
	return u.RecipExponent(f, a)
}

func unsignedRecip(_ *ieee.Unit, _ ieee.Format, _, a, _ uint64) uint64 {
	return uint64(ieee.UnsignedRecipEstimate(uint32(a)))
}

func unsignedRSqrt(_ *ieee.Unit, _ ieee.Format, _, a, _ uint64) uint64 {
	return uint64(ieee.UnsignedRSqrtEstimate(uint32(a)))
}

// Forms that an instruction of one register has.
const (
	vectorForm = 1 << iota
	scalarForm
	singleOnly // URECPE, URSQRTE
)

type twoRegisterFloat struct {
	name  string
	u, a  int
	code  int
	forms uint8
	lane  floatLane
}

const bothForms = vectorForm | scalarForm

var twoRegisterFloats = []twoRegisterFloat{
	{"FRINTN (vector)", 0, 0, 24, vectorForm, roundTo(ieee.Nearest, false)},
	{"FRINTM (vector)", 0, 0, 25, vectorForm, roundTo(ieee.Down, false)},
	{"FCVTNS (vector)", 0, 0, 26, bothForms, toInteger(ieee.Nearest, false)},
	{"FCVTMS (vector)", 0, 0, 27, bothForms, toInteger(ieee.Down, false)},
	{"FCVTAS (vector)", 0, 0, 28, bothForms, toInteger(ieee.Away, false)},
	{"SCVTF (vector, integer)", 0, 0, 29, bothForms, fromInteger(false)},
	{"FCMGT (zero)", 0, 1, 12, bothForms, withZero(floatGreater, false)},
	{"FCMEQ (zero)", 0, 1, 13, bothForms, withZero(floatEqual, false)},
	{"FCMLT (zero)", 0, 1, 14, bothForms, withZero(floatGreater, true)},
	{"FABS (vector)", 0, 1, 15, vectorForm, floatAbs},
	{"FRINTP (vector)", 0, 1, 24, vectorForm, roundTo(ieee.Up, false)},
	{"FRINTZ (vector)", 0, 1, 25, vectorForm, roundTo(ieee.Zero, false)},
	{"FCVTPS (vector)", 0, 1, 26, bothForms, toInteger(ieee.Up, false)},
	{"FCVTZS (vector, integer)", 0, 1, 27, bothForms, toInteger(ieee.Zero, false)},
	{"URECPE", 0, 1, 28, vectorForm | singleOnly, unsignedRecip},
	{"FRECPE", 0, 1, 29, bothForms, floatRecip},
	{"FRECPX", 0, 1, 31, scalarForm, floatRecipExponent},
	{"FRINTA (vector)", 1, 0, 24, vectorForm, roundTo(ieee.Away, false)},
	{"FRINTX (vector)", 1, 0, 25, vectorForm, roundCurrent(true)},
	{"FCVTNU (vector)", 1, 0, 26, bothForms, toInteger(ieee.Nearest, true)},
	{"FCVTMU (vector)", 1, 0, 27, bothForms, toInteger(ieee.Down, true)},
	{"FCVTAU (vector)", 1, 0, 28, bothForms, toInteger(ieee.Away, true)},
	{"UCVTF (vector, integer)", 1, 0, 29, bothForms, fromInteger(true)},
	{"FCMGE (zero)", 1, 1, 12, bothForms, withZero(floatGreaterEqual, false)},
	{"FCMLE (zero)", 1, 1, 13, bothForms, withZero(floatGreaterEqual, true)},
	{"FNEG (vector)", 1, 1, 15, vectorForm, floatNegate},
	{"FRINTI (vector)", 1, 1, 25, vectorForm, roundCurrent(false)},
	{"FCVTPU (vector)", 1, 1, 26, bothForms, toInteger(ieee.Up, true)},
	{"FCVTZU (vector, integer)", 1, 1, 27, bothForms, toInteger(ieee.Zero, true)},
	{"URSQRTE", 1, 1, 28, vectorForm | singleOnly, unsignedRSqrt},
	{"FRSQRTE", 1, 1, 29, bothForms, floatRSqrt},
	{"FSQRT (vector)", 1, 1, 31, vectorForm, floatSqrt},
}

func twoRegisterFloatOpcodes() []opcode {
	var all []opcode
	for _, e := range twoRegisterFloats {
		if e.forms&vectorForm != 0 {
			z := "z"
			if e.forms&singleOnly != 0 {
				z = "0"
			}
			all = append(all, opcode{
				name: e.name, pattern: pattern("0q%b01110 %b%s10000%b %04b10nn nnnddddd", e.u, e.a, z, e.code>>4, e.code&15), form: float,
				lower: sizedFloat, run: lanes(e.lane.lane()),
			})
		}
		if e.forms&scalarForm != 0 {
			all = append(all, opcode{
				name: e.name + ", scalar", pattern: pattern("01%b11110 %bz10000%b %04b10nn nnnddddd", e.u, e.a, e.code>>4, e.code&15), form: float,
				lower: sizedFloatScalar, run: scalar(e.lane.lane()),
			})
		}
	}
	return append(all, convertOpcodes()...)
}

// convertOpcodes change the size of floating-point numbers.
func convertOpcodes() []opcode {
	halves := func(in *inst) bool { // of what is narrow
		in.size, in.extra = 1+uint8(in.bit(22)), uint8(in.bit(30))
		return true
	}
	return []opcode{
		{name: "FCVTN", pattern: "0q001110 0z100001 011010nn nnnddddd", form: float, lower: halves, run: floatNarrow((*ieee.Unit).Convert)},
		{name: "FCVTXN", pattern: "0q101110 01100001 011010nn nnnddddd", form: float, lower: halves, run: floatNarrow((*ieee.Unit).ConvertOdd)},
		{name: "FCVTXN, scalar", pattern: "01111110 01100001 011010nn nnnddddd", form: float, run: operationConvertOddScalar},
		{name: "FCVTL", pattern: "0q001110 0z100001 011110nn nnnddddd", form: float, lower: halves, run: operationFloatWiden},
	}
}

func floatNarrow(convert func(u *ieee.Unit, from, to ieee.Format, a uint64) uint64) operation {
	return func(c *CPU, in *inst) bool {
		u := c.unit()
		n := c.v[in.n&31]
		var r word128
		for i := range 4 >> (in.size & 3) * 2 {
			r.put(in.size, i, convert(&u, formats[(in.size+1)&3], formats[in.size&3], n.element(in.size+1, i)))
		}
		c.fpsr = uint64(u.FPSR)
		c.narrowed(in, r[0])
		return true
	}
}

func operationConvertOddScalar(c *CPU, in *inst) bool {
	u := c.unit()
	c.v[in.d&31] = word128{u.ConvertOdd(ieee.Double, ieee.Single, c.v[in.n&31][0])}
	c.fpsr = uint64(u.FPSR)
	return true
}

func operationFloatWiden(c *CPU, in *inst) bool {
	u := c.unit()
	n := word128{c.v[in.n&31][in.extra&1]}
	var r word128
	for i := range 4 >> (in.size & 3) * 2 {
		r.put(in.size+1, i, u.Convert(formats[in.size&3], formats[(in.size+1)&3], n.element(in.size, i)))
	}
	c.fpsr = uint64(u.FPSR)
	c.v[in.d&31] = r
	return true
}
