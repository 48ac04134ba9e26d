package arm64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"
)

// Elements of vector registers have a size s: the logarithm of their bytes.

// width is the bits of an element.
func width(s uint8) uint { return 8 << (s & 3) }

// ones is a mask of an element.
func ones(s uint8) uint64 { return ^uint64(0) >> (64 - width(s)) }

// signExtend makes an element a signed number.
func signExtend(s uint8, v uint64) int64 {
	shift := 64 - width(s)
	return int64(v<<shift) >> shift
}

// element is an element of a register.
func (w *word128) element(s uint8, i int) uint64 {
	bit := uint(i) * width(s)
	return w[bit>>6&1] >> (bit & 63) & ones(s)
}

// put sets an element of a register.
func (w *word128) put(s uint8, i int, v uint64) {
	bit := uint(i) * width(s)
	half := bit >> 6 & 1
	w[half] = w[half]&^(ones(s)<<(bit&63)) | v&ones(s)<<(bit&63)
}

// lane is what an operation does to elements: d, the target before, and two
// operands. What is above the element's size is cut off from the result.
type lane func(c *CPU, s uint8, d, a, b uint64) uint64

// Operations on elements find in inst: size, the elements' size; extra, 1 where
// the whole register is used (Q), else 0; imm, what the lower function says.

// map3 does a lane to all elements.
func (c *CPU) map3(in *inst, d, a, b word128, f lane) word128 {
	var r word128
	s, m := in.size, ones(in.size)
	for h := 0; h <= int(in.extra&1); h++ {
		for shift := uint(0); shift < 64; shift += width(s) {
			r[h&1] |= f(c, s, d[h&1]>>shift&m, a[h&1]>>shift&m, b[h&1]>>shift&m) & m << shift
		}
	}
	return r
}

// lanes is the operation of a lane on all elements.
func lanes(f lane) operation {
	return func(c *CPU, in *inst) bool {
		c.v[in.d&31] = c.map3(in, c.v[in.d&31], c.v[in.n&31], c.v[in.m&31], f)
		return true
	}
}

// scalar is the operation of a lane on the first element; the rest becomes zero.
func scalar(f lane) operation {
	return func(c *CPU, in *inst) bool {
		d, a, b := &c.v[in.d&31], c.v[in.n&31][0], c.v[in.m&31][0]
		m := ones(in.size)
		*d = word128{f(c, in.size, d[0]&m, a&m, b&m) & m}
		return true
	}
}

// pairs is the operation of a lane on neighbours of n and then of m.
func pairs(f lane) operation {
	return func(c *CPU, in *inst) bool {
		a, b := c.v[in.n&31], c.v[in.m&31]
		s := in.size
		half := int(8<<(in.extra&1)>>(s&3)) / 2 // pairs of one register
		var r word128
		for i := range half {
			r.put(s, i, f(c, s, 0, a.element(s, 2*i), a.element(s, 2*i+1)))
			r.put(s, half+i, f(c, s, 0, b.element(s, 2*i), b.element(s, 2*i+1)))
		}
		c.v[in.d&31] = r
		return true
	}
}

// unit is what floating-point arithmetic depends on.
func (c *CPU) unit() ieee.Unit { return ieee.Unit{FPCR: uint32(c.fpcr), FPSR: uint32(c.fpsr)} }

// floatLane is a lane of floating-point arithmetic.
type floatLane func(u *ieee.Unit, f ieee.Format, d, a, b uint64) uint64

// formats are by element size.
var formats = [4]ieee.Format{1: ieee.Half, 2: ieee.Single, 3: ieee.Double}

// lane makes it one for map3 and the like.
func (f floatLane) lane() lane {
	return func(c *CPU, s uint8, d, a, b uint64) uint64 {
		u := c.unit()
		r := f(&u, formats[s&3], d, a, b)
		c.fpsr = uint64(u.FPSR)
		return r
	}
}

// saturate sets QC.
func (c *CPU) saturate() { c.fpsr |= ieee.Saturated }

// clampSigned and clampUnsigned give what fits of an element, and say where it
// was not all.
func (c *CPU) clampSigned(s uint8, v int64) uint64 {
	if r := signExtend(s, uint64(v)); r != v {
		c.saturate()
		if v < 0 {
			return 1 << (width(s) - 1)
		}
		return ones(s) >> 1
	}
	return uint64(v)
}

func (c *CPU) clampUnsigned(s uint8, v int64) uint64 {
	switch {
	case v < 0:
		c.saturate()
		return 0
	case uint64(v) > ones(s):
		c.saturate()
		return ones(s)
	}
	return uint64(v)
}

// Sets of element sizes.
const (
	sizeB = 1 << iota
	sizeH
	sizeS
	sizeD
	sizesBHS = sizeB | sizeH | sizeS
	sizesAll = sizesBHS | sizeD
	sizesHS  = sizeH | sizeS
)

// sized is a lower function for instructions with the element size in bits 23
// and 22 and Q in bit 30: one 64-bit element is no vector.
func sized(sizes uint8) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.extra = uint8(in.bits(22, 2)), uint8(in.bit(30))
		return sizes>>in.size&1 != 0 && (in.size < 3 || in.extra == 1)
	}
}

// sizedScalar is the same for scalars.
func sizedScalar(sizes uint8) func(in *inst) bool {
	return func(in *inst) bool {
		in.size, in.extra = uint8(in.bits(22, 2)), 0
		return sizes>>in.size&1 != 0
	}
}

// sizedFloat is a lower function for floating point with the format in bit 22.
func sizedFloat(in *inst) bool {
	in.size, in.extra = 2+uint8(in.bit(22)), uint8(in.bit(30))
	return in.size < 3 || in.extra == 1
}

func sizedFloatScalar(in *inst) bool {
	in.size, in.extra = 2+uint8(in.bit(22)), 0
	return true
}

// simdOpcodes are the instructions of Advanced SIMD (DDI 0487 C4.1.96).
func simdOpcodes() []opcode {
	var all []opcode
	for _, table := range []func() []opcode{
		threeSameOpcodes, threeSameFloatOpcodes, threeDifferentOpcodes, twoRegisterOpcodes, twoRegisterFloatOpcodes, acrossOpcodes,
		shiftImmediateOpcodes, indexedOpcodes, copyOpcodes, permuteOpcodes, modifiedImmediateOpcodes, scalarPairwiseOpcodes,
		vectorListOpcodes,
	} {
		all = append(all, table()...)
	}
	for i := range all {
		all[i].form |= vector
	}
	return all
}

// pattern prints an encoding.
func pattern(format string, fields ...any) string { return fmt.Sprintf(format, fields...) }
