package arm64

import "math/bits"

// Faster forms of common operations: all elements of 64 bits at once.

// highs are the highest bits of the elements of 64 bits, lows the lowest.
var (
	highs = [4]uint64{0x8080808080808080, 0x8000800080008000, 0x8000000080000000, 1 << 63}
	lows  = [4]uint64{0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1}
)

func addWords(s uint8) func(d, a, b uint64) uint64 {
	h := highs[s]
	return func(_, a, b uint64) uint64 { return (a&^h + b&^h) ^ (a^b)&h }
}

func subWords(s uint8) func(d, a, b uint64) uint64 {
	h := highs[s]
	return func(_, a, b uint64) uint64 { return ((a | h) - b&^h) ^ (a^^b)&h }
}

// zeros has all bits of the elements that are zero.
func zeros(s uint8, v uint64) uint64 {
	h := highs[s]
	found := ^((v&^h + ^h) | v | ^h) // the highest bit of each
	return found<<1 - found>>(width(s)-1)
}

func equalWords(s uint8) func(d, a, b uint64) uint64 {
	if s == 3 {
		return func(_, a, b uint64) uint64 { return allOnes(a == b) }
	}
	return func(_, a, b uint64) uint64 { return zeros(s, a^b) }
}

func isZeroWords(s uint8) func(d, a, b uint64) uint64 {
	f := equalWords(s)
	return func(_, a, _ uint64) uint64 { return f(0, a, 0) }
}

// bytesReversed are REV16, REV32 and REV64 of bytes.
func bytesReversed(container uint8) func(d, a, b uint64) uint64 {
	switch container {
	case 1:
		return func(_, a, _ uint64) uint64 { return a<<8&0xff00ff00ff00ff00 | a>>8&0x00ff00ff00ff00ff }
	case 2:
		return func(_, a, _ uint64) uint64 { return bits.RotateLeft64(bits.ReverseBytes64(a), 32) }
	}
	return func(_, a, _ uint64) uint64 { return bits.ReverseBytes64(a) }
}

// fastWords are operations on 64 bits, by the instruction's name and element
// size.
var fastWords = map[string]func(s uint8) func(d, a, b uint64) uint64{
	"ADD (vector)": addWords, "SUB (vector)": subWords, "CMEQ (register)": equalWords, "CMEQ (zero)": isZeroWords,
	"REV16 (vector)": func(uint8) func(d, a, b uint64) uint64 { return bytesReversed(1) },
	"REV32 (vector)": reversedWords(2), "REV64": reversedWords(3),
}

func reversedWords(container uint8) func(s uint8) func(d, a, b uint64) uint64 {
	return func(s uint8) func(d, a, b uint64) uint64 {
		if s != 0 {
			return nil
		}
		return bytesReversed(container)
	}
}

// withFast has a lower function choose the faster form where there is one.
func withFast(name string, lower func(in *inst) bool) func(in *inst) bool {
	var fast [4]operation
	if name == "ADDP (vector)" {
		fast[0] = addPairsOfBytes
	}
	words := fastWords[name]
	if words == nil && fast[0] == nil {
		return lower
	}
	for s := range fast {
		if words == nil {
			break
		}
		if f := words(uint8(s)); f != nil {
			fast[s] = bitwise(f)
		}
	}
	return func(in *inst) bool {
		ok := lower(in)
		if f := fast[in.size&3]; f != nil {
			in.run = f
		}
		return ok
	}
}

// fastShift makes a shift by an immediate one of 64 bits: which bits stay is the
// same for all such instructions, so it is worked out once.
func fastShift(name string, in *inst) {
	s, by := in.size, int(int64(in.imm))
	switch {
	case name == "SHL":
		in.a = uint8(by)
		in.imm = lows[s] * (ones(s) << by & ones(s))
		in.run = operationShiftLeft
	case name == "SLI":
		in.a = uint8(by)
		in.imm = lows[s] * (ones(s) << by & ones(s))
		in.run = operationShiftLeftInsert
	case name == "USHR":
		in.a = uint8(-by)
		in.imm = lows[s] * (ones(s) >> -by)
		in.run = operationShiftRight
	case name == "SRI":
		in.a = uint8(-by)
		in.imm = lows[s] * (ones(s) >> -by)
		in.run = operationShiftRightInsert
	}
}

func operationShiftLeft(c *CPU, in *inst) bool {
	n := &c.v[in.n&31]
	low, high := n[0]<<in.a&in.imm, n[1]<<in.a&in.imm
	c.v[in.d&31] = word128{low, high & -uint64(in.extra&1)}
	return true
}

func operationShiftRight(c *CPU, in *inst) bool {
	n := &c.v[in.n&31]
	low, high := n[0]>>in.a&in.imm, n[1]>>in.a&in.imm
	c.v[in.d&31] = word128{low, high & -uint64(in.extra&1)}
	return true
}

func operationShiftLeftInsert(c *CPU, in *inst) bool {
	n, d, m := c.v[in.n&31], &c.v[in.d&31], in.imm
	*d = word128{n[0]<<in.a&m | d[0]&^m, (n[1]<<in.a&m | d[1]&^m) & -uint64(in.extra&1)}
	return true
}

func operationShiftRightInsert(c *CPU, in *inst) bool {
	n, d, m := c.v[in.n&31], &c.v[in.d&31], in.imm
	*d = word128{n[0]>>in.a&m | d[0]&^m, (n[1]>>in.a&m | d[1]&^m) & -uint64(in.extra&1)}
	return true
}

// sumsOfBytes adds neighbouring bytes of 64 bits, to four bytes.
func sumsOfBytes(v uint64) uint64 {
	const even = 0x00ff00ff00ff00ff
	v = (v&even + v>>8&even) & even
	v = (v | v>>8) & 0x0000ffff0000ffff
	return (v | v>>16) & 0xffffffff
}

// addPairsOfBytes is ADDP of bytes, which finds the end of strings.
func addPairsOfBytes(c *CPU, in *inst) bool {
	a, b := c.v[in.n&31], c.v[in.m&31]
	if in.extra == 0 {
		c.v[in.d&31] = word128{sumsOfBytes(a[0]) | sumsOfBytes(b[0])<<32}
		return true
	}
	c.v[in.d&31] = word128{sumsOfBytes(a[0]) | sumsOfBytes(a[1])<<32, sumsOfBytes(b[0]) | sumsOfBytes(b[1])<<32}
	return true
}
