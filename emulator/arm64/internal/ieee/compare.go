package ieee

// Flags of a comparison: NZCV, in bits 3 to 0.
const (
	flagsLess      = 0b1000
	flagsEqual     = 0b0110
	flagsGreater   = 0b0010
	flagsUnordered = 0b0011
)

// order compares magnitudes and signs of operands that are not NaNs: -1, 0, 1.
func order(f Format, a, b uint64, x, y number) int {
	if x.class == isZero && y.class == isZero {
		return 0
	}
	value := func(a uint64, n number) int64 {
		if n.class == isZero {
			return 0
		}
		if n.negative {
			return -int64(f.Abs(a))
		}
		return int64(f.Abs(a))
	}
	switch v, w := value(a, x), value(b, y); {
	case v < w:
		return -1
	case v > w:
		return 1
	}
	return 0
}

// Compare gives NZCV, in bits 3 to 0 (FPCompare). signals says that quiet NaNs
// are invalid too.
func (u *Unit) Compare(f Format, a, b uint64, signals bool) uint8 {
	x, y := u.unpack(f, a), u.unpack(f, b)
	if x.class.nan() || y.class.nan() {
		if signals || x.class == isSignaling || y.class == isSignaling {
			u.flag(InvalidOperation)
		}
		return flagsUnordered
	}
	switch order(f, a, b, x, y) {
	case -1:
		return flagsLess
	case 0:
		return flagsEqual
	}
	return flagsGreater
}

// Equal, GreaterEqual and Greater compare for a mask. NaNs are not equal to
// anything, and invalid where order matters.
func (u *Unit) Equal(f Format, a, b uint64) bool { return u.Compare(f, a, b, false) == flagsEqual }

// GreaterEqual is a >= b.
func (u *Unit) GreaterEqual(f Format, a, b uint64) bool {
	r := u.Compare(f, a, b, true)
	return r == flagsEqual || r == flagsGreater
}

// Greater is a > b.
func (u *Unit) Greater(f Format, a, b uint64) bool { return u.Compare(f, a, b, true) == flagsGreater }

// Max and Min give the larger or smaller one; a NaN where there is one.
func (u *Unit) Max(f Format, a, b uint64) uint64 { return u.extreme(f, a, b, 1) }

// Min is the smaller one.
func (u *Unit) Min(f Format, a, b uint64) uint64 { return u.extreme(f, a, b, -1) }

func (u *Unit) extreme(f Format, a, b uint64, which int) uint64 {
	x, y := u.unpack(f, a), u.unpack(f, b)
	if r, is := u.nans(f, a, b, x.class, y.class); is {
		return r
	}
	if x.class == isZero && y.class == isZero {
		if which > 0 {
			return f.signed(x.negative && y.negative)
		}
		return f.signed(x.negative || y.negative)
	}
	chosen, n := b, y
	if order(f, a, b, x, y) == which {
		chosen, n = a, x
	}
	if n.class == isZero { // what was flushed
		return f.signed(n.negative)
	}
	return chosen
}

// MaxNumber and MinNumber are Max and Min, but prefer numbers to quiet NaNs.
func (u *Unit) MaxNumber(f Format, a, b uint64) uint64 {
	a, b = f.withoutQuiet(a, b, f.sign()|f.infinity())
	return u.Max(f, a, b)
}

// MinNumber is the smaller one; a number rather than a quiet NaN.
func (u *Unit) MinNumber(f Format, a, b uint64) uint64 {
	a, b = f.withoutQuiet(a, b, f.infinity())
	return u.Min(f, a, b)
}

func (f Format) isQuietNaN(a uint64) bool {
	return f.Abs(a) > f.infinity() && a&f.quiet() != 0
}

// withoutQuiet puts a number in the place of the only quiet NaN.
func (f Format) withoutQuiet(a, b, instead uint64) (uint64, uint64) {
	switch qa, qb := f.isQuietNaN(a), f.isQuietNaN(b); {
	case qa && !qb:
		return instead, b
	case qb && !qa:
		return a, instead
	}
	return a, b
}
