package arm64

import "math/bits"

// Data processing on registers (DDI 0487 C4.1.95).
func registerOpcodes() []opcode {
	t := []opcode{
		{name: "ADD (shifted register)", pattern: "x0001011 ss0mmmmm iiiiiinn nnnddddd", lower: lowerAddShifted, op: opAdd, valid: validShift},
		{name: "ADDS (shifted register)", pattern: "x0101011 ss0mmmmm iiiiiinn nnnddddd", lower: lowerAddShifted, op: opAdds, valid: validShift},
		{name: "SUB (shifted register)", pattern: "x1001011 ss0mmmmm iiiiiinn nnnddddd", lower: lowerAddShifted, op: opSub, valid: validShift},
		{name: "SUBS (shifted register)", pattern: "x1101011 ss0mmmmm iiiiiinn nnnddddd", lower: lowerAddShifted, op: opSubs, valid: validShift},
		{name: "ADD (extended register)", pattern: "x0001011 001mmmmm oooiiinn nnnddddd", lower: lowerAddExtended, op: opAdd, valid: validExtend},
		{name: "ADDS (extended register)", pattern: "x0101011 001mmmmm oooiiinn nnnddddd", lower: lowerAddExtended, op: opAdds, valid: validExtend},
		{name: "SUB (extended register)", pattern: "x1001011 001mmmmm oooiiinn nnnddddd", lower: lowerAddExtended, op: opSub, valid: validExtend},
		{name: "SUBS (extended register)", pattern: "x1101011 001mmmmm oooiiinn nnnddddd", lower: lowerAddExtended, op: opSubs, valid: validExtend},
		{name: "ADC", pattern: "x0011010 000mmmmm 000000nn nnnddddd", lower: lowerCarry, op: opAdd},
		{name: "ADCS", pattern: "x0111010 000mmmmm 000000nn nnnddddd", lower: lowerCarry, op: opAdds},
		{name: "SBC", pattern: "x1011010 000mmmmm 000000nn nnnddddd", lower: lowerCarry, op: opSub},
		{name: "SBCS", pattern: "x1111010 000mmmmm 000000nn nnnddddd", lower: lowerCarry, op: opSubs},
		{name: "CCMN (register)", pattern: "x0111010 010mmmmm cccc00nn nnn0ffff", lower: lowerConditional, run: conditionalCompare, op: opAdds},
		{name: "CCMN (immediate)", pattern: "x0111010 010iiiii cccc10nn nnn0ffff", lower: lowerConditional, run: conditionalCompare, op: opAdds},
		{name: "CCMP (register)", pattern: "x1111010 010mmmmm cccc00nn nnn0ffff", lower: lowerConditional, run: conditionalCompare, op: opSubs},
		{name: "CCMP (immediate)", pattern: "x1111010 010iiiii cccc10nn nnn0ffff", lower: lowerConditional, run: conditionalCompare, op: opSubs},
		{name: "CSEL", pattern: "x0011010 100mmmmm cccc00nn nnnddddd", lower: lowerSelect, op: 0},
		{name: "CSINC", pattern: "x0011010 100mmmmm cccc01nn nnnddddd", lower: lowerSelect, op: 1},
		{name: "CSINV", pattern: "x1011010 100mmmmm cccc00nn nnnddddd", lower: lowerSelect, op: 2},
		{name: "CSNEG", pattern: "x1011010 100mmmmm cccc01nn nnnddddd", lower: lowerSelect, op: 3},
		{name: "RMIF", pattern: "10111010 000iiiii i00001nn nnn0ffff", needs: featureFlagM, run: rotateIntoFlags},
		{name: "SETF8", pattern: "00111010 00000000 000010nn nnn01101", needs: featureFlagM, run: setFlagsFrom, op: 24},
		{name: "SETF16", pattern: "00111010 00000000 010010nn nnn01101", needs: featureFlagM, run: setFlagsFrom, op: 16},
	}
	t = append(t, logicalOpcodes()...)
	t = append(t, multiplyOpcodes()...)
	return append(t, sourceOpcodes()...)
}

// validShift makes a shift of ADD and the like one that is allowed.
func validShift(w uint32) uint32 {
	if w>>22&3 == 3 {
		w &^= 1 << 22
	}
	return validAmount(w)
}

// validAmount makes shifts of 32-bit operands less than 32.
func validAmount(w uint32) uint32 {
	if w>>31 == 0 {
		w &^= 1 << 15
	}
	return w
}

// validExtend makes the shift at most 4.
func validExtend(w uint32) uint32 {
	if w>>10&7 > 4 {
		w &^= 3 << 10
	}
	return w
}

// shifted is a register operand with LSL, LSR, ASR or ROR, in.extra, by
// in.shift.
func (c *CPU) shifted64(in *inst) uint64 {
	v, s := c.r[in.m&regMask], in.shift&63
	switch in.extra & 3 {
	case 0:
		return v << s
	case 1:
		return v >> s
	case 2:
		return uint64(int64(v) >> s)
	}
	return bits.RotateLeft64(v, -int(s))
}

func (c *CPU) shifted32(in *inst) uint64 {
	v, s := uint32(c.r[in.m&regMask]), in.shift&31
	switch in.extra & 3 {
	case 0:
		return uint64(v << s)
	case 1:
		return uint64(v >> s)
	case 2:
		return uint64(uint32(int32(v) >> s))
	}
	return uint64(bits.RotateLeft32(v, -int(s)))
}

func lowerShift(in *inst) bool {
	in.extra, in.shift = uint8(in.bits(22, 2)), uint8(in.bits(10, 6))
	return in.word>>31 != 0 || in.shift < 32
}

var plainAdd = [4][2]operation{
	opAdd:  {addRegister32, addRegister64},
	opAdds: {addsRegister32, addsRegister64},
	opSub:  {subRegister32, subRegister64},
	opSubs: {subsRegister32, subsRegister64},
}

var shiftedAdd = [4][2]operation{
	opAdd:  {addShifted32, addShifted64},
	opAdds: {addsShifted32, addsShifted64},
	opSub:  {subShifted32, subShifted64},
	opSubs: {subsShifted32, subsShifted64},
}

func lowerAddShifted(in *inst) bool {
	wide := in.word >> 31
	ok := lowerShift(in) && in.extra != 3
	if in.op == opSubs && in.d == 31 && in.shift == 0 {
		in.run = choose(wide != 0, compareRegister64, compareRegister32)
		return ok
	}
	in.d = target(in.d)
	in.run = shiftedAdd[in.op][wide]
	if in.shift == 0 {
		in.run = plainAdd[in.op][wide]
	} else if in.op == opAdd && in.extra == 0 && wide != 0 {
		in.run = addShiftedLeft64
	}
	return ok
}

func addRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] + c.r[in.m&regMask]
	return true
}

func addShiftedLeft64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] + c.r[in.m&regMask]<<(in.shift&63)
	return true
}

func addRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] + c.r[in.m&regMask]))
	return true
}

func subRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] - c.r[in.m&regMask]
	return true
}

func subRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] - c.r[in.m&regMask]))
	return true
}

func addsRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.addFlags64(c.r[in.n&regMask], c.r[in.m&regMask], 0)
	return true
}

func addsRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.addFlags32(c.r[in.n&regMask], c.r[in.m&regMask], 0)
	return true
}

func subsRegister64(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask], c.r[in.m&regMask]
	c.r[in.d&regMask] = c.fa - c.fb
	return true
}

func subsRegister32(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	c.r[in.d&regMask] = (c.fa - c.fb) >> 32
	return true
}

func compareRegister64(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask], c.r[in.m&regMask]
	return true
}

func compareRegister32(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask]<<32, c.r[in.m&regMask]<<32
	return true
}

func addShifted64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] + c.shifted64(in)
	return true
}

func addShifted32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] + c.shifted32(in)))
	return true
}

func subShifted64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] - c.shifted64(in)
	return true
}

func subShifted32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] - c.shifted32(in)))
	return true
}

func addsShifted64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.addFlags64(c.r[in.n&regMask], c.shifted64(in), 0)
	return true
}

func addsShifted32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.addFlags32(c.r[in.n&regMask], c.shifted32(in), 0)
	return true
}

func subsShifted64(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask], c.shifted64(in)
	c.r[in.d&regMask] = c.fa - c.fb
	return true
}

func subsShifted32(c *CPU, in *inst) bool {
	c.fkind, c.fa, c.fb = flagsSub, c.r[in.n&regMask]<<32, c.shifted32(in)<<32
	c.r[in.d&regMask] = (c.fa - c.fb) >> 32
	return true
}

// extended is a register operand with UXTB to SXTX, in.extra, shifted left by
// in.shift (DDI 0487 J1.1.3, ExtendReg).
func (c *CPU) extended(in *inst) uint64 {
	v := c.r[in.m&regMask]
	switch in.extra & 7 {
	case 0:
		v = uint64(uint8(v))
	case 1:
		v = uint64(uint16(v))
	case 2:
		v = uint64(uint32(v))
	case 4:
		v = uint64(int8(v))
	case 5:
		v = uint64(int16(v))
	case 6:
		v = uint64(int32(v))
	}
	return v << (in.shift & 7)
}

func lowerAddExtended(in *inst) bool {
	in.extra, in.shift = uint8(in.bits(13, 3)), uint8(in.bits(10, 3))
	in.n = stack(in.n)
	if in.op == opAdd || in.op == opSub {
		in.d = stack(in.d)
	} else {
		in.d = target(in.d)
	}
	in.run = choose(in.word>>31 != 0, addExtended64, addExtended32)
	return in.shift <= 4
}

func addExtended64(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.extended(in)
	c.r[in.d&regMask] = c.sum64(in.op, a, b)
	return true
}

func addExtended32(c *CPU, in *inst) bool {
	a, b := c.r[in.n&regMask], c.extended(in)
	c.r[in.d&regMask] = c.sum32(in.op, a, b)
	return true
}

// sum64 is ADD, ADDS, SUB or SUBS.
func (c *CPU) sum64(op uint8, a, b uint64) uint64 {
	switch op {
	case opAdd:
		return a + b
	case opAdds:
		return c.addFlags64(a, b, 0)
	case opSubs:
		c.fkind, c.fa, c.fb = flagsSub, a, b
	}
	return a - b
}

func (c *CPU) sum32(op uint8, a, b uint64) uint64 {
	switch op {
	case opAdd:
		return uint64(uint32(a + b))
	case opAdds:
		return c.addFlags32(a, b, 0)
	case opSubs:
		c.fkind, c.fa, c.fb = flagsSub, a<<32, b<<32
	}
	return uint64(uint32(a - b))
}
