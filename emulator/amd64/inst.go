package amd64

// operation executes an instruction. True lets the block go on with the next
// one; false leaves it: RIP is set, or c.event says why not.
type operation func(c *CPU, in *inst) bool

// inst is an instruction as it is kept: what its operation needs to know.
type inst struct {
	run   operation
	imm   uint64 // immediate, or the target of a branch
	disp  uint64 // displacement; the whole address where it is relative to RIP
	ip    uint64 // address of the instruction
	next  uint64 // address of the one behind it
	entry *opcode

	ordinal uint16 // how many of the block have been executed with this one
	size    uint8  // of the operands in bytes
	op      uint8  // which of several things the operation does
	rm, reg uint8  // registers; for bytes, high8 marks AH to BH
	mem     bool   // rm is a memory operand
	base    uint8  // places in the register file that an address adds up
	index   uint8
	scale   uint8
	seg     uint8
	repeat  uint8 // 0xf3, 0xf2 or none
	lock    bool
	noTrack bool  // the prefix 3E: an indirect branch that need not lead to ENDBR64
	asize   uint8 // address size in bytes
}

// high8 marks the high bytes AH, CH, DH, BH of registers 0 to 3.
const high8 = 0x40

// address is the linear address of the memory operand.
func (c *CPU) address(in *inst) uint64 {
	return c.r[in.base&regMask] + c.r[in.index&regMask]<<(in.scale&3) + in.disp + c.r[in.seg&regMask]
}

// get reads a register of a size.
func (c *CPU) get(n, size uint8) uint64 {
	switch size {
	case 8:
		return c.r[n&regMask]
	case 4:
		return uint64(uint32(c.r[n&regMask]))
	case 2:
		return uint64(uint16(c.r[n&regMask]))
	}
	if n&high8 != 0 {
		return c.r[n&3] >> 8 & 0xff
	}
	return c.r[n&regMask] & 0xff
}

// set writes a register of a size: 4 bytes clear the upper half, 1 and 2 leave
// the rest as it was (Intel SDM 1 3.4.1.1).
func (c *CPU) set(n, size uint8, v uint64) {
	switch size {
	case 8:
		c.r[n&regMask] = v
	case 4:
		c.r[n&regMask] = uint64(uint32(v))
	case 2:
		c.r[n&regMask] = c.r[n&regMask]&^0xffff | v&0xffff
	default:
		if n&high8 != 0 {
			c.r[n&3] = c.r[n&3]&^0xff00 | v&0xff<<8
			return
		}
		c.r[n&regMask] = c.r[n&regMask]&^0xff | v&0xff
	}
}

// source reads the r/m operand.
func (c *CPU) source(in *inst, size uint8) (uint64, bool) {
	if in.mem {
		return c.load(c.address(in), size)
	}
	return c.get(in.rm, size), true
}

// target reads an r/m operand that will be written.
func (c *CPU) target(in *inst) (uint64, bool) {
	if in.mem {
		return c.loadToStore(c.address(in), in.size)
	}
	return c.get(in.rm, in.size), true
}

// result writes the r/m operand.
func (c *CPU) result(in *inst, size uint8, v uint64) bool {
	if in.mem {
		return c.store(c.address(in), size, v)
	}
	c.set(in.rm, size, v)
	return true
}

// branch leaves the block for another address.
func (c *CPU) branch(to uint64) bool {
	c.rip = to
	return false
}

// end leaves the block behind the instruction.
func (c *CPU) end(in *inst) bool {
	c.rip = in.next
	return false
}
