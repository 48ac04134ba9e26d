package amd64

import "math/bits"

// Status flags are kept as the last result and some bits beside it, from
// which each can be told without knowing what the operation was.
//
// fres is the result, with its sign extended to 64 bits. faux has the carry out
// of the result's highest bit in bit 63, that out of the bit below in bit 62,
// and that out of bit 3 in bit 3. Where flags are set one by one, bit 0 turns
// the sign round and bits 8 to 15 change the byte whose parity counts.
const (
	auxCarry    = 1 << 63
	auxPenult   = 1 << 62
	auxHalf     = 1 << 3
	auxSign     = 1 << 0
	auxKept     = auxCarry | auxPenult | auxHalf
	auxParity   = 8
	resultUnset = 1 << 16 // a result other than zero whose sign and parity byte are zero
)

// extend gives v, a number of size bytes, with its sign extended.
func extend(v uint64, size uint8) uint64 {
	switch size {
	case 1:
		return uint64(int64(int8(v)))
	case 2:
		return uint64(int64(int16(v)))
	case 4:
		return uint64(int64(int32(v)))
	}
	return v
}

// truncate gives the low size bytes of v.
func truncate(v uint64, size uint8) uint64 {
	switch size {
	case 1:
		return uint64(uint8(v))
	case 2:
		return uint64(uint16(v))
	case 4:
		return uint64(uint32(v))
	}
	return v
}

func (c *CPU) flagsLogic(size uint8, res uint64) {
	c.fres, c.faux = extend(res, size), 0
}

// flagsAdd are those of res = a + b, or a + b + carry.
func (c *CPU) flagsAdd(size uint8, a, b, res uint64) {
	carries := a&b | (a|b)&^res
	c.fres, c.faux = extend(res, size), (carries<<(64-8*size)&^auxHalf|carries&auxHalf)&auxKept
}

// flagsSub are those of res = a - b, or a - b - borrow.
func (c *CPU) flagsSub(size uint8, a, b, res uint64) {
	borrows := ^a&b | ^(a^b)&res
	c.fres, c.faux = extend(res, size), (borrows<<(64-8*size)&^auxHalf|borrows&auxHalf)&auxKept
}

// flagsKeepCarry puts an older carry beside flags that were just computed: INC
// and DEC.
func (c *CPU) flagsKeepCarry(carry uint64) {
	overflow := c.faux>>63 ^ c.faux>>62&1
	c.faux = c.faux&^(auxCarry|auxPenult) | carry<<63 | (carry^overflow)<<62
}

func (c *CPU) carry() uint64    { return c.faux >> 63 }
func (c *CPU) overflow() uint64 { return c.faux>>63 ^ c.faux>>62&1 }
func (c *CPU) sign() uint64     { return c.fres>>63 ^ c.faux&auxSign }
func (c *CPU) zero() bool       { return c.fres == 0 }

func (c *CPU) parity() uint64 {
	return uint64(bits.OnesCount8(uint8(c.fres)^uint8(c.faux>>auxParity))&1 ^ 1)
}

// condition evaluates a condition code (Intel SDM 1 appendix B).
func (c *CPU) condition(code uint8) bool {
	var v bool
	switch code >> 1 {
	case 0:
		v = c.overflow() != 0
	case 1:
		v = c.carry() != 0
	case 2:
		v = c.fres == 0
	case 3:
		v = c.faux>>63 != 0 || c.fres == 0
	case 4:
		v = c.sign() != 0
	case 5:
		v = c.parity() != 0
	case 6:
		v = c.sign() != c.overflow()
	case 7:
		v = c.fres == 0 || c.sign() != c.overflow()
	}
	return v != (code&1 != 0)
}

// status gives the status flags as RFLAGS has them.
func (c *CPU) status() uint64 {
	f := c.carry() | c.parity()<<2 | c.faux&auxHalf<<1 | c.sign()<<7 | c.overflow()<<11
	if c.fres == 0 {
		f |= flagZF
	}
	return f
}

// setStatus sets all status flags.
func (c *CPU) setStatus(f uint64) {
	carry, overflow := f&1, f>>11&1
	c.faux = carry<<63 | (carry^overflow)<<62 | f>>1&auxHalf
	c.fres = 0
	if f&flagZF == 0 {
		c.fres = resultUnset
	}
	c.faux |= f >> 7 & 1 // sign
	if f&flagPF == 0 {
		c.faux |= 1 << auxParity
	}
}

// setCarry changes CF only.
func (c *CPU) setCarry(carry uint64) { c.flagsKeepCarry(carry & 1) }

// getFlags is RFLAGS.
func (c *CPU) getFlags() uint64 { return c.rflags | c.status() }

// setFlags replaces RFLAGS.
func (c *CPU) setFlags(f uint64) {
	const known = flagsStatus | flagTF | flagIF | flagDF | flagIOPL | flagNT | flagRF | flagVM | flagAC | flagID | 3<<19
	f = f&known | flagOne
	c.setStatus(f)
	ac := (c.rflags ^ f) & flagAC
	c.rflags = f &^ flagsStatus
	if ac != 0 {
		c.selectTLB()
	}
}
