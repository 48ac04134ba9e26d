package ieee

// MulAdd is c + a*b with one rounding (FPMulAdd).
func (u *Unit) MulAdd(f Format, c, a, b uint64) uint64 {
	if r, ok := u.fastMulAdd(f, c, a, b); ok {
		return r
	}
	z, x, y := u.unpack(f, c), u.unpack(f, a), u.unpack(f, b)
	noProduct := x.class == isInfinite && y.class == isZero || x.class == isZero && y.class == isInfinite
	if z.class.nan() || x.class.nan() || y.class.nan() {
		r := u.nans3(f, [3]uint64{c, a, b}, [3]class{z.class, x.class, y.class})
		if z.class == isQuiet && noProduct {
			return u.invalid(f)
		}
		return r
	}
	negative := x.negative != y.negative
	infinite := x.class == isInfinite || y.class == isInfinite
	switch {
	case noProduct, z.class == isInfinite && infinite && z.negative != negative:
		return u.invalid(f)
	case z.class == isInfinite:
		return f.signed(z.negative) | f.infinity()
	case infinite:
		return f.signed(negative) | f.infinity()
	}
	if x.class == isZero || y.class == isZero {
		if z.class == isZero {
			if z.negative == negative {
				return f.signed(negative)
			}
			return u.zero(f)
		}
		return u.round(f, z, u.Rounding())
	}
	s, ok := sum(wide(z), product(x, y))
	if !ok {
		return u.zero(f)
	}
	return u.round(f, s.narrow(), u.Rounding())
}

// nans3 is the result where one of three operands is a NaN (FPProcessNaNs3).
func (u *Unit) nans3(f Format, operands [3]uint64, classes [3]class) uint64 {
	for _, want := range [2]class{isSignaling, isQuiet} {
		for i, c := range classes {
			if c == want {
				return u.nan(f, operands[i], c)
			}
		}
	}
	return 0
}

// RecipStep is 2 - a*b, with one rounding (FPRecipStepFused).
func (u *Unit) RecipStep(f Format, a, b uint64) uint64 { return u.step(f, a, b, 2) }

// RSqrtStep is (3 - a*b) / 2, with one rounding (FPRSqrtStepFused).
func (u *Unit) RSqrtStep(f Format, a, b uint64) uint64 { return u.step(f, a, b, 3) }

func (u *Unit) step(f Format, a, b uint64, from int) uint64 {
	a = f.Negate(a)
	x, y := u.unpack(f, a), u.unpack(f, b)
	if r, is := u.nans(f, a, b, x.class, y.class); is {
		return r
	}
	constant := number{isFinite, false, 1, 1 << 63} // 2
	half := 0
	if from == 3 {
		constant.mantissa |= 1 << 62
		half = 1
	}
	negative := x.negative != y.negative
	switch {
	case x.class == isZero || y.class == isZero: // the other may be infinite
		constant.exponent -= half
		return u.round(f, constant, u.Rounding())
	case x.class == isInfinite || y.class == isInfinite:
		return f.signed(negative) | f.infinity()
	}
	s, ok := sum(wide(constant), product(x, y))
	if !ok {
		return u.zero(f)
	}
	s.exponent -= half
	return u.round(f, s.narrow(), u.Rounding())
}
