package amd64

import "math/bits"

// Rotations of a register by an immediate that is not zero: hashes are made of
// them. They change CF and OF only.

func (c *CPU) flagsRotate(carry, overflow uint64) {
	c.faux = c.faux&^(auxCarry|auxPenult) | carry<<63 | (carry^overflow)<<62
}

func fastRotateLeft64(c *CPU, in *inst) bool {
	res := bits.RotateLeft64(c.r[in.rm&regMask], int(in.imm&63))
	c.r[in.rm&regMask] = res
	c.flagsRotate(res&1, res>>63^res&1)
	return true
}

func fastRotateRight64(c *CPU, in *inst) bool {
	res := bits.RotateLeft64(c.r[in.rm&regMask], -int(in.imm&63))
	c.r[in.rm&regMask] = res
	c.flagsRotate(res>>63, res>>63^res>>62&1)
	return true
}

func fastRotateLeft32(c *CPU, in *inst) bool {
	res := uint64(bits.RotateLeft32(uint32(c.r[in.rm&regMask]), int(in.imm&31)))
	c.r[in.rm&regMask] = res
	c.flagsRotate(res&1, res>>31^res&1)
	return true
}

func fastRotateRight32(c *CPU, in *inst) bool {
	res := uint64(bits.RotateLeft32(uint32(c.r[in.rm&regMask]), -int(in.imm&31)))
	c.r[in.rm&regMask] = res
	c.flagsRotate(res>>31, res>>31^res>>30&1)
	return true
}
