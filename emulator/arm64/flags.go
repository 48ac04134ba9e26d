package arm64

// flagsKind says what the flags follow from.
type flagsKind uint8

const (
	flagsExplicit flagsKind = iota // fa is NZCV, in bits 3 to 0
	flagsSub                       // of fa - fb, 64 bits; 32-bit operands are shifted to the top
	flagsLogic                     // N and Z of fa, C and V are 0
)

// Bits of NZCV as nzcv gives them.
const (
	flagV = 1 << iota
	flagC
	flagZ
	flagN
)

// nzcv computes the flags.
func (c *CPU) nzcv() uint8 {
	switch c.fkind {
	case flagsSub:
		res := c.fa - c.fb
		f := uint8(res >> 63 << 3)
		if res == 0 {
			f |= flagZ
		}
		if c.fa >= c.fb {
			f |= flagC
		}
		return f | uint8((c.fa^c.fb)&(c.fa^res)>>63)
	case flagsLogic:
		f := uint8(c.fa >> 63 << 3)
		if c.fa == 0 {
			f |= flagZ
		}
		return f
	}
	return uint8(c.fa)
}

// setFlags sets NZCV, in bits 3 to 0.
func (c *CPU) setFlags(nzcv uint8) { c.fkind, c.fa = flagsExplicit, uint64(nzcv&15) }

// carry is C as a number.
func (c *CPU) carry() uint64 {
	if c.fkind == flagsSub {
		if c.fa >= c.fb {
			return 1
		}
		return 0
	}
	return uint64(c.nzcv() >> 1 & 1)
}

// conditions are, for each condition, the values of NZCV under which it holds
// (DDI 0487 C1.2.4).
var conditions = func() (t [16]uint16) {
	for f := range 16 {
		n, z, cf, v := f&flagN != 0, f&flagZ != 0, f&flagC != 0, f&flagV != 0
		for i, holds := range [8]bool{z, cf, n, v, cf && !z, n == v, n == v && !z, true} {
			if holds {
				t[2*i] |= 1 << f
			} else {
				t[2*i+1] |= 1 << f
			}
		}
	}
	t[15] = t[14] // NV is always
	return t
}()

// holds reports whether a condition holds.
func (c *CPU) holds(condition uint8) bool {
	if c.fkind == flagsSub {
		a, b := c.fa, c.fb
		switch condition & 15 {
		case 0:
			return a == b
		case 1:
			return a != b
		case 2:
			return a >= b
		case 3:
			return a < b
		case 8:
			return a > b
		case 9:
			return a <= b
		case 10:
			return int64(a) >= int64(b)
		case 11:
			return int64(a) < int64(b)
		case 12:
			return int64(a) > int64(b)
		case 13:
			return int64(a) <= int64(b)
		}
	}
	return conditions[condition&15]>>c.nzcv()&1 != 0
}
