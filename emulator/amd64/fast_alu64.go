package amd64

// Operations for the operands that compilers use most: 64 and 32 bits, a
// register and a register, an immediate or memory. They do what the general
// ones do; specialise chooses them.

func fastAddRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a + b
	c.fres, c.faux = res, (a&b|(a|b)&^res)&auxKept
	c.r[in.rm&regMask] = res
	return true
}

func fastAddRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a + b
	c.fres, c.faux = res, (a&b|(a|b)&^res)&auxKept
	c.r[in.rm&regMask] = res
	return true
}

func fastAddRM64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := c.r[in.reg&regMask], v
	res := a + b
	c.fres, c.faux = res, (a&b|(a|b)&^res)&auxKept
	c.r[in.reg&regMask] = res
	return true
}

func fastSubRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	c.r[in.rm&regMask] = res
	return true
}

func fastSubRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	c.r[in.rm&regMask] = res
	return true
}

func fastSubRM64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := c.r[in.reg&regMask], v
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	c.r[in.reg&regMask] = res
	return true
}

func fastAndRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a & b
	c.fres, c.faux = res, 0
	c.r[in.rm&regMask] = res
	return true
}

func fastAndRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a & b
	c.fres, c.faux = res, 0
	c.r[in.rm&regMask] = res
	return true
}

func fastAndRM64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := c.r[in.reg&regMask], v
	res := a & b
	c.fres, c.faux = res, 0
	c.r[in.reg&regMask] = res
	return true
}

func fastOrRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a | b
	c.fres, c.faux = res, 0
	c.r[in.rm&regMask] = res
	return true
}

func fastOrRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a | b
	c.fres, c.faux = res, 0
	c.r[in.rm&regMask] = res
	return true
}

func fastOrRM64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := c.r[in.reg&regMask], v
	res := a | b
	c.fres, c.faux = res, 0
	c.r[in.reg&regMask] = res
	return true
}

func fastXorRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a ^ b
	c.fres, c.faux = res, 0
	c.r[in.rm&regMask] = res
	return true
}

func fastXorRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a ^ b
	c.fres, c.faux = res, 0
	c.r[in.rm&regMask] = res
	return true
}

func fastXorRM64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := c.r[in.reg&regMask], v
	res := a ^ b
	c.fres, c.faux = res, 0
	c.r[in.reg&regMask] = res
	return true
}

func fastCmpRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	return true
}

func fastCmpRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	return true
}

func fastCmpRM64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := c.r[in.reg&regMask], v
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	return true
}

func fastCmpMR64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := v, c.r[in.reg&regMask]
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	return true
}

func fastCmpMI64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := v, in.imm
	res := a - b
	c.fres, c.faux = res, (^a&b|^(a^b)&res)&auxKept
	return true
}

func fastTestRR64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], c.r[in.reg&regMask]
	res := a & b
	c.fres, c.faux = res, 0
	return true
}

func fastTestRI64(c *CPU, in *inst) bool {
	a, b := c.r[in.rm&regMask], in.imm
	res := a & b
	c.fres, c.faux = res, 0
	return true
}

func fastTestMR64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := v, c.r[in.reg&regMask]
	res := a & b
	c.fres, c.faux = res, 0
	return true
}

func fastTestMI64(c *CPU, in *inst) bool {
	v, ok := c.load64(c.address(in))
	if !ok {
		return false
	}
	a, b := v, in.imm
	res := a & b
	c.fres, c.faux = res, 0
	return true
}

var (
	fastALURR64 = [8]operation{fastAddRR64, fastOrRR64, nil, nil, fastAndRR64, fastSubRR64, fastXorRR64, fastCmpRR64}
	fastALURI64 = [8]operation{fastAddRI64, fastOrRI64, nil, nil, fastAndRI64, fastSubRI64, fastXorRI64, fastCmpRI64}
	fastALURM64 = [8]operation{fastAddRM64, fastOrRM64, nil, nil, fastAndRM64, fastSubRM64, fastXorRM64, fastCmpRM64}
)
