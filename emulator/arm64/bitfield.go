package arm64

import "math/bits"

// trailing is the number of the lowest bit that is set.
func trailing(v uint64) uint8 { return uint8(bits.TrailingZeros64(v)) }

// bitLength is how many bits a number takes.
func bitLength(v uint64) int { return bits.Len64(v) }

// lowerBitfield is for SBFM (op 0), BFM (1) and UBFM (2). What goes right is
// extracted, what goes left is inserted into zeros or the target.
func lowerBitfield(in *inst) bool {
	wide := in.word>>31 != 0
	size := uint32(32)
	if wide {
		size = 64
	}
	immr, imms := in.bits(16, 6), in.bits(10, 6)
	if in.bit(22) != 0 != wide || immr >= size || imms >= size {
		return false
	}
	in.d = target(in.d)
	left := imms < immr
	width := imms - immr + 1
	in.shift = uint8(immr)
	if left {
		width, in.shift = imms+1, uint8(size-immr)
	}
	in.imm = ^uint64(0) >> (64 - width)
	in.extra = uint8(64 - width)
	switch {
	case in.op == 0 && left:
		in.run = choose(wide, signedInsert64, signedInsert32)
	case in.op == 0:
		in.extra = uint8(63 - imms)
		in.shift = uint8(63 - imms + immr)
		in.run = choose(wide, signedExtract64, signedExtract32)
	case in.op == 1 && left:
		in.run = choose(wide, fieldInsert64, fieldInsert32)
	case in.op == 1:
		in.run = choose(wide, fieldExtract64, fieldExtract32)
	case left:
		in.run = unsignedInsert
	case imms == 63:
		in.run = shiftRight64
	default:
		in.run = unsignedExtract
	}
	if in.op == 2 && left && wide && width == size-uint32(in.shift) {
		in.run = shiftLeft64
	}
	return true
}

func unsignedExtract(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] >> (in.shift & 63) & in.imm
	return true
}

func shiftRight64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] >> (in.shift & 63)
	return true
}

func unsignedInsert(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] & in.imm << (in.shift & 63)
	return true
}

func shiftLeft64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] << (in.shift & 63)
	return true
}

func signedExtract64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(int64(c.r[in.n&regMask]<<(in.extra&63)) >> (in.shift & 63))
	return true
}

func signedExtract32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(int64(c.r[in.n&regMask]<<(in.extra&63)) >> (in.shift & 63)))
	return true
}

func signedInsert64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(int64(c.r[in.n&regMask]<<(in.extra&63))>>(in.extra&63)) << (in.shift & 63)
	return true
}

func signedInsert32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(uint64(int64(c.r[in.n&regMask]<<(in.extra&63))>>(in.extra&63)) << (in.shift & 63)))
	return true
}

func fieldInsert64(c *CPU, in *inst) bool {
	r, s := &c.r[in.d&regMask], in.shift&63
	*r = *r&^(in.imm<<s) | c.r[in.n&regMask]&in.imm<<s
	return true
}

func fieldInsert32(c *CPU, in *inst) bool {
	r, s := &c.r[in.d&regMask], in.shift&63
	*r = uint64(uint32(*r&^(in.imm<<s) | c.r[in.n&regMask]&in.imm<<s))
	return true
}

func fieldExtract64(c *CPU, in *inst) bool {
	r := &c.r[in.d&regMask]
	*r = *r&^in.imm | c.r[in.n&regMask]>>(in.shift&63)&in.imm
	return true
}

func fieldExtract32(c *CPU, in *inst) bool {
	r := &c.r[in.d&regMask]
	*r = uint64(uint32(*r&^in.imm | c.r[in.n&regMask]>>(in.shift&63)&in.imm))
	return true
}

// lowerExtract is for EXTR, whose alias is ROR by an immediate.
func lowerExtract(in *inst) bool {
	wide := in.word>>31 != 0
	if in.bit(22) != 0 != wide || !wide && in.bit(15) != 0 {
		return false
	}
	in.d, in.shift = target(in.d), uint8(in.bits(10, 6))
	in.run = choose(wide, extract64, extract32)
	if wide && in.n == in.m {
		in.run = rotate64
	}
	return true
}

func rotate64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = bits.RotateLeft64(c.r[in.n&regMask], -int(in.shift))
	return true
}

func extract64(c *CPU, in *inst) bool {
	s := in.shift & 63
	c.r[in.d&regMask] = c.r[in.m&regMask]>>s | c.r[in.n&regMask]<<1<<(63-s)
	return true
}

func extract32(c *CPU, in *inst) bool {
	s := in.shift & 31
	v := c.r[in.n&regMask]<<32 | uint64(uint32(c.r[in.m&regMask]))
	c.r[in.d&regMask] = uint64(uint32(v >> s))
	return true
}
