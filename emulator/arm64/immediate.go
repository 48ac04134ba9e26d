package arm64

import "math/bits"

// Data processing with an immediate (DDI 0487 C4.1.93).
func immediateOpcodes() []opcode {
	return []opcode{
		{name: "ADR", pattern: "0ii10000 iiiiiiii iiiiiiii iiiddddd", lower: lowerAddress, run: operationConstant},
		{name: "ADRP", pattern: "1ii10000 iiiiiiii iiiiiiii iiiddddd", op: 1, lower: lowerAddress, run: operationConstant},
		{name: "ADD (immediate)", pattern: "x0010001 0ziiiiii iiiiiinn nnnddddd", lower: lowerAddImmediate, op: opAdd},
		{name: "ADDS (immediate)", pattern: "x0110001 0ziiiiii iiiiiinn nnnddddd", lower: lowerAddImmediate, op: opAdds},
		{name: "SUB (immediate)", pattern: "x1010001 0ziiiiii iiiiiinn nnnddddd", lower: lowerAddImmediate, op: opSub},
		{name: "SUBS (immediate)", pattern: "x1110001 0ziiiiii iiiiiinn nnnddddd", lower: lowerAddImmediate, op: opSubs},
		{name: "AND (immediate)", pattern: "x0010010 0Nrrrrrr ssssssnn nnnddddd", lower: lowerLogicalImmediate, op: opAnd, valid: validMask},
		{name: "ORR (immediate)", pattern: "x0110010 0Nrrrrrr ssssssnn nnnddddd", lower: lowerLogicalImmediate, op: opOrr, valid: validMask},
		{name: "EOR (immediate)", pattern: "x1010010 0Nrrrrrr ssssssnn nnnddddd", lower: lowerLogicalImmediate, op: opEor, valid: validMask},
		{name: "ANDS (immediate)", pattern: "x1110010 0Nrrrrrr ssssssnn nnnddddd", lower: lowerLogicalImmediate, op: opAnds, valid: validMask},
		{name: "MOVN", pattern: "x0010010 1hhiiiii iiiiiiii iiiddddd", lower: lowerMoveWide, op: 0, valid: validWide},
		{name: "MOVZ", pattern: "x1010010 1hhiiiii iiiiiiii iiiddddd", lower: lowerMoveWide, op: 2, valid: validWide},
		{name: "MOVK", pattern: "x1110010 1hhiiiii iiiiiiii iiiddddd", lower: lowerMoveWide, op: 3, valid: validWide},
		{name: "SBFM", pattern: "x0010011 0Nrrrrrr ssssssnn nnnddddd", lower: lowerBitfield, op: 0, valid: validField},
		{name: "BFM", pattern: "x0110011 0Nrrrrrr ssssssnn nnnddddd", lower: lowerBitfield, op: 1, valid: validField},
		{name: "UBFM", pattern: "x1010011 0Nrrrrrr ssssssnn nnnddddd", lower: lowerBitfield, op: 2, valid: validField},
		{name: "EXTR", pattern: "x0010011 1N0mmmmm ssssssnn nnnddddd", lower: lowerExtract, valid: validField},
	}
}

// What several operations do, in in.op.
const (
	opAdd = iota
	opAdds
	opSub
	opSubs
	opAnd
	opOrr
	opEor
	opAnds
)

// validWide clears hw<1> of a 32-bit MOVZ.
func validWide(w uint32) uint32 {
	if w>>31 == 0 {
		w &^= 1 << 22
	}
	return w
}

// validField makes N equal sf, and positions of 32-bit operands less than 32.
func validField(w uint32) uint32 {
	if w>>31 == 0 {
		return w &^ (1<<22 | 1<<21 | 1<<15)
	}
	return w | 1<<22
}

// validMask makes an immediate that encodes a bit mask.
func validMask(w uint32) uint32 {
	if w>>31 == 0 {
		w &^= 1 << 22
	}
	if _, ok := bitMask(w>>22&1, w>>10&63, w>>16&63, 64); !ok {
		w &^= 1 << 10 // not all ones
		w |= 1 << 22
		if w>>31 == 0 {
			w &^= 1<<22 | 1<<15
		}
	}
	return w
}

// bitMask decodes a logical immediate (DDI 0487 J1.1.3, DecodeBitMasks).
func bitMask(n, imms, immr uint32, width uint) (uint64, bool) {
	length := bits.Len32(n<<6|^imms&63) - 1
	if length < 1 {
		return 0, false
	}
	size := uint(1) << length
	s, r := uint(imms)&(size-1), uint(immr)&(size-1)
	if s == size-1 {
		return 0, false
	}
	v := uint64(1)<<(s+1) - 1
	v = v>>r | v<<(size-r)
	if size < 64 {
		v &= 1<<size - 1
	}
	for ; size < 64; size *= 2 {
		v |= v << size
	}
	if width == 32 {
		v = uint64(uint32(v))
	}
	return v, true
}

func lowerAddress(in *inst) bool {
	offset := in.signed(5, 19)<<2 | int64(in.bits(29, 2))
	base := in.ip
	if in.op == 1 {
		offset, base = offset<<12, base&^0xfff
	}
	in.imm, in.d = base+uint64(offset), target(in.d)
	return true
}

func operationConstant(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = in.imm
	return true
}

func lowerAddImmediate(in *inst) bool {
	wide := in.word>>31 != 0
	in.imm = uint64(in.bits(10, 12)) << (12 * in.bit(22))
	compare := in.d == 31
	in.n = stack(in.n)
	if in.op == opAdd || in.op == opSub {
		in.d = stack(in.d)
		if in.op == opSub {
			in.imm = -in.imm
		}
		in.run = choose(wide, addImmediate64, addImmediate32)
		if in.imm == 0 && wide {
			in.run = moveRegister64n
		}
		return true
	}
	in.d = target(in.d)
	switch {
	case in.op == opAdds:
		in.run = choose(wide, addsImmediate64, addsImmediate32)
	case compare:
		in.run = choose(wide, compareImmediate64, compareImmediate32)
	default:
		in.run = choose(wide, subsImmediate64, subsImmediate32)
	}
	return true
}

// choose is the operation for 64 or 32 bits.
func choose(wide bool, of64, of32 operation) operation {
	if wide {
		return of64
	}
	return of32
}

func addImmediate64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] + in.imm
	return true
}

func addImmediate32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] + in.imm))
	return true
}

func moveRegister64n(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask]
	return true
}

func addsImmediate64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.addFlags64(c.r[in.n&regMask], in.imm, 0)
	return true
}

func addsImmediate32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.addFlags32(c.r[in.n&regMask], in.imm, 0)
	return true
}

func subsImmediate64(c *CPU, in *inst) bool {
	a := c.r[in.n&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a, in.imm
	c.r[in.d&regMask] = a - in.imm
	return true
}

func subsImmediate32(c *CPU, in *inst) bool {
	a := c.r[in.n&regMask]
	c.fkind, c.fa, c.fb = flagsSub, a<<32, in.imm<<32
	c.r[in.d&regMask] = uint64(uint32(a - in.imm))
	return true
}

func compareImmediate64(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask], in.imm
	return true
}

func compareImmediate32(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask]<<32, in.imm<<32
	return true
}

// addFlags64 adds with a carry and sets the flags (DDI 0487 J1.1.3,
// AddWithCarry).
func (c *CPU) addFlags64(a, b, carry uint64) uint64 {
	res, out := bits.Add64(a, b, carry)
	f := uint8(res>>63<<3) | uint8(out<<1) | uint8((a^res)&(b^res)>>63)
	if res == 0 {
		f |= flagZ
	}
	c.setFlags(f)
	return res
}

func (c *CPU) addFlags32(a, b, carry uint64) uint64 {
	sum := uint64(uint32(a)) + uint64(uint32(b)) + carry
	res := uint32(sum)
	f := uint8(res>>31<<3) | uint8(sum>>32<<1) | uint8((uint32(a)^res)&(uint32(b)^res)>>31)
	if res == 0 {
		f |= flagZ
	}
	c.setFlags(f)
	return uint64(res)
}

func lowerLogicalImmediate(in *inst) bool {
	wide := in.word>>31 != 0
	width := uint(64)
	if !wide {
		if in.bit(22) != 0 {
			return false
		}
		width = 32
	}
	mask, ok := bitMask(in.bit(22), in.bits(10, 6), in.bits(16, 6), width)
	in.imm = mask
	if in.op == opAnds {
		in.run = choose(wide, testImmediate64, testImmediate32)
		in.d = target(in.d)
		return ok
	}
	in.d = stack(in.d)
	switch in.op {
	case opAnd:
		in.run = andImmediate
	case opOrr:
		in.run = choose(wide, orImmediate64, orImmediate32)
		if in.n == 31 {
			in.run = operationConstant
		}
	case opEor:
		in.run = choose(wide, xorImmediate64, xorImmediate32)
	}
	return ok
}

func andImmediate(c *CPU, in *inst) bool { // the mask of 32 bits cuts the rest
	c.r[in.d&regMask] = c.r[in.n&regMask] & in.imm
	return true
}

func orImmediate64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] | in.imm
	return true
}

func orImmediate32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] | in.imm))
	return true
}

func xorImmediate64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] ^ in.imm
	return true
}

func xorImmediate32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] ^ in.imm))
	return true
}

func testImmediate64(c *CPU, in *inst) bool {
	v := c.r[in.n&regMask] & in.imm
	c.r[in.d&regMask] = v
	c.fkind, c.fa = flagsLogic, v
	return true
}

func testImmediate32(c *CPU, in *inst) bool {
	v := c.r[in.n&regMask] & in.imm
	c.r[in.d&regMask] = v
	c.fkind, c.fa = flagsLogic, v<<32
	return true
}

func lowerMoveWide(in *inst) bool {
	wide := in.word>>31 != 0
	shift := 16 * in.bits(21, 2)
	if !wide && shift >= 32 {
		return false
	}
	in.d = target(in.d)
	in.imm = uint64(in.bits(5, 16)) << shift
	switch in.op {
	case 0:
		in.imm = ^in.imm
		in.run = operationConstant
	case 2:
		in.run = operationConstant
	case 3:
		in.shift = uint8(shift)
		in.run = choose(wide, keepMove64, keepMove32)
		return true
	}
	if !wide {
		in.imm = uint64(uint32(in.imm))
	}
	return true
}

func keepMove64(c *CPU, in *inst) bool {
	r := &c.r[in.d&regMask]
	*r = *r&^(0xffff<<(in.shift&63)) | in.imm
	return true
}

func keepMove32(c *CPU, in *inst) bool {
	r := &c.r[in.d&regMask]
	*r = uint64(uint32(*r&^(0xffff<<(in.shift&63)) | in.imm))
	return true
}
