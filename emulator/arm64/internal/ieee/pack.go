package ieee

import "math/bits"

// unpack takes an operand apart; denormal ones are flushed to zero where FPCR
// says so (FPUnpack).
func (u *Unit) unpack(f Format, a uint64) number {
	n := number{negative: a&f.sign() != 0}
	fraction := a & (1<<f.fraction() - 1)
	exponent := a >> f.fraction() & f.exponents()
	switch {
	case exponent == f.exponents() && (f != Half || u.FPCR&AlternativeHalf == 0):
		switch {
		case fraction == 0:
			n.class = isInfinite
		case fraction&f.quiet() != 0:
			n.class = isQuiet
		default:
			n.class = isSignaling
		}
	case exponent != 0:
		n.class = isFinite
		n.exponent = int(exponent) - f.bias()
		n.mantissa = (1<<f.fraction() | fraction) << (63 - f.fraction())
	case fraction == 0:
	case f != Half && u.FPCR&FlushToZero != 0:
		u.flag(InputDenormal)
	default:
		n.class = isFinite
		shift := bits.LeadingZeros64(fraction)
		n.mantissa = fraction << shift
		n.exponent = 1 - f.bias() - int(f.fraction()) + 63 - shift
	}
	return n
}

// shiftJam shifts right; what falls out is kept as the last bit.
func shiftJam(v uint64, n int) uint64 {
	if n == 0 {
		return v
	}
	if n > 63 {
		if v != 0 {
			return 1
		}
		return 0
	}
	r := v >> n
	if r<<n != v {
		r |= 1
	}
	return r
}

// roundUp reports whether a magnitude grows when it is rounded: rest is what is
// cut off, half the middle of it.
func (r Rounding) roundUp(negative, odd bool, rest, half uint64) bool {
	switch r {
	case Nearest:
		return rest > half || rest == half && odd
	case Up:
		return rest != 0 && !negative
	case Down:
		return rest != 0 && negative
	case Away:
		return rest >= half
	}
	return false
}

// round makes a finite number that is not zero one of a format (FPRound). The
// last bit of the mantissa stands for whatever is behind it.
func (u *Unit) round(f Format, n number, r Rounding) uint64 {
	sign := f.signed(n.negative)
	biased := n.exponent + f.bias()
	mantissa := n.mantissa
	if biased <= 0 {
		if f != Half && u.FPCR&FlushToZero != 0 {
			u.flag(Underflow)
			return sign
		}
		mantissa = shiftJam(mantissa, 1-biased)
		biased = 0
	}
	cut := 63 - f.fraction()
	rest, half := mantissa&(1<<cut-1), uint64(1)<<(cut-1)
	kept := mantissa >> cut
	if biased == 0 && rest != 0 {
		u.flag(Underflow)
	}
	if r.roundUp(n.negative, kept&1 != 0, rest, half) {
		kept++
	}
	if r == Odd && rest != 0 {
		kept |= 1
	}
	// The leading bit of kept adds one to the exponent, as does a carry.
	var v uint64
	if biased == 0 {
		v = kept
	} else {
		v = uint64(biased-1)<<f.fraction() + kept
	}
	if f == Half && u.FPCR&AlternativeHalf != 0 {
		if v >= f.sign() {
			u.flag(InvalidOperation)
			return sign | (f.sign() - 1)
		}
	} else if v >= f.infinity() {
		return sign | u.overflow(f, n.negative, r)
	}
	if rest != 0 {
		u.flag(Inexact)
	}
	return sign | v
}

// overflow is the magnitude of what is too large.
func (u *Unit) overflow(f Format, negative bool, r Rounding) uint64 {
	u.flag(Overflow | Inexact)
	if r == Zero || r == Odd || r == Up && negative || r == Down && !negative {
		return f.largest()
	}
	return f.infinity()
}

// zero is the sign of an exact zero that is a sum.
func (u *Unit) zero(f Format) uint64 { return f.signed(u.Rounding() == Down) }

// invalid is the result of an invalid operation.
func (u *Unit) invalid(f Format) uint64 {
	u.flag(InvalidOperation)
	return f.defaultNaN()
}

// nan is what comes of a NaN (FPProcessNaN).
func (u *Unit) nan(f Format, a uint64, c class) uint64 {
	if c == isSignaling {
		u.flag(InvalidOperation)
		a |= f.quiet()
	}
	if u.FPCR&DefaultNaN != 0 {
		return f.defaultNaN()
	}
	return a
}

// nans is the result where one of the operands is a NaN: signaling ones first
// (FPProcessNaNs).
func (u *Unit) nans(f Format, a, b uint64, ca, cb class) (uint64, bool) {
	switch {
	case ca == isSignaling:
		return u.nan(f, a, ca), true
	case cb == isSignaling:
		return u.nan(f, b, cb), true
	case ca == isQuiet:
		return u.nan(f, a, ca), true
	case cb == isQuiet:
		return u.nan(f, b, cb), true
	}
	return 0, false
}
