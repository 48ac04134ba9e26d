package amd64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	mxcsrMask   = 0xffff
	mxcsrModel  = 0x1f80 // exceptions masked, to nearest, no flush to zero: what arithmetic here does
	mxcsrStatus = 0x3f
)

// fpu is the state of the x87 unit. There is no arithmetic on it.
type fpu struct {
	control, status uint16
	tags            uint8 // abridged: a bit for each register in use
	opcode          uint16
	ip, dp          uint64
	regs            [8][2]uint64 // by their place in FXSAVE: ST0 first
}

func (f *fpu) reset() { *f = fpu{control: 0x37f} }

// vectorsAllowed checks that SSE instructions may be used (Intel SDM 3A 2.5).
func (c *CPU) vectorsAllowed() bool {
	if c.cr0&cr0EM != 0 || c.cr4&cr4OSFXSR == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if c.cr0&cr0TS != 0 {
		return c.raise(amd64.VectorNoMathCoprocessor)
	}
	return true
}

// appendFXSAVE gives the state as FXSAVE64 writes it (Intel SDM 1 10.5.1).
func (c *CPU) fxsave() (area [512]byte) {
	o := binary.LittleEndian
	f := &c.fpu
	o.PutUint16(area[0:], f.control)
	o.PutUint16(area[2:], f.status)
	area[4] = f.tags
	o.PutUint16(area[6:], f.opcode)
	o.PutUint64(area[8:], f.ip)
	o.PutUint64(area[16:], f.dp)
	o.PutUint32(area[24:], c.mxcsr)
	o.PutUint32(area[28:], mxcsrMask)
	for i, r := range f.regs {
		o.PutUint64(area[32+16*i:], r[0])
		o.PutUint64(area[40+16*i:], r[1]&0xffff)
	}
	for i, r := range c.x {
		o.PutUint64(area[160+16*i:], r[0])
		o.PutUint64(area[168+16*i:], r[1])
	}
	return area
}

func (c *CPU) fxrstor(area *[512]byte) {
	o := binary.LittleEndian
	f := &c.fpu
	f.control, f.status, f.tags = o.Uint16(area[0:]), o.Uint16(area[2:]), area[4]
	f.opcode, f.ip, f.dp = o.Uint16(area[6:]), o.Uint64(area[8:]), o.Uint64(area[16:])
	c.mxcsr = o.Uint32(area[24:])
	for i := range f.regs {
		f.regs[i] = [2]uint64{o.Uint64(area[32+16*i:]), o.Uint64(area[40+16*i:]) & 0xffff}
	}
	for i := range c.x {
		c.x[i] = vector{o.Uint64(area[160+16*i:]), o.Uint64(area[168+16*i:])}
	}
}

// operationSaveState is FXSAVE (op 0) and FXRSTOR (op 1).
func operationSaveState(c *CPU, in *inst) bool {
	if c.cr0&(cr0EM|cr0TS) != 0 {
		return c.raise(amd64.VectorNoMathCoprocessor)
	}
	va := c.address(in)
	if va&15 != 0 {
		return c.general(0)
	}
	if in.op == 0 {
		area := c.fxsave()
		if !c.probe(va, 512) {
			return false
		}
		for i := uint64(0); i < 416; i += 8 { // the rest is not written
			if !c.store64(va+i, binary.LittleEndian.Uint64(area[i:])) {
				return false
			}
		}
		return true
	}
	var area [512]byte
	for i := uint64(0); i < 512; i += 8 {
		v, ok := c.load64(va + i)
		if !ok {
			return false
		}
		binary.LittleEndian.PutUint64(area[i:], v)
	}
	if binary.LittleEndian.Uint32(area[24:])&^mxcsrMask != 0 {
		return c.general(0)
	}
	c.fxrstor(&area)
	return true
}

func operationLoadMXCSR(c *CPU, in *inst) bool {
	if !c.vectorsAllowed() {
		return false
	}
	v, ok := c.load(c.address(in), 4)
	if !ok {
		return false
	}
	if v&^mxcsrMask != 0 {
		return c.general(0)
	}
	c.mxcsr = uint32(v)
	return true
}

func operationStoreMXCSR(c *CPU, in *inst) bool {
	return c.vectorsAllowed() && c.store(c.address(in), 4, uint64(c.mxcsr))
}

// operationX87 is the escape opcodes D8 to DF; op is the opcode's low bits. The
// control instructions are there.
func operationX87(c *CPU, in *inst) bool {
	if c.cr0&(cr0EM|cr0TS) != 0 {
		return c.raise(amd64.VectorNoMathCoprocessor)
	}
	f := &c.fpu
	reg, rm := in.reg&7, in.rm&7
	switch {
	case in.op == 3 && !in.mem && reg == 4 && rm == 3: // FNINIT
		regs := f.regs
		f.reset()
		f.regs = regs
	case in.op == 3 && !in.mem && reg == 4 && rm == 2: // FNCLEX
		f.status &= 0x7f00
	case in.op == 1 && in.mem && reg == 5: // FLDCW
		v, ok := c.load(c.address(in), 2)
		if !ok {
			return false
		}
		f.control = uint16(v)&0x1f7f | 0x40
	case in.op == 1 && in.mem && reg == 7: // FNSTCW
		return c.store(c.address(in), 2, uint64(f.control))
	case in.op == 5 && in.mem && reg == 7: // FNSTSW
		return c.store(c.address(in), 2, uint64(f.status))
	case in.op == 7 && !in.mem && reg == 4 && rm == 0: // FNSTSW AX
		c.set(machine.RAX, 2, uint64(f.status))
	default:
		return operationMissing(c, in)
	}
	return true
}

// operationWait is FWAIT, and EMMS.
func operationWait(c *CPU, in *inst) bool {
	if in.op == 1 {
		c.fpu.tags = 0
	}
	return true
}
