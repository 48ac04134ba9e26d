package ieee

import "math/bits"

// Add is a + b.
func (u *Unit) Add(f Format, a, b uint64) uint64 {
	if r, ok := u.fastAdd(f, a, b); ok {
		return r
	}
	x, y := u.unpack(f, a), u.unpack(f, b)
	if r, is := u.nans(f, a, b, x.class, y.class); is {
		return r
	}
	return u.add(f, x, y)
}

// Sub is a - b.
func (u *Unit) Sub(f Format, a, b uint64) uint64 {
	if r, ok := u.fastAdd(f, a, f.Negate(b)); ok {
		return r
	}
	x, y := u.unpack(f, a), u.unpack(f, b)
	if r, is := u.nans(f, a, b, x.class, y.class); is {
		return r
	}
	y.negative = !y.negative
	return u.add(f, x, y)
}

func (u *Unit) add(f Format, x, y number) uint64 {
	switch {
	case x.class == isInfinite && y.class == isInfinite && x.negative != y.negative:
		return u.invalid(f)
	case x.class == isInfinite:
		return f.signed(x.negative) | f.infinity()
	case y.class == isInfinite:
		return f.signed(y.negative) | f.infinity()
	case x.class == isZero && y.class == isZero && x.negative == y.negative:
		return f.signed(x.negative)
	}
	s, ok := sum(wide(x), wide(y))
	if !ok {
		return u.zero(f)
	}
	return u.round(f, s.narrow(), u.Rounding())
}

// number128 is a number with a mantissa of 128 bits; 0 is zero.
type number128 struct {
	negative  bool
	exponent  int
	high, low uint64
}

func wide(n number) number128 {
	return number128{n.negative, n.exponent, n.mantissa, 0}
}

// narrow keeps the highest 64 bits, and of the others that there are some.
func (n number128) narrow() number {
	if n.low != 0 {
		n.high |= 1
	}
	return number{isFinite, n.negative, n.exponent, n.high}
}

// right shifts right; what falls out is kept as the last bit.
func (n *number128) right(by int) {
	n.exponent += by
	switch {
	case by == 0:
	case by >= 128:
		if n.high|n.low != 0 {
			n.low = 1
		}
		n.high = 0
	case by >= 64:
		lost := n.low
		n.low = shiftJam(n.high, by-64)
		if lost != 0 {
			n.low |= 1
		}
		n.high = 0
	default:
		lost := n.low << (64 - by)
		n.low = n.low>>by | n.high<<(64-by)
		if lost != 0 {
			n.low |= 1
		}
		n.high >>= by
	}
}

// normalise shifts left until the highest bit is set.
func (n *number128) normalise() {
	if n.high == 0 {
		n.high, n.low = n.low, 0
		n.exponent -= 64
	}
	if s := bits.LeadingZeros64(n.high); s > 0 {
		n.high = n.high<<s | n.low>>(64-s)
		n.low <<= s
		n.exponent -= s
	}
}

// sum adds exactly, but for what a jammed last bit stands for. False is an exact
// zero. The lowest two bits of operands are free.
func sum(x, y number128) (number128, bool) {
	if x.high == 0 {
		return y, y.high != 0
	}
	if y.high == 0 {
		return x, true
	}
	if x.exponent < y.exponent || x.exponent == y.exponent && (x.high < y.high || x.high == y.high && x.low < y.low) {
		x, y = y, x
	}
	y.right(x.exponent - y.exponent)
	if x.negative == y.negative {
		low, carry := bits.Add64(x.low, y.low, 0)
		high, carry := bits.Add64(x.high, y.high, carry)
		x.high, x.low = high, low
		if carry != 0 {
			x.right(1)
			x.high |= 1 << 63
		}
		return x, true
	}
	low, borrow := bits.Sub64(x.low, y.low, 0)
	x.high, _ = bits.Sub64(x.high, y.high, borrow)
	x.low = low
	if x.high|x.low == 0 {
		return x, false
	}
	x.normalise()
	return x, true
}

// product multiplies exactly numbers that are not zero.
func product(x, y number) number128 {
	p := number128{negative: x.negative != y.negative, exponent: x.exponent + y.exponent + 1}
	p.high, p.low = bits.Mul64(x.mantissa, y.mantissa)
	p.normalise()
	return p
}

// Mul is a * b.
func (u *Unit) Mul(f Format, a, b uint64) uint64 {
	if r, ok := u.fastMul(f, a, b); ok {
		return r
	}
	return u.mul(f, a, b, false)
}

// MulExtended is FMULX: infinity times zero is 2.
func (u *Unit) MulExtended(f Format, a, b uint64) uint64 { return u.mul(f, a, b, true) }

func (u *Unit) mul(f Format, a, b uint64, extended bool) uint64 {
	x, y := u.unpack(f, a), u.unpack(f, b)
	if r, is := u.nans(f, a, b, x.class, y.class); is {
		return r
	}
	negative := x.negative != y.negative
	switch {
	case x.class == isInfinite && y.class == isZero || x.class == isZero && y.class == isInfinite:
		if extended {
			return f.signed(negative) | uint64(f.bias()+1)<<f.fraction()
		}
		return u.invalid(f)
	case x.class == isInfinite || y.class == isInfinite:
		return f.signed(negative) | f.infinity()
	case x.class == isZero || y.class == isZero:
		return f.signed(negative)
	}
	return u.round(f, product(x, y).narrow(), u.Rounding())
}

// Div is a / b.
func (u *Unit) Div(f Format, a, b uint64) uint64 {
	if r, ok := u.fastDiv(f, a, b); ok {
		return r
	}
	x, y := u.unpack(f, a), u.unpack(f, b)
	if r, is := u.nans(f, a, b, x.class, y.class); is {
		return r
	}
	negative := x.negative != y.negative
	switch {
	case x.class == y.class && x.class != isFinite: // 0/0, infinity/infinity
		return u.invalid(f)
	case x.class == isInfinite:
		return f.signed(negative) | f.infinity()
	case y.class == isZero:
		u.flag(DivideByZero)
		return f.signed(negative) | f.infinity()
	case x.class == isZero || y.class == isInfinite:
		return f.signed(negative)
	}
	q := number{isFinite, negative, x.exponent - y.exponent, 0}
	high, low := x.mantissa, uint64(0)
	if high >= y.mantissa {
		high, low = high>>1, high<<63
	} else {
		q.exponent--
	}
	var rest uint64
	q.mantissa, rest = bits.Div64(high, low, y.mantissa)
	if rest != 0 {
		q.mantissa |= 1
	}
	return u.round(f, q, u.Rounding())
}

// Sqrt is the square root of a.
func (u *Unit) Sqrt(f Format, a uint64) uint64 {
	if r, ok := u.fastSqrt(f, a); ok {
		return r
	}
	x := u.unpack(f, a)
	switch {
	case x.class.nan():
		return u.nan(f, a, x.class)
	case x.class == isZero:
		return f.signed(x.negative)
	case x.negative:
		return u.invalid(f)
	case x.class == isInfinite:
		return f.infinity()
	}
	// mantissa / 2^63 * 2^exponent with an even exponent: the root of the
	// mantissa in [1, 4), as an integer in [2^63, 2^64).
	high, low := x.mantissa, uint64(0)
	if x.exponent&1 == 0 {
		high, low = x.mantissa>>1, x.mantissa<<63
	}
	root, exact := root128(high, low)
	if !exact {
		root |= 1
	}
	return u.round(f, number{isFinite, false, x.exponent >> 1, root}, u.Rounding())
}

// root128 is the integer square root of a number of 128 bits, digit by digit.
func root128(high, low uint64) (root uint64, exact bool) {
	for bit := uint64(1) << 63; bit != 0; bit >>= 1 {
		try := root | bit
		h, l := bits.Mul64(try, try)
		if h < high || h == high && l <= low {
			root = try
		}
	}
	h, l := bits.Mul64(root, root)
	return root, h == high && l == low
}
