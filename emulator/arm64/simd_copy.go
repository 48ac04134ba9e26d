package arm64

import "math/bits"

// Moves between elements and general registers: imm5, bits 20 to 16, is the
// element's size, by its lowest bit set, and above that its number.

// elementField makes size and imm of imm5.
func elementField(in *inst) bool {
	field := in.bits(16, 5)
	if field&15 == 0 {
		return false
	}
	in.size = uint8(bits.TrailingZeros32(field))
	in.imm = uint64(field >> (in.size + 1))
	in.extra = uint8(in.bit(30))
	return true
}

// filled is a register full of an element.
func filled(s uint8, v uint64, whole bool) word128 {
	var r word128
	for shift := uint(0); shift < 64; shift += width(s) {
		r[0] |= v & ones(s) << shift
	}
	if whole {
		r[1] = r[0]
	}
	return r
}

func operationDuplicateElement(c *CPU, in *inst) bool {
	c.v[in.d&31] = filled(in.size, c.v[in.n&31].element(in.size, int(in.imm)), in.extra != 0)
	return true
}

func operationDuplicateScalar(c *CPU, in *inst) bool {
	c.v[in.d&31] = word128{c.v[in.n&31].element(in.size, int(in.imm))}
	return true
}

func operationDuplicateGeneral(c *CPU, in *inst) bool {
	c.v[in.d&31] = filled(in.size, c.r[in.n&regMask], in.extra != 0)
	return true
}

func operationInsertGeneral(c *CPU, in *inst) bool {
	c.v[in.d&31].put(in.size, int(in.imm), c.r[in.n&regMask])
	return true
}

func operationInsertElement(c *CPU, in *inst) bool {
	c.v[in.d&31].put(in.size, int(in.imm), c.v[in.n&31].element(in.size, int(in.shift)))
	return true
}

func operationMoveUnsigned(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.v[in.n&31].element(in.size, int(in.imm))
	return true
}

func operationMoveUnsigned64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.v[in.n&31][in.imm&1]
	return true
}

func operationMoveSigned(c *CPU, in *inst) bool {
	v := signExtend(in.size, c.v[in.n&31].element(in.size, int(in.imm)))
	if in.extra == 0 {
		v = int64(uint32(v))
	}
	c.r[in.d&regMask] = uint64(v)
	return true
}

// vectorSized wants more than one element.
func vectorSized(in *inst) bool { return elementField(in) && (in.size < 3 || in.extra == 1) }

func copyOpcodes() []opcode {
	return []opcode{
		{name: "DUP (element)", pattern: "0q001110 000iiiii 000001nn nnnddddd", lower: vectorSized, run: operationDuplicateElement},
		{name: "DUP (element), scalar", pattern: "01011110 000iiiii 000001nn nnnddddd", lower: elementField, run: operationDuplicateScalar},
		{name: "DUP (general)", pattern: "0q001110 000iiiii 000011nn nnnddddd", lower: vectorSized, run: operationDuplicateGeneral},
		{name: "INS (general)", pattern: "01001110 000iiiii 000111nn nnnddddd", lower: elementField, run: operationInsertGeneral},
		{name: "INS (element)", pattern: "01101110 000iiiii 0jjjj1nn nnnddddd", run: operationInsertElement, lower: func(in *inst) bool {
			ok := elementField(in)
			in.shift = uint8(in.bits(11, 4) >> (in.size & 3))
			return ok
		}},
		{name: "SMOV", pattern: "0q001110 000iiiii 001011nn nnnddddd", run: operationMoveSigned, lower: func(in *inst) bool {
			in.d = target(in.d)
			return elementField(in) && (in.size < 2 || in.size == 2 && in.extra == 1)
		}},
		{name: "UMOV", pattern: "0q001110 000iiiii 001111nn nnnddddd", run: operationMoveUnsigned, lower: func(in *inst) bool {
			in.d = target(in.d)
			ok := elementField(in)
			if in.size == 3 {
				in.run = operationMoveUnsigned64
			}
			return ok && (in.size == 3) == (in.extra == 1)
		}},
	}
}

// expand makes the 64 bits of a modified immediate of op, cmode and eight bits
// (DDI 0487, AdvSIMDExpandImm).
func expand(op, cmode uint32, v uint64) uint64 {
	switch cmode >> 1 {
	case 0, 1, 2, 3:
		return filled(2, v<<(8*(cmode>>1)), false)[0]
	case 4, 5:
		return filled(1, v<<(8*(cmode>>1&1)), false)[0]
	case 6:
		if cmode&1 == 0 {
			return filled(2, v<<8|0xff, false)[0]
		}
		return filled(2, v<<16|0xffff, false)[0]
	}
	switch {
	case cmode&1 == 0 && op == 0:
		return filled(0, v, false)[0]
	case cmode&1 == 0:
		var r uint64
		for i := range 8 {
			r |= -(v >> i & 1) & 0xff << (8 * i)
		}
		return r
	case op == 0:
		return filled(2, expandFloat(2, v), false)[0]
	}
	return expandFloat(3, v)
}

// expandFloat is the number that eight bits of FMOV stand for (VFPExpandImm).
func expandFloat(s uint8, v uint64) uint64 {
	exponent, fraction := uint(8), uint(23)
	switch s {
	case 1:
		exponent, fraction = 5, 10
	case 3:
		exponent, fraction = 11, 52
	}
	high := uint64(1) << (exponent - 1) // NOT(b), then b again and again
	if v>>6&1 != 0 {
		high -= 4
	}
	return v>>7<<(exponent+fraction) | (high|v>>4&3)<<fraction | v&15<<(fraction-4)
}

// modifiedImmediate is a lower function for MOVI and the like.
func modifiedImmediate(in *inst) bool {
	op, cmode := in.bit(29), in.bits(12, 4)
	v := uint64(in.bits(16, 3)<<5 | in.bits(5, 5))
	in.imm, in.extra = expand(op, cmode, v), uint8(in.bit(30))
	switch {
	case cmode == 15 && op == 1:
		return in.extra == 1
	case cmode == 14 && op == 1:
		if in.extra == 0 {
			return true // a scalar: the upper half is cleared as for any
		}
	case cmode >= 12 || cmode&1 == 0: // MOVI, MVNI
		if op == 1 {
			in.imm = ^in.imm
		}
	case op == 1:
		in.run = operationClearBits
	default:
		in.run = operationSetBits
	}
	return true
}

func operationMoveImmediate128(c *CPU, in *inst) bool {
	c.v[in.d&31] = word128{in.imm, in.imm & -uint64(in.extra&1)}
	return true
}

func operationSetBits(c *CPU, in *inst) bool {
	d := &c.v[in.d&31]
	*d = word128{d[0] | in.imm, (d[1] | in.imm) & -uint64(in.extra&1)}
	return true
}

func operationClearBits(c *CPU, in *inst) bool {
	d := &c.v[in.d&31]
	*d = word128{d[0] &^ in.imm, d[1] &^ in.imm & -uint64(in.extra&1)}
	return true
}

func modifiedImmediateOpcodes() []opcode {
	entry := func(name, p string) opcode {
		return opcode{name: name, pattern: p, lower: modifiedImmediate, run: operationMoveImmediate128}
	}
	return []opcode{
		entry("MOVI (32-bit shifted)", "0q001111 00000iii 0cc001ii iiiddddd"), entry("ORR (vector, immediate, 32-bit)", "0q001111 00000iii 0cc101ii iiiddddd"),
		entry("MVNI (32-bit shifted)", "0q101111 00000iii 0cc001ii iiiddddd"), entry("BIC (vector, immediate, 32-bit)", "0q101111 00000iii 0cc101ii iiiddddd"),
		entry("MOVI (16-bit shifted)", "0q001111 00000iii 10c001ii iiiddddd"), entry("ORR (vector, immediate, 16-bit)", "0q001111 00000iii 10c101ii iiiddddd"),
		entry("MVNI (16-bit shifted)", "0q101111 00000iii 10c001ii iiiddddd"), entry("BIC (vector, immediate, 16-bit)", "0q101111 00000iii 10c101ii iiiddddd"),
		entry("MOVI (shifting ones)", "0q001111 00000iii 110c01ii iiiddddd"), entry("MVNI (shifting ones)", "0q101111 00000iii 110c01ii iiiddddd"),
		entry("MOVI (8-bit)", "0q001111 00000iii 111001ii iiiddddd"), entry("MOVI (64-bit)", "0q101111 00000iii 111001ii iiiddddd"),
		entry("FMOV (vector, immediate)", "0q001111 00000iii 111101ii iiiddddd"), entry("FMOV (vector, immediate, double)", "01101111 00000iii 111101ii iiiddddd"),
	}
}
