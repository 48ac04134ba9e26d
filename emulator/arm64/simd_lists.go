package arm64

// LD1 to LD4 and ST1 to ST4: structures of elements, from memory that lies
// together to registers that follow each other.

// list is the address of a list, and what the base becomes.
func (c *CPU) list(in *inst, size uint64) (address, after uint64) {
	address = c.r[in.n&regMask]
	if in.m == 31 {
		return address, address + size
	}
	return address, address + c.r[in.m&regMask]
}

// finishList writes the base back where the instruction does.
func (c *CPU) finishList(in *inst, after uint64) bool {
	if in.op&listPost != 0 {
		c.r[in.n&regMask] = after
	}
	return true
}

// What in.op holds of a list.
const (
	listPost = 1 << 7 // the base is written back
	listRegs = 7      // how many registers
)

// Multiple structures: shift holds the elements of a structure (1 to 4); a
// structure of one element fills registers one after the other.

func operationLoadList(c *CPU, in *inst) bool {
	registers, whole := int(in.op&listRegs), 1+int(in.extra)
	address, after := c.list(in, uint64(8*registers*whole))
	var words [8]uint64
	for i := range registers * whole {
		v, ok := c.load64(address + uint64(8*i))
		if !ok {
			return false
		}
		words[i&7] = v
	}
	var r [4]word128
	if in.shift == 1 {
		for i := range registers * whole {
			r[i/whole&3][i%whole&1] = words[i&7]
		}
	} else {
		spread(in, &words, &r, true)
	}
	for i := range registers {
		c.v[(int(in.d)+i)&31] = r[i&3]
	}
	return c.finishList(in, after)
}

func operationStoreList(c *CPU, in *inst) bool {
	registers, whole := int(in.op&listRegs), 1+int(in.extra)
	size := uint64(8 * registers * whole)
	address, after := c.list(in, size)
	if !c.probe(address, size) {
		return false
	}
	var words [8]uint64
	var r [4]word128
	for i := range registers {
		r[i&3] = c.v[(int(in.d)+i)&31]
	}
	if in.shift == 1 {
		for i := range registers * whole {
			words[i&7] = r[i/whole&3][i%whole&1]
		}
	} else {
		spread(in, &words, &r, false)
	}
	for i := range registers * whole {
		if !c.store64(address+uint64(8*i), words[i&7]) {
			return false
		}
	}
	return c.finishList(in, after)
}

// operationLoadWhole and operationStoreWhole are LD1 and ST1 of whole registers.
func operationLoadWhole(c *CPU, in *inst) bool {
	registers := uint64(in.op & listRegs)
	address, after := c.list(in, 16*registers)
	var r [4]word128
	for i := range registers {
		v, ok := c.load128(address + 16*i)
		if !ok {
			return false
		}
		r[i&3] = v
	}
	for i := range registers {
		c.v[(uint64(in.d)+i)&31] = r[i&3]
	}
	return c.finishList(in, after)
}

func operationStoreWhole(c *CPU, in *inst) bool {
	registers := uint64(in.op & listRegs)
	address, after := c.list(in, 16*registers)
	if registers > 1 && !c.probe(address, 16*registers) {
		return false
	}
	for i := range registers {
		if !c.store128(address+16*i, c.v[(uint64(in.d)+i)&31]) {
			return false
		}
	}
	return c.finishList(in, after)
}

// spread moves elements between structures in memory and registers.
func spread(in *inst, words *[8]uint64, r *[4]word128, load bool) {
	s, members := in.size, int(in.shift)
	perWord := 8 >> (s & 3)
	for i := range (8 << in.extra) >> (s & 3) {
		for j := range members {
			at := i*members + j
			word, shift := &words[at/perWord&7], uint(at%perWord)*width(s)
			if load {
				r[j&3].put(s, i, *word>>shift)
			} else {
				*word |= r[j&3].element(s, i) << shift
			}
		}
	}
}

// Single structures: imm is the element.

func operationLoadSingle(c *CPU, in *inst) bool {
	registers, bytes := int(in.op&listRegs), uint64(1)<<in.size
	address, after := c.list(in, bytes*uint64(registers))
	var v [4]uint64
	for i := range registers {
		e, ok := c.load(address+uint64(i)*bytes, uint8(bytes))
		if !ok {
			return false
		}
		v[i&3] = e
	}
	for i := range registers {
		c.v[(int(in.d)+i)&31].put(in.size, int(in.imm), v[i&3])
	}
	return c.finishList(in, after)
}

func operationLoadReplicate(c *CPU, in *inst) bool {
	registers, bytes := int(in.op&listRegs), uint64(1)<<in.size
	address, after := c.list(in, bytes*uint64(registers))
	var v [4]uint64
	for i := range registers {
		e, ok := c.load(address+uint64(i)*bytes, uint8(bytes))
		if !ok {
			return false
		}
		v[i&3] = e
	}
	for i := range registers {
		c.v[(int(in.d)+i)&31] = filled(in.size, v[i&3], in.extra != 0)
	}
	return c.finishList(in, after)
}

func operationStoreSingle(c *CPU, in *inst) bool {
	registers, bytes := int(in.op&listRegs), uint64(1)<<in.size
	address, after := c.list(in, bytes*uint64(registers))
	if !c.probe(address, bytes*uint64(registers)) {
		return false
	}
	for i := range registers {
		if !c.store(address+uint64(i)*bytes, uint8(bytes), c.v[(int(in.d)+i)&31].element(in.size, int(in.imm))) {
			return false
		}
	}
	return c.finishList(in, after)
}

// lowerList makes of an instruction of multiple structures.
func lowerList(registers, members uint8) func(in *inst) bool {
	return func(in *inst) bool {
		in.n = stack(in.n)
		in.size, in.extra, in.shift = uint8(in.bits(10, 2)), uint8(in.bit(30)), members
		in.op = registers | uint8(in.bit(23))<<7
		if in.extra == 1 && members == 1 {
			if in.bit(22) != 0 {
				in.run = operationLoadWhole
			} else {
				in.run = operationStoreWhole
			}
		}
		return in.size < 3 || in.extra == 1 || members == 1
	}
}

// lowerSingle makes of an instruction of a single structure: the element's size
// and number are in opcode, S, Q and size.
func lowerSingle(registers uint8, replicate bool) func(in *inst) bool {
	return func(in *inst) bool {
		in.n = stack(in.n)
		in.op = registers | uint8(in.bit(23))<<7
		in.extra = uint8(in.bit(30))
		size, s := in.bits(10, 2), in.bit(12)
		if replicate {
			in.size = uint8(size)
			return true
		}
		index := in.bit(30)<<3 | s<<2 | size
		switch in.bits(14, 2) {
		case 0:
			in.size, in.imm = 0, uint64(index)
		case 1:
			in.size, in.imm = 1, uint64(index>>1)
			return size&1 == 0
		case 2:
			in.size, in.imm = 2, uint64(index>>2)
			if size&1 == 0 {
				return size&2 == 0
			}
			in.size, in.imm = 3, uint64(in.bit(30))
			return size == 1 && s == 0
		}
		return true
	}
}

// vectorListOpcodes are all of them (DDI 0487 C4.1.94). Those with an offset
// have m as 31 for the size of what is moved.
func vectorListOpcodes() []opcode {
	var all []opcode
	for load, name := range []string{"ST", "LD"} {
		run := operation(operationStoreList)
		if load == 1 {
			run = operationLoadList
		}
		for _, e := range []struct {
			code               int
			registers, members uint8
		}{{0, 4, 4}, {2, 4, 1}, {4, 3, 3}, {6, 3, 1}, {7, 1, 1}, {8, 2, 2}, {10, 2, 1}} {
			full := pattern("%s%d (multiple structures, %d registers)", name, e.members, e.registers)
			lower := lowerList(e.registers, e.members)
			all = append(all,
				opcode{name: full, pattern: pattern("0q001100 0%b000000 %04bzznn nnnttttt", load, e.code), form: memory, lower: lower, run: run},
				opcode{name: full + ", post-index", pattern: pattern("0q001100 1%b0mmmmm %04bzznn nnnttttt", load, e.code), form: memory, lower: lower, run: run},
			)
		}
		single := operation(operationStoreSingle)
		if load == 1 {
			single = operationLoadSingle
		}
		for i := range 4 {
			high, r := i>>1, i&1 // opcode<0>, R: structures of 1 + R + 2*opcode<0>
			members := uint8(1 + r + 2*high)
			for size := range 3 {
				full := pattern("%s%d (single structure, %d)", name, members, size)
				lower := lowerSingle(members, false)
				all = append(all,
					opcode{name: full, pattern: pattern("0q001101 0%b%b00000 %02b%bszznn nnnttttt", load, r, size, high), form: memory, lower: lower, run: single},
					opcode{name: full + ", post-index", pattern: pattern("0q001101 1%b%bmmmmm %02b%bszznn nnnttttt", load, r, size, high), form: memory, lower: lower, run: single},
				)
			}
			if load == 1 {
				full, lower := pattern("LD%dR", members), lowerSingle(members, true)
				all = append(all,
					opcode{name: full, pattern: pattern("0q001101 01%b00000 11%b0zznn nnnttttt", r, high), form: memory, lower: lower, run: operationLoadReplicate},
					opcode{name: full + ", post-index", pattern: pattern("0q001101 11%bmmmmm 11%b0zznn nnnttttt", r, high), form: memory, lower: lower, run: operationLoadReplicate},
				)
			}
		}
	}
	return all
}
