package amd64

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/machine"
)

// operationCompareText is PCMPESTRM (op 0), PCMPESTRI (op 1), PCMPISTRM (op 2),
// PCMPISTRI (op 3) (Intel SDM 2B 4.1).
func operationCompareText(c *CPU, in *inst) bool {
	if c.vectorsOff {
		return c.vectorsAllowed()
	}
	b, ok := c.x[in.rm&15], true
	if in.mem {
		b, ok = c.loadVector(c.address(in)) // need not be aligned
	}
	if !ok {
		return false
	}
	imm := uint8(in.imm)
	size := 1 + int(imm&1)
	n := 16 / size
	x, y := textLanes(c.x[in.reg&15], imm), textLanes(b, imm)
	la, lb := n, n
	if in.op < 2 {
		width := uint8(4)
		if in.size == 8 {
			width = 8
		}
		la, lb = textLength(c.r[machine.RAX], width, n), textLength(c.r[machine.RDX], width, n)
	} else {
		la, lb = textEnd(x, n), textEnd(y, n)
	}
	res := aggregate(x, y, la, lb, n, imm)
	whole := uint64(1)<<n - 1
	switch imm >> 4 & 3 {
	case 1:
		res ^= whole
	case 3:
		res ^= uint64(1)<<lb - 1
	}
	f := res & 1 << 11
	if res != 0 {
		f |= flagCF
	}
	if lb < n {
		f |= flagZF
	}
	if la < n {
		f |= flagSF
	}
	c.setStatus(f)
	if in.op&1 == 1 {
		c.r[machine.RCX] = textIndex(res, n, imm)
	} else {
		c.x[0] = textMask(res, n, size, imm)
	}
	return true
}

// textLanes are the characters, as numbers with or without sign.
func textLanes(v vector, imm uint8) (e [16]int64) {
	size := 1 + int(imm&1)
	l := lanes(v, size)
	for i := range e {
		e[i] = int64(l[i])
		if imm&2 != 0 {
			e[i] = int64(extend(l[i], uint8(size)))
		}
	}
	return e
}

func textLength(v uint64, width uint8, n int) int {
	l := int64(extend(v, width))
	if l < 0 {
		l = -l
	}
	if l < 0 || l > int64(n) {
		return n
	}
	return int(l)
}

// textEnd is the place of the first zero.
func textEnd(e [16]int64, n int) int {
	for i := range n {
		if e[i] == 0 {
			return i
		}
	}
	return n
}

// aggregate compares all with all, as bits 2 and 3 say.
func aggregate(x, y [16]int64, la, lb, n int, imm uint8) (res uint64) {
	for j := range n {
		hit := false
		switch imm >> 2 & 3 {
		case 0: // equal to any
			for i := range la {
				hit = hit || j < lb && x[i] == y[j]
			}
		case 1: // in one of the ranges
			for i := 0; i+1 < la; i += 2 {
				hit = hit || j < lb && y[j] >= x[i] && y[j] <= x[i+1]
			}
		case 2: // equal each
			hit = j < la && j < lb && x[j] == y[j] || j >= la && j >= lb
		case 3: // a substring begins here
			hit = true
			for i := 0; i < la && i+j < n; i++ {
				hit = hit && i+j < lb && x[i] == y[i+j]
			}
		}
		if hit {
			res |= 1 << j
		}
	}
	return res
}

func textIndex(res uint64, n int, imm uint8) uint64 {
	if res == 0 {
		return uint64(n)
	}
	if imm&0x40 != 0 {
		return uint64(bits.Len64(res) - 1)
	}
	return uint64(bits.TrailingZeros64(res))
}

func textMask(res uint64, n, size int, imm uint8) vector {
	if imm&0x40 == 0 {
		return vector{res}
	}
	var e [16]uint64
	for i := range n {
		e[i] = ones(res>>i&1 != 0)
	}
	return join(e, size)
}
