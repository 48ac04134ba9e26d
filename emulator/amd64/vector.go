package amd64

import "encoding/binary"

// vectorSource reads a 16-byte operand. In memory it must be aligned, unless
// the instruction says otherwise.
func (c *CPU) vectorSource(in *inst) (vector, bool) {
	if !in.mem {
		return c.x[in.rm&15], true
	}
	va := c.address(in)
	if va&15 != 0 {
		return vector{}, c.general(0)
	}
	return c.loadVector(va)
}

// partSource reads the low size bytes of a register, or memory.
func (c *CPU) partSource(in *inst, size uint8) (uint64, bool) {
	if !in.mem {
		return truncate(c.x[in.rm&15][0], size), true
	}
	return c.load(c.address(in), size)
}

// operationPacked has a destination and a source register, or memory.
func operationPacked(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b, ok := c.vectorSource(in)
	if ok {
		c.x[in.reg&15] = in.entry.pack(c.x[in.reg&15], b)
	}
	return ok
}

func operationPackedImmediate(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b, ok := c.vectorSource(in)
	if ok {
		c.x[in.reg&15] = in.entry.pick(c.x[in.reg&15], b, uint8(in.imm))
	}
	return ok
}

// operationPackedShift shifts a register by an immediate.
func operationPackedShift(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	c.x[in.rm&15] = in.entry.pick(vector{}, c.x[in.rm&15], uint8(in.imm))
	return true
}

// operationPackedPart reads 4 or 8 bytes of the source, as op says: widening
// moves.
func operationPackedPart(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b, ok := c.partSource(in, in.op)
	if ok {
		c.x[in.reg&15] = in.entry.pack(c.x[in.reg&15], vector{b})
	}
	return ok
}

// Moves of 16 bytes: op 1 wants them aligned.
func operationVectorLoad(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	if !in.mem {
		c.x[in.reg&15] = c.x[in.rm&15]
		return true
	}
	va := c.address(in)
	if in.op == 1 && va&15 != 0 {
		return c.general(0)
	}
	v, ok := c.loadVector(va)
	if ok {
		c.x[in.reg&15] = v
	}
	return ok
}

func operationVectorStore(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	if !in.mem {
		c.x[in.rm&15] = c.x[in.reg&15]
		return true
	}
	va := c.address(in)
	if in.op == 1 && va&15 != 0 {
		return c.general(0)
	}
	return c.storeVector(va, c.x[in.reg&15])
}

// operationScalarLoad is MOVSS, MOVSD: from memory the rest is cleared, from a
// register it stays. op is the size.
func operationScalarLoad(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	v, ok := c.partSource(in, in.op)
	if !ok {
		return false
	}
	if in.mem {
		c.x[in.reg&15] = vector{v}
	} else {
		c.setPart(in.reg, in.op, v)
	}
	return true
}

// setPart writes the low 4 or 8 bytes of a register.
func (c *CPU) setPart(n, size uint8, v uint64) {
	if size == 4 {
		v = c.x[n&15][0]&^0xffffffff | v&0xffffffff
	}
	c.x[n&15][0] = v
}

func operationScalarStore(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	if in.mem {
		return c.store(c.address(in), in.op, c.x[in.reg&15][0])
	}
	c.setPart(in.rm, in.op, c.x[in.reg&15][0])
	return true
}

// operationQuadLoad and operationQuadStore are MOVQ between XMM registers or
// memory: the upper half is cleared.
func operationQuadLoad(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	v, ok := c.partSource(in, 8)
	if ok {
		c.x[in.reg&15] = vector{v}
	}
	return ok
}

func operationQuadStore(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	v := c.x[in.reg&15][0]
	if in.mem {
		return c.store(c.address(in), 8, v)
	}
	c.x[in.rm&15] = vector{v}
	return true
}

// operationFromGeneral is MOVD, MOVQ from a general register or memory,
// operationToGeneral the other way.
func operationFromGeneral(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	v, ok := c.source(in, max(in.size, 4))
	if ok {
		c.x[in.reg&15] = vector{v}
	}
	return ok
}

func operationToGeneral(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	return c.result(in, max(in.size, 4), c.x[in.reg&15][0])
}

// operationHalfLoad is MOVLPS (op 0) and MOVHPS (op 1), and from registers
// MOVHLPS and MOVLHPS.
func operationHalfLoad(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	if !in.mem {
		c.x[in.reg&15][in.op&1] = c.x[in.rm&15][in.op&1^1]
		return true
	}
	v, ok := c.load64(c.address(in))
	if ok {
		c.x[in.reg&15][in.op&1] = v
	}
	return ok
}

func operationHalfStore(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	return c.store64(c.address(in), c.x[in.reg&15][in.op&1])
}

// operationMask is MOVMSKPS, MOVMSKPD, PMOVMSKB: the highest bits of elements
// of op bytes.
func operationMask(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b := c.x[in.rm&15].bytes()
	mask, n := uint64(0), 0
	for i := int(in.op) - 1; i < 16; i += int(in.op) {
		mask |= uint64(b[i]>>7) << n
		n++
	}
	c.r[in.reg&regMask] = mask
	return true
}

// operationInsert puts a part of op bytes of a general register or memory at a
// place; operationExtract takes it from there.
func operationInsert(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	size := insertSize(in)
	v, ok := uint64(0), true
	if in.mem {
		v, ok = c.load(c.address(in), size)
	} else {
		v = c.r[in.rm&regMask]
	}
	if !ok {
		return false
	}
	b := c.x[in.reg&15].bytes()
	at := uint8(in.imm) & (16/size - 1) * size
	for i := range size {
		b[at+i] = byte(v >> (8 * i))
	}
	c.x[in.reg&15] = fromBytes(b)
	return true
}

// extractSingle is op for EXTRACTPS, which REX.W does not widen.
const extractSingle = 4 | 0x10

// insertSize is op, or by REX.W 4 or 8 where op is 4.
func insertSize(in *inst) uint8 {
	if in.op == 4 && in.size == 8 {
		return 8
	}
	return in.op &^ 0x10
}

func operationExtract(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	size := insertSize(in)
	b := c.x[in.reg&15].bytes()
	at := uint8(in.imm) & (16/size - 1) * size
	v := uint64(0)
	for i := range size {
		v |= uint64(b[at+i]) << (8 * i)
	}
	if in.mem {
		return c.store(c.address(in), size, v)
	}
	c.r[in.rm&regMask] = v
	return true
}

// operationExtractWord is PEXTRW of SSE2: from a register only.
func operationExtractWord(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	n := in.imm & 7
	c.r[in.reg&regMask] = c.x[in.rm&15][n>>2] >> (16 * (n & 3)) & 0xffff
	return true
}

func (v vector) bytes() (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:8], v[0])
	binary.LittleEndian.PutUint64(b[8:], v[1])
	return b
}

func fromBytes(b [16]byte) vector {
	return vector{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}
