package amd64

// Operations for the operands that compilers use most: 64 and 32 bits, a
// register and a register, an immediate or memory. They do what the general
// ones do; specialise chooses them.

func fastAddRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a + b
	k := a&b | (a|b)&^res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastAddRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a + b
	k := a&b | (a|b)&^res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastAddRM32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(c.r[in.reg&regMask]), uint32(v)
	res := a + b
	k := a&b | (a|b)&^res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	c.r[in.reg&regMask] = uint64(res)
	return true
}

func fastSubRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastSubRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastSubRM32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(c.r[in.reg&regMask]), uint32(v)
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	c.r[in.reg&regMask] = uint64(res)
	return true
}

func fastAndRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastAndRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastAndRM32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(c.r[in.reg&regMask]), uint32(v)
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.reg&regMask] = uint64(res)
	return true
}

func fastOrRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a | b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastOrRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a | b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastOrRM32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(c.r[in.reg&regMask]), uint32(v)
	res := a | b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.reg&regMask] = uint64(res)
	return true
}

func fastXorRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a ^ b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastXorRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a ^ b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.rm&regMask] = uint64(res)
	return true
}

func fastXorRM32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(c.r[in.reg&regMask]), uint32(v)
	res := a ^ b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	c.r[in.reg&regMask] = uint64(res)
	return true
}

func fastCmpRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	return true
}

func fastCmpRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	return true
}

func fastCmpRM32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(c.r[in.reg&regMask]), uint32(v)
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	return true
}

func fastCmpMR32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(v), uint32(c.r[in.reg&regMask])
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	return true
}

func fastCmpMI32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(v), uint32(in.imm)
	res := a - b
	k := ^a&b | ^(a^b)&res
	c.fres, c.faux = uint64(int64(int32(res))), uint64(k)<<32&(auxCarry|auxPenult)|uint64(k)&auxHalf
	return true
}

func fastTestRR32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(c.r[in.reg&regMask])
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	return true
}

func fastTestRI32(c *CPU, in *inst) bool {
	a, b := uint32(c.r[in.rm&regMask]), uint32(in.imm)
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	return true
}

func fastTestMR32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(v), uint32(c.r[in.reg&regMask])
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	return true
}

func fastTestMI32(c *CPU, in *inst) bool {
	v, ok := c.load32(c.address(in))
	if !ok {
		return false
	}
	a, b := uint32(v), uint32(in.imm)
	res := a & b
	c.fres, c.faux = uint64(int64(int32(res))), 0
	return true
}

var (
	fastALURR32 = [8]operation{fastAddRR32, fastOrRR32, nil, nil, fastAndRR32, fastSubRR32, fastXorRR32, fastCmpRR32}
	fastALURI32 = [8]operation{fastAddRI32, fastOrRI32, nil, nil, fastAndRI32, fastSubRI32, fastXorRI32, fastCmpRI32}
	fastALURM32 = [8]operation{fastAddRM32, fastOrRM32, nil, nil, fastAndRM32, fastSubRM32, fastXorRM32, fastCmpRM32}
)
