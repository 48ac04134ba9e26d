package arm64

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/ieee"
)

// Shifts by an immediate: immh and immb, bits 22 to 16, are the element size,
// by the highest bit set, and the shift.

// shiftField takes size and shift apart. Zero in immh is no shift.
func shiftField(in *inst) (size uint8, right, left uint8, ok bool) {
	field := in.bits(16, 7)
	if field>>3 == 0 {
		return 0, 0, 0, false
	}
	size = uint8(bits.Len32(field>>3) - 1)
	return size, uint8(2*width(size)) - uint8(field), uint8(field) - uint8(width(size)), true
}

// sizedShift is a lower function for shifts of elements of some sizes: imm is
// how far to the left, negative to the right.
func sizedShift(sizes uint8, right, scalarForm bool) func(in *inst) bool {
	return func(in *inst) bool {
		size, toRight, toLeft, ok := shiftField(in)
		if !ok || sizes>>size&1 == 0 {
			return false
		}
		in.size, in.extra = size, uint8(in.bit(30))
		in.imm = uint64(toLeft)
		if right {
			in.imm = -uint64(toRight)
		}
		if scalarForm {
			in.extra = 0
			return true
		}
		return size < 3 || in.extra == 1
	}
}

// halfShift is sizedShift for where Q picks a half.
func halfShift(right bool) func(in *inst) bool {
	return func(in *inst) bool {
		size, toRight, toLeft, ok := shiftField(in)
		in.size, in.extra, in.imm = size, uint8(in.bit(30)), uint64(toLeft)
		if right {
			in.imm = -uint64(toRight)
		}
		return ok && size < 3
	}
}

// immediateLane is a lane of an operand and the instruction's immediate.
type immediateLane func(c *CPU, s uint8, d, a uint64, by int) uint64

func immediateLanes(f immediateLane) operation {
	return func(c *CPU, in *inst) bool {
		by := int(in.imm)
		c.v[in.d&31] = c.map3(in, c.v[in.d&31], c.v[in.n&31], word128{}, func(c *CPU, s uint8, d, a, _ uint64) uint64 { return f(c, s, d, a, by) })
		return true
	}
}

func immediateScalar(f immediateLane) operation {
	return func(c *CPU, in *inst) bool {
		m := ones(in.size)
		c.v[in.d&31] = word128{f(c, in.size, c.v[in.d&31][0]&m, c.v[in.n&31][0]&m, int(in.imm)) & m}
		return true
	}
}

func shiftLane(kind shiftKind) immediateLane {
	return func(c *CPU, s uint8, _, a uint64, by int) uint64 { return c.shiftBy(s, a, by, kind) }
}

func shiftAccumulate(kind shiftKind) immediateLane {
	return func(c *CPU, s uint8, d, a uint64, by int) uint64 { return d + c.shiftBy(s, a, by, kind) }
}

func shiftInsertRight(_ *CPU, s uint8, d, a uint64, by int) uint64 {
	if uint(-by) == width(s) {
		return d
	}
	return d&^(ones(s)>>-by) | a>>-by
}

func shiftInsertLeft(_ *CPU, _ uint8, d, a uint64, by int) uint64 { return d&(1<<by-1) | a<<by }

var shiftImmediates = []struct {
	name    string
	u, code int
	right   bool
	scalars uint8
	lane    immediateLane
}{
	{"SSHR", 0, 0, true, sizeD, shiftLane(0)}, {"USHR", 1, 0, true, sizeD, shiftLane(shiftUnsigned)},
	{"SSRA", 0, 2, true, sizeD, shiftAccumulate(0)}, {"USRA", 1, 2, true, sizeD, shiftAccumulate(shiftUnsigned)},
	{"SRSHR", 0, 4, true, sizeD, shiftLane(shiftRounds)}, {"URSHR", 1, 4, true, sizeD, shiftLane(shiftRounds | shiftUnsigned)},
	{"SRSRA", 0, 6, true, sizeD, shiftAccumulate(shiftRounds)}, {"URSRA", 1, 6, true, sizeD, shiftAccumulate(shiftRounds | shiftUnsigned)},
	{"SRI", 1, 8, true, sizeD, shiftInsertRight},
	{"SHL", 0, 10, false, sizeD, shiftLane(0)}, {"SLI", 1, 10, false, sizeD, shiftInsertLeft},
	{"SQSHLU", 1, 12, false, sizesAll, shiftLane(shiftSaturates | shiftToUnsigned)},
	{"SQSHL (immediate)", 0, 14, false, sizesAll, shiftLane(shiftSaturates)},
	{"UQSHL (immediate)", 1, 14, false, sizesAll, shiftLane(shiftSaturates | shiftUnsigned)},
}

// clampKind is how a shifted element is made narrow.
type clampKind uint8

const (
	clampNone clampKind = iota
	clampSigned
	clampUnsigned   // of an unsigned number
	clampToUnsigned // of a signed number
)

var narrowingShifts = []struct {
	name    string
	u, code int
	kind    shiftKind
	clamp   clampKind
}{
	{"SHRN", 0, 16, shiftUnsigned, clampNone}, {"SQSHRUN", 1, 16, 0, clampToUnsigned},
	{"RSHRN", 0, 17, shiftUnsigned | shiftRounds, clampNone}, {"SQRSHRUN", 1, 17, shiftRounds, clampToUnsigned},
	{"SQSHRN", 0, 18, 0, clampSigned}, {"UQSHRN", 1, 18, shiftUnsigned, clampUnsigned},
	{"SQRSHRN", 0, 19, shiftRounds, clampSigned}, {"UQRSHRN", 1, 19, shiftUnsigned | shiftRounds, clampUnsigned},
}

// narrowShift shifts an element of twice the size s right and makes it narrow.
func (c *CPU) narrowShift(s uint8, a uint64, by uint, kind shiftKind, clamp clampKind) uint64 {
	v := shiftRight(s+1, a, by, kind)
	switch clamp {
	case clampSigned:
		return c.clampSigned(s, int64(v))
	case clampToUnsigned:
		return c.clampUnsigned(s, int64(v))
	case clampUnsigned:
		return laneNarrowUnsigned(c, s, 0, v, 0)
	}
	return v
}

func narrowShiftOpcodes() []opcode {
	var all []opcode
	for _, e := range narrowingShifts {
		vectors := func(c *CPU, in *inst) bool {
			a, s := c.v[in.n&31], in.size
			var r word128
			for i := range 8 >> (s & 3) {
				r.put(s, i, c.narrowShift(s, a.element(s+1, i), uint(-in.imm), e.kind, e.clamp))
			}
			c.narrowed(in, r[0])
			return true
		}
		all = append(all, opcode{name: e.name, pattern: pattern("0q%b01111 0iiiiiii %05b1nn nnnddddd", e.u, e.code), lower: halfShift(true), run: vectors})
		if e.clamp == clampNone {
			continue
		}
		all = append(all, opcode{
			name: e.name + ", scalar", pattern: pattern("01%b11111 0iiiiiii %05b1nn nnnddddd", e.u, e.code), lower: halfShift(true),
			run: func(c *CPU, in *inst) bool {
				s := in.size
				c.v[in.d&31] = word128{c.narrowShift(s, c.v[in.n&31][0]&ones(s+1), uint(-in.imm), e.kind, e.clamp) & ones(s)}
				return true
			},
		})
	}
	return all
}

// shiftLong is SSHLL and USHLL.
func shiftLong(unsigned bool) operation {
	return func(c *CPU, in *inst) bool {
		a, s := word128{c.v[in.n&31][in.extra&1]}, in.size
		var r word128
		for i := range 8 >> (s & 3) {
			r.put(s+1, i, extend(s, a.element(s, i), unsigned)<<in.imm)
		}
		c.v[in.d&31] = r
		return true
	}
}

// fixedPoint is SCVTF, UCVTF, FCVTZS and FCVTZU with a binary point.
func fixedPoint(unsigned, toInteger bool) immediateLane {
	return func(c *CPU, s uint8, _, a uint64, by int) uint64 {
		u := c.unit()
		var r uint64
		if toInteger {
			r = u.ToInteger(formats[s&3], a, width(s), unsigned, -by, ieee.Zero)
		} else {
			r = u.FromInteger(formats[s&3], a, width(s), unsigned, -by)
		}
		c.fpsr = uint64(u.FPSR)
		return r
	}
}

// notHalf makes a field of half precision, which is of another feature, one of
// single precision, and zero too, which makes the word another instruction.
func notHalf(w uint32) uint32 {
	if w>>20&7 <= 1 {
		w |= 1 << 21
	}
	return w
}

func shiftImmediateOpcodes() []opcode {
	var all []opcode
	add := func(name string, u, code int, right bool, sizes, scalars uint8, f immediateLane) {
		lower := sizedShift(sizes, right, false)
		all = append(all, opcode{
			name: name, pattern: pattern("0q%b01111 0iiiiiii %05b1nn nnnddddd", u, code), run: immediateLanes(f), lower: func(in *inst) bool {
				ok := lower(in)
				fastShift(name, in)
				return ok
			},
		})
		if scalars != 0 {
			all = append(all, opcode{
				name: name + ", scalar", pattern: pattern("01%b11111 0iiiiiii %05b1nn nnnddddd", u, code), lower: sizedShift(scalars, right, true), run: immediateScalar(f),
			})
		}
	}
	for _, e := range shiftImmediates {
		add(e.name, e.u, e.code, e.right, sizesAll, e.scalars, e.lane)
	}
	for u, prefix := range []string{"S", "U"} {
		first := len(all)
		add(prefix+"CVTF (vector, fixed-point)", u, 28, true, sizeS|sizeD, sizeS|sizeD, fixedPoint(u == 1, false))
		add("FCVTZ"+prefix+" (vector, fixed-point)", u, 31, true, sizeS|sizeD, sizeS|sizeD, fixedPoint(u == 1, true))
		for i := range all[first:] {
			all[first+i].valid = notHalf
		}
		all = append(all, opcode{name: prefix + "SHLL", pattern: pattern("0q%b01111 0iiiiiii 101001nn nnnddddd", u), lower: halfShift(false), run: shiftLong(u == 1)})
	}
	return append(all, narrowShiftOpcodes()...)
}
