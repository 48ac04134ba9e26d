package arm64

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// transfer is what a load or store does with an address: the size and what
// becomes of it.
type transfer struct {
	name  string
	bits  string // size, V and opc of the encoding
	kind  uint8
	scale uint8 // log2 of the size
}

// Kinds of transfers, in in.op.
const (
	kindStore   = iota
	kindLoad    // zero-extended
	kindSign64  // sign-extended to 64 bits
	kindSign32  // to 32 bits
	kindVectorS // store of a vector register
	kindVectorL
	kindHint // PRFM
)

var transfers = []transfer{
	{"STRB", "00 0 00", kindStore, 0}, {"LDRB", "00 0 01", kindLoad, 0}, {"LDRSB (64)", "00 0 10", kindSign64, 0}, {"LDRSB (32)", "00 0 11", kindSign32, 0},
	{"STRH", "01 0 00", kindStore, 1}, {"LDRH", "01 0 01", kindLoad, 1}, {"LDRSH (64)", "01 0 10", kindSign64, 1}, {"LDRSH (32)", "01 0 11", kindSign32, 1},
	{"STR (32)", "10 0 00", kindStore, 2}, {"LDR (32)", "10 0 01", kindLoad, 2}, {"LDRSW", "10 0 10", kindSign64, 2},
	{"STR (64)", "11 0 00", kindStore, 3}, {"LDR (64)", "11 0 01", kindLoad, 3}, {"PRFM", "11 0 10", kindHint, 3},
	{"STR B", "00 1 00", kindVectorS, 0}, {"LDR B", "00 1 01", kindVectorL, 0}, {"STR Q", "00 1 10", kindVectorS, 4}, {"LDR Q", "00 1 11", kindVectorL, 4},
	{"STR H", "01 1 00", kindVectorS, 1}, {"LDR H", "01 1 01", kindVectorL, 1}, {"STR S", "10 1 00", kindVectorS, 2}, {"LDR S", "10 1 01", kindVectorL, 2},
	{"STR D", "11 1 00", kindVectorS, 3}, {"LDR D", "11 1 01", kindVectorL, 3},
}

func (k *transfer) form() form {
	if k.kind == kindVectorS || k.kind == kindVectorL {
		return memory | vector
	}
	return memory
}

// loadOpcodes are the loads and stores of one register (DDI 0487 C4.1.94).
func loadOpcodes() (t []opcode) {
	for i := range transfers {
		k := &transfers[i]
		size, v, opc := k.bits[:2], k.bits[3:4], k.bits[5:]
		head := size + "111" + v
		lower := func(f func(in *inst, k *transfer) bool) func(in *inst) bool {
			return func(in *inst) bool { return f(in, k) }
		}
		add := func(mode, pattern string, f func(in *inst, k *transfer) bool) {
			t = append(t, opcode{name: k.name + mode, pattern: head + pattern, op: k.kind, form: k.form(), lower: lower(f), valid: validBase(mode)})
		}
		add(" (unsigned offset)", "01 "+opc+"iiiiii iiiiiinn nnnttttt", lowerUnsigned)
		add(" (unscaled)", "00 "+opc+"0iiiii iiii00nn nnnttttt", lowerUnscaled)
		add(" (register)", "00 "+opc+"1mmmmm o1oz10nn nnnttttt", lowerRegisterOffset)
		if k.kind == kindHint {
			continue
		}
		add(" (post-index)", "00 "+opc+"0iiiii iiii01nn nnnttttt", lowerPostIndex)
		add(" (pre-index)", "00 "+opc+"0iiiii iiii11nn nnnttttt", lowerPreIndex)
		if v == "0" {
			add(" (unprivileged)", "00 "+opc+"0iiiii iiii10nn nnnttttt", lowerUnprivileged)
		}
	}
	for i, k := range []transfer{
		{"LDR (32)", "00 0", kindLoad, 2}, {"LDR (64)", "01 0", kindLoad, 3}, {"LDRSW", "10 0", kindSign64, 2}, {"PRFM", "11 0", kindHint, 3},
		{"LDR S", "00 1", kindVectorL, 2}, {"LDR D", "01 1", kindVectorL, 3}, {"LDR Q", "10 1", kindVectorL, 4},
	} {
		t = append(t, opcode{name: k.name + " (literal)", pattern: k.bits[:2] + "011" + k.bits[3:] + "00 iiiiiiii iiiiiiii iiittttt", op: k.kind,
			form: k.form(), lower: func(in *inst) bool { return lowerLiteral(in, &k) }, valid: validLiteral[i/8]})
	}
	return t
}

// validLiteral keeps literals near the instruction.
var validLiteral = [1]func(uint32) uint32{func(w uint32) uint32 { return w&^(0x7ffff<<5) | w&(0x3f<<5) }}

// validBase keeps a base that is written back apart from the register that is
// loaded.
func validBase(mode string) func(uint32) uint32 {
	if mode != " (post-index)" && mode != " (pre-index)" {
		return nil
	}
	return func(w uint32) uint32 {
		if w&31 == w>>5&31 {
			w ^= 1
		}
		return w
	}
}

// prepare sets what all transfers have.
func prepare(in *inst, k *transfer) {
	in.size, in.n = k.scale, stack(in.n)
	if k.kind == kindLoad || k.kind == kindSign32 || k.kind == kindSign64 {
		in.d = target(in.d)
	}
}

func lowerUnsigned(in *inst, k *transfer) bool {
	prepare(in, k)
	in.imm = uint64(in.bits(10, 12)) << k.scale
	in.run = offsetOperation(in, k)
	return true
}

func lowerUnscaled(in *inst, k *transfer) bool {
	prepare(in, k)
	in.imm = uint64(in.signed(12, 9))
	in.run = offsetOperation(in, k)
	return true
}

func lowerPostIndex(in *inst, k *transfer) bool {
	prepare(in, k)
	in.imm, in.run = uint64(in.signed(12, 9)), transferPost
	return true
}

func lowerPreIndex(in *inst, k *transfer) bool {
	prepare(in, k)
	in.imm, in.run = uint64(in.signed(12, 9)), transferPre
	return true
}

func lowerUnprivileged(in *inst, k *transfer) bool {
	prepare(in, k)
	in.imm, in.run = uint64(in.signed(12, 9)), transferUnprivileged
	return true
}

func lowerRegisterOffset(in *inst, k *transfer) bool {
	prepare(in, k)
	in.extra = uint8(in.bits(13, 3))
	if in.bit(12) != 0 {
		in.shift = k.scale
	}
	in.run = registerOperation(in, k)
	return true
}

func lowerLiteral(in *inst, k *transfer) bool {
	in.imm = in.ip + uint64(in.signed(5, 19)<<2)
	prepare(in, k)
	in.n = regZero
	in.run = offsetOperation(in, k)
	return true
}

// stackFault raises an SP alignment fault.
func (c *CPU) stackFault() bool { return c.raise(arm64.ClassSPAlignment, 0) }

// transferAt makes the transfer of in.op at an address.
func (c *CPU) transferAt(in *inst, va uint64) bool {
	switch in.op {
	case kindStore:
		return c.store(va, 1<<(in.size&3), c.r[in.d&regMask])
	case kindVectorS:
		return c.storeVector(in.size, va, c.v[in.d&31])
	case kindVectorL:
		v, ok := c.loadVector(in.size, va)
		if ok {
			c.v[in.d&31] = v
		}
		return ok
	case kindHint:
		return true
	}
	v, ok := c.load(va, 1<<(in.size&3))
	if !ok {
		return false
	}
	if in.op != kindLoad {
		s := 64 - 8<<(in.size&3)
		v = uint64(int64(v<<s) >> s)
		if in.op == kindSign32 {
			v = uint64(uint32(v))
		}
	}
	c.r[in.d&regMask] = v
	return true
}

// loadVector loads a vector register's low bytes; the rest becomes zero.
func (c *CPU) loadVector(scale uint8, va uint64) (word128, bool) {
	if scale == 4 {
		return c.load128(va)
	}
	v, ok := c.load(va, 1<<(scale&3))
	return word128{v}, ok
}

func (c *CPU) storeVector(scale uint8, va uint64, v word128) bool {
	if scale == 4 {
		return c.store128(va, v)
	}
	return c.store(va, 1<<(scale&3), v[0])
}

func transferOffset(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	return c.transferAt(in, c.r[in.n&regMask]+in.imm)
}

func transferRegister(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	return c.transferAt(in, c.r[in.n&regMask]+c.extended(in))
}

func transferPost(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va := c.r[in.n&regMask]
	if !c.transferAt(in, va) {
		return false
	}
	c.r[in.n&regMask] = va + in.imm
	return true
}

func transferPre(c *CPU, in *inst) bool {
	if in.n == regSP && c.r[regSP]&c.stackMask != 0 {
		return c.stackFault()
	}
	va := c.r[in.n&regMask] + in.imm
	if !c.transferAt(in, va) {
		return false
	}
	c.r[in.n&regMask] = va
	return true
}

// transferUnprivileged is LDTR and STTR: at EL1, and at EL2 of a host, they do
// what EL0 may, unless PSTATE.UAO is set.
func transferUnprivileged(c *CPU, in *inst) bool {
	if !(c.level == 1 || c.level == 2 && c.hostRegime()) || c.uao {
		return transferOffset(c, in)
	}
	before := c.tlb
	c.unprivileged, c.tlb = true, &c.sets[setUser]
	ok := transferOffset(c, in)
	c.unprivileged, c.tlb = false, before
	return ok
}
