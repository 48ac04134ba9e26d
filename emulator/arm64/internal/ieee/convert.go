package ieee

import "math/bits"

// Convert makes a number of one format one of another (FPConvert).
func (u *Unit) Convert(from, to Format, a uint64) uint64 { return u.convert(from, to, a, u.Rounding()) }

// ConvertOdd is Convert rounding to odd: FCVTXN.
func (u *Unit) ConvertOdd(from, to Format, a uint64) uint64 { return u.convert(from, to, a, Odd) }

func (u *Unit) convert(from, to Format, a uint64, r Rounding) uint64 {
	n := u.unpack(from, a)
	alternative := to == Half && u.FPCR&AlternativeHalf != 0
	sign := to.signed(n.negative)
	switch {
	case n.class.nan():
		if n.class == isSignaling || alternative {
			u.flag(InvalidOperation)
		}
		switch {
		case alternative:
			return sign
		case u.FPCR&DefaultNaN != 0:
			return to.defaultNaN()
		}
		payload := a << (64 - from.fraction()) >> (64 - to.fraction())
		return sign | to.infinity() | to.quiet() | payload
	case n.class == isInfinite:
		if alternative {
			u.flag(InvalidOperation)
			return sign | (to.sign() - 1)
		}
		return sign | to.infinity()
	case n.class == isZero:
		return sign
	}
	return u.round(to, n, r)
}

// RoundToIntegral makes a number integral (FPRoundInt). exact says that it is
// inexact where the number was not.
func (u *Unit) RoundToIntegral(f Format, a uint64, r Rounding, exact bool) uint64 {
	n := u.unpack(f, a)
	switch {
	case n.class.nan():
		return u.nan(f, a, n.class)
	case n.class == isInfinite:
		return a
	case n.class == isZero:
		return f.signed(n.negative)
	case n.exponent >= int(f.fraction()):
		return a
	}
	v, rest := n.integer(r)
	if rest && exact {
		u.flag(Inexact)
	}
	if v == 0 {
		return f.signed(n.negative)
	}
	shift := bits.LeadingZeros64(v)
	return u.round(f, number{isFinite, n.negative, 63 - shift, v << shift}, Zero)
}

// integer is a finite number's magnitude, rounded: its exponent is below 64.
// rest says that it was not integral.
func (n number) integer(r Rounding) (v uint64, rest bool) {
	if n.exponent == 63 {
		return n.mantissa, false
	}
	// The mantissa as 64 bits before the point and 64 behind it.
	cut := 63 - n.exponent
	var low uint64
	switch {
	case cut < 64:
		v, low = n.mantissa>>cut, n.mantissa<<(64-cut)
	default:
		low = shiftJam(n.mantissa, cut-64)
	}
	if r.roundUp(n.negative, v&1 != 0, low, 1<<63) {
		v++
	}
	return v, low != 0
}

// ToInteger makes a number an integer of width bits, multiplied by 2^fraction
// before: what does not fit is invalid, and becomes the nearest that does
// (FPToFixed).
func (u *Unit) ToInteger(f Format, a uint64, width uint, unsigned bool, fraction int, r Rounding) uint64 {
	n := u.unpack(f, a)
	lowest, highest := uint64(0), uint64(1)<<(width-1)<<1-1
	if !unsigned {
		lowest, highest = 1<<(width-1), uint64(1)<<(width-1)-1
	}
	limit := func() uint64 {
		u.flag(InvalidOperation)
		if n.negative {
			return lowest
		}
		return highest
	}
	switch {
	case n.class.nan():
		u.flag(InvalidOperation)
		return 0
	case n.class == isZero:
		return 0
	case n.class == isInfinite:
		return limit()
	}
	n.exponent += fraction
	if n.exponent > 63 {
		return limit()
	}
	v, rest := n.integer(r)
	switch {
	case unsigned && n.negative && v != 0, v > highest && !n.negative, !unsigned && n.negative && v > lowest:
		return limit()
	}
	if rest {
		u.flag(Inexact)
	}
	if n.negative {
		v = -v
	}
	return v & (uint64(1)<<(width-1)<<1 - 1)
}

// FromInteger makes an integer of width bits a number, divided by 2^fraction
// (FixedToFP).
func (u *Unit) FromInteger(f Format, v uint64, width uint, unsigned bool, fraction int) uint64 {
	n := number{class: isFinite}
	v <<= 64 - width
	if !unsigned && v>>63 != 0 {
		n.negative = true
		v = -v
	}
	if v == 0 {
		return 0
	}
	shift := bits.LeadingZeros64(v)
	n.mantissa, n.exponent = v<<shift, int(width)-1-shift-fraction
	return u.round(f, n, u.Rounding())
}
