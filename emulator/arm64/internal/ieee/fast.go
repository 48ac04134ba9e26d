package ieee

import "math"

// What the computer's own arithmetic does: operands that are neither zero,
// denormal, infinite nor NaN, rounding to nearest, and results of the same kind.
// There only Inexact can be set, and it need not be found out where it is set
// already. Conversions keep the compiler from fusing.

// Exponents of doubles between which what is cut off can be computed exactly:
// neither it nor the result is denormal or infinite.
const (
	lowestSafe  = 1023 - 400
	highestSafe = 1023 + 400
)

func safe64(a uint64) bool {
	e := a >> 52 & 0x7ff
	return e-lowestSafe < highestSafe-lowestSafe
}

func normal32(a uint64) bool { return a>>23&0xff-1 < 0xfe }

func (u *Unit) nearest() bool { return u.FPCR>>roundingShift&3 == 0 }
func (u *Unit) inexact() bool { return u.FPSR&Inexact != 0 }

// finish32 rounds a double that is the exact result, or one of which it is known
// that rounding it again is harmless, to single.
func (u *Unit) finish32(exact float64) (uint64, bool) {
	r := float32(exact)
	v := uint64(math.Float32bits(r))
	if !normal32(v) || v&0x7f800000 == 0x00800000 { // could have been rounded up from a denormal
		return 0, false
	}
	if float64(r) != exact {
		u.flag(Inexact)
	}
	return v, true
}

func single(a uint64) float64 { return float64(math.Float32frombits(uint32(a))) }

func (u *Unit) fastAdd(f Format, a, b uint64) (uint64, bool) {
	if !u.nearest() {
		return 0, false
	}
	switch f {
	case Double:
		if !safe64(a) || !safe64(b) {
			return 0, false
		}
		x, y := math.Float64frombits(a), math.Float64frombits(b)
		s := x + y
		v := math.Float64bits(s)
		if !safe64(v) {
			return 0, false
		}
		if !u.inexact() {
			t := s - x
			if float64(x-float64(s-t))+float64(y-t) != 0 {
				u.flag(Inexact)
			}
		}
		return v, true
	case Single:
		if !normal32(a) || !normal32(b) {
			return 0, false
		}
		x, y := single(a), single(b)
		s := x + y
		if !u.inexact() {
			t := s - x
			if float64(x-float64(s-t))+float64(y-t) != 0 {
				return 0, false
			}
		}
		return u.finish32(s)
	}
	return 0, false
}

func (u *Unit) fastMul(f Format, a, b uint64) (uint64, bool) {
	if !u.nearest() {
		return 0, false
	}
	switch f {
	case Double:
		if !safe64(a) || !safe64(b) {
			return 0, false
		}
		x, y := math.Float64frombits(a), math.Float64frombits(b)
		p := x * y
		v := math.Float64bits(p)
		if !safe64(v) {
			return 0, false
		}
		if !u.inexact() && math.FMA(x, y, -p) != 0 {
			u.flag(Inexact)
		}
		return v, true
	case Single:
		if !normal32(a) || !normal32(b) {
			return 0, false
		}
		return u.finish32(single(a) * single(b)) // exact: 48 bits
	}
	return 0, false
}

func (u *Unit) fastDiv(f Format, a, b uint64) (uint64, bool) {
	if f != Double || !u.nearest() || !safe64(a) || !safe64(b) {
		return 0, false
	}
	x, y := math.Float64frombits(a), math.Float64frombits(b)
	q := x / y
	v := math.Float64bits(q)
	if !safe64(v) {
		return 0, false
	}
	if !u.inexact() && math.FMA(-q, y, x) != 0 {
		u.flag(Inexact)
	}
	return v, true
}

func (u *Unit) fastSqrt(f Format, a uint64) (uint64, bool) {
	if f != Double || !u.nearest() || !safe64(a) || a>>63 != 0 {
		return 0, false
	}
	x := math.Float64frombits(a)
	r := math.Sqrt(x)
	if !u.inexact() && math.FMA(-r, r, x) != 0 {
		u.flag(Inexact)
	}
	return math.Float64bits(r), true
}

// fastMulAdd needs Inexact to be set already: what the computer's FMA cuts off
// is not easily found out.
func (u *Unit) fastMulAdd(f Format, c, a, b uint64) (uint64, bool) {
	if f != Double || !u.nearest() || !u.inexact() || !safe64(a) || !safe64(b) || !safe64(c) {
		return 0, false
	}
	v := math.Float64bits(math.FMA(math.Float64frombits(a), math.Float64frombits(b), math.Float64frombits(c)))
	return v, safe64(v)
}
