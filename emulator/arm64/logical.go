package arm64

// logicalOpcodes are the logical operations on shifted registers. op has bit 2
// for the inverse of the second operand.
func logicalOpcodes() (t []opcode) {
	names := [2][4]string{{"AND", "ORR", "EOR", "ANDS"}, {"BIC", "ORN", "EON", "BICS"}}
	codes := [4]string{"00", "01", "10", "11"}
	for i, code := range codes {
		for n, digit := range []string{"0", "1"} {
			t = append(t, opcode{
				name: names[n][i] + " (shifted register)", pattern: "x" + code + "01010 ss" + digit + "mmmmm iiiiiinn nnnddddd",
				lower: lowerLogical, op: uint8(i | n<<2), valid: validAmount,
			})
		}
	}
	return t
}

func lowerLogical(in *inst) bool {
	wide := in.word >> 31
	ok := lowerShift(in)
	in.d = target(in.d)
	if in.shift != 0 {
		in.run = shiftedLogical[in.op][wide]
		return ok
	}
	in.run = plainLogical[in.op][wide]
	if in.op == 1 && in.n == 31 {
		in.run = choose(wide != 0, moveRegister64, moveRegister32)
	}
	return ok
}

var plainLogical = [8][2]operation{
	{andRegister32, andRegister64}, {orRegister32, orRegister64}, {xorRegister32, xorRegister64}, {testShifted32, testShifted64},
	{clearRegister32, clearRegister64}, {orShifted32, orShifted64}, {xorShifted32, xorShifted64}, {testShifted32, testShifted64},
}

var shiftedLogical = [8][2]operation{
	{andShifted32, andShifted64}, {orShifted32, orShifted64}, {xorShifted32, xorShifted64}, {testShifted32, testShifted64},
	{andShifted32, andShifted64}, {orShifted32, orShifted64}, {xorShifted32, xorShifted64}, {testShifted32, testShifted64},
}

func moveRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.m&regMask]
	return true
}

func moveRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.m&regMask]))
	return true
}

func andRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] & c.r[in.m&regMask]
	return true
}

func andRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] & c.r[in.m&regMask]))
	return true
}

func orRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] | c.r[in.m&regMask]
	return true
}

func orRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] | c.r[in.m&regMask]))
	return true
}

func xorRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] ^ c.r[in.m&regMask]
	return true
}

func xorRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] ^ c.r[in.m&regMask]))
	return true
}

func clearRegister64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] &^ c.r[in.m&regMask]
	return true
}

func clearRegister32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] &^ c.r[in.m&regMask]))
	return true
}

// second64 is the second operand: shifted, then inverted.
func (c *CPU) second64(in *inst) uint64 {
	v := c.shifted64(in)
	if in.op&4 != 0 {
		return ^v
	}
	return v
}

func (c *CPU) second32(in *inst) uint64 {
	v := c.shifted32(in)
	if in.op&4 != 0 {
		return uint64(^uint32(v))
	}
	return v
}

func andShifted64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] & c.second64(in)
	return true
}

func andShifted32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] & c.second32(in)
	return true
}

func orShifted64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] | c.second64(in)
	return true
}

func orShifted32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] | c.second32(in)))
	return true
}

func xorShifted64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.n&regMask] ^ c.second64(in)
	return true
}

func xorShifted32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.n&regMask] ^ c.second32(in)))
	return true
}

func testShifted64(c *CPU, in *inst) bool {
	v := c.r[in.n&regMask] & c.second64(in)
	c.r[in.d&regMask] = v
	c.fkind, c.fa = flagsLogic, v
	return true
}

func testShifted32(c *CPU, in *inst) bool {
	v := c.r[in.n&regMask] & c.second32(in)
	c.r[in.d&regMask] = v
	c.fkind, c.fa = flagsLogic, v<<32
	return true
}
