package arm64

// operation executes an instruction. True lets the block go on with the next
// one; false leaves it: pc is set, or c.event says why not.
type operation func(c *CPU, in *inst) bool

// inst is an instruction as it is kept: what its operation needs to know. What
// the fields hold is up to the entry's lower function, beside those that the
// decoder itself fills in: entry, word, ip and ordinal, and d, n, m, a with the
// numbers in bits 4-0, 9-5, 20-16 and 14-10.
type inst struct {
	run   operation
	imm   uint64 // immediate, or the target of a branch
	ip    uint64 // address of the instruction
	entry *opcode

	word    uint32
	ordinal uint16 // how many of the block have been executed with this one
	width   uint8  // how many instructions of the guest it is; 0 behind the last
	d, n, m uint8  // places in the register file
	a       uint8
	op      uint8 // which of several things the operation does
	size    uint8 // of the operands in bytes, or as its logarithm
	shift   uint8
	extra   uint8
}

// bits is the field of the word from bit low on, width bits wide.
func (in *inst) bits(low, width uint) uint32 { return in.word >> low & (1<<width - 1) }

// bit is one bit of the word.
func (in *inst) bit(n uint) uint32 { return in.word >> n & 1 }

// signed is the field of the word from bit low on, with its sign.
func (in *inst) signed(low, width uint) int64 {
	return int64(int32(in.word<<(32-low-width)) >> (32 - width))
}

// target makes a register number one to be written: what goes to XZR is lost.
func target(n uint8) uint8 {
	if n == 31 {
		return regSink
	}
	return n
}

// stack makes 31 SP.
func stack(n uint8) uint8 {
	if n == 31 {
		return regSP
	}
	return n
}

// branch leaves the block for another address.
func (c *CPU) branch(to uint64) bool {
	c.pc = to
	return false
}

// end leaves the block behind the instruction.
func (c *CPU) end(in *inst) bool {
	c.pc = in.ip + 4
	return false
}
