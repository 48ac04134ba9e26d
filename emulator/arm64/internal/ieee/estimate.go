package ieee

// RecipEstimate is FRECPE (FPRecipEstimate).
func (u *Unit) RecipEstimate(f Format, a uint64) uint64 {
	n := u.unpack(f, a)
	sign := f.signed(n.negative)
	switch {
	case n.class.nan():
		return u.nan(f, a, n.class)
	case n.class == isInfinite:
		return sign
	case n.class == isZero:
		u.flag(DivideByZero)
		return sign | f.infinity()
	case n.exponent < -f.bias()-1: // below 2^-128, 2^-1024
		return sign | u.overflow(f, n.negative, u.Rounding())
	case n.exponent >= f.bias()-1 && u.FPCR&FlushToZero != 0:
		u.flag(Underflow)
		return sign
	}
	estimate := recipEstimate(n.mantissa>>55) & 0xff << 44
	exponent := -n.exponent - 1 + f.bias()
	switch exponent {
	case 0:
		estimate = 1<<51 | estimate>>1
	case -1:
		estimate = 1<<50 | estimate>>2
		exponent = 0
	}
	return sign | uint64(exponent)<<f.fraction() | estimate>>(52-f.fraction())
}

// recipEstimate is RecipEstimate of the manual: of 256..511.
func recipEstimate(a uint64) uint64 { return (1<<19/(2*a+1) + 1) / 2 }

// RSqrtEstimate is FRSQRTE (FPRSqrtEstimate).
func (u *Unit) RSqrtEstimate(f Format, a uint64) uint64 {
	n := u.unpack(f, a)
	switch {
	case n.class.nan():
		return u.nan(f, a, n.class)
	case n.class == isZero:
		u.flag(DivideByZero)
		return f.signed(n.negative) | f.infinity()
	case n.negative:
		return u.invalid(f)
	case n.class == isInfinite:
		return 0
	}
	scaled := n.mantissa >> 55
	biased := n.exponent + f.bias()
	if biased&1 != 0 {
		scaled >>= 1
	}
	// 3 * bias - 1 is 380 for single, 3068 for double.
	exponent := (3*f.bias() - 1 - biased) >> 1
	return uint64(exponent)<<f.fraction() | recipSqrtEstimate(scaled)&0xff<<(f.fraction()-8)
}

// recipSqrtEstimate is RecipSqrtEstimate of the manual: of 128..511.
func recipSqrtEstimate(a uint64) uint64 {
	if a < 256 {
		a = 2*a + 1
	} else {
		a = a&^1 + 1
		a *= 2
	}
	b := uint64(512)
	for a*(b+1)*(b+1) < 1<<28 {
		b++
	}
	return (b + 1) / 2
}

// RecipExponent is FRECPX (FPRecpX).
func (u *Unit) RecipExponent(f Format, a uint64) uint64 {
	n := u.unpack(f, a)
	if n.class.nan() {
		return u.nan(f, a, n.class)
	}
	sign, exponent := a&f.sign(), a&f.infinity()
	if exponent == 0 {
		return sign | (f.exponents()-1)<<f.fraction()
	}
	return sign | exponent ^ f.infinity()
}

// UnsignedRecipEstimate is URECPE.
func UnsignedRecipEstimate(a uint32) uint32 {
	if a>>31 == 0 {
		return ^uint32(0)
	}
	return uint32(recipEstimate(uint64(a>>23)) << 23)
}

// UnsignedRSqrtEstimate is URSQRTE.
func UnsignedRSqrtEstimate(a uint32) uint32 {
	if a>>30 == 0 {
		return ^uint32(0)
	}
	return uint32(recipSqrtEstimate(uint64(a>>23)) << 23)
}
