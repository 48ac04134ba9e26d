package ieee

// Bits of FPCR (DDI 0487 C5.2.8).
const (
	AlternativeHalf = 1 << 26 // AHP
	DefaultNaN      = 1 << 25 // DN
	FlushToZero     = 1 << 24 // FZ
	roundingShift   = 22      // RMode
)

// Bits of FPSR (DDI 0487 C5.2.9).
const (
	InvalidOperation = 1 << 0
	DivideByZero     = 1 << 1
	Overflow         = 1 << 2
	Underflow        = 1 << 3
	Inexact          = 1 << 4
	InputDenormal    = 1 << 7
	Saturated        = 1 << 27 // QC, of integer arithmetic
)

// Rounding is a way to round. The first four are as FPCR.RMode has them.
type Rounding uint8

// Ways to round.
const (
	Nearest Rounding = iota // ties to even
	Up
	Down
	Zero
	Away // to nearest, ties away from zero
	Odd  // of FCVTXN: an inexact result gets an odd last bit
)

// Unit is what arithmetic depends on, and what it leaves beside its result.
type Unit struct {
	FPCR, FPSR uint32
}

// Rounding is FPCR's.
func (u *Unit) Rounding() Rounding { return Rounding(u.FPCR >> roundingShift & 3) }

func (u *Unit) flag(f uint32) { u.FPSR |= f }

// Format is a format of numbers, as the field ftype of instructions has it.
type Format uint8

// Formats.
const (
	Single Format = 0
	Double Format = 1
	Half   Format = 3
)

// shape is what a format is made of.
type shape struct {
	exponent, fraction uint // bits
}

var shapes = [4]shape{Single: {8, 23}, Double: {11, 52}, Half: {5, 10}}

func (f Format) fraction() uint     { return shapes[f&3].fraction }
func (f Format) exponents() uint64  { return 1<<shapes[f&3].exponent - 1 } // of infinity
func (f Format) sign() uint64       { return 1 << (shapes[f&3].exponent + shapes[f&3].fraction) }
func (f Format) bias() int          { return 1<<(shapes[f&3].exponent-1) - 1 }
func (f Format) infinity() uint64   { return f.exponents() << f.fraction() }
func (f Format) largest() uint64    { return f.infinity() - 1 }
func (f Format) quiet() uint64      { return 1 << (f.fraction() - 1) }
func (f Format) defaultNaN() uint64 { return f.infinity() | f.quiet() }
func (f Format) signed(s bool) uint64 {
	if s {
		return f.sign()
	}
	return 0
}

// Negate and Abs change the sign, of NaNs too.
func (f Format) Negate(a uint64) uint64 { return a ^ f.sign() }

// Abs takes the sign away, of NaNs too.
func (f Format) Abs(a uint64) uint64 { return a &^ f.sign() }

// class is what kind of number a pattern is.
type class uint8

const (
	isZero class = iota
	isFinite
	isInfinite
	isQuiet     // a quiet NaN
	isSignaling // a signaling NaN
)

func (c class) nan() bool { return c >= isQuiet }

// number is a number taken apart. A finite one that is not zero is mantissa /
// 2^63 * 2^exponent, with the highest bit of the mantissa set.
type number struct {
	class    class
	negative bool
	exponent int
	mantissa uint64
}
