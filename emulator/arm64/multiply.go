package arm64

import (
	"hash/crc32"
	"math/bits"
)

// multiplyOpcodes are the instructions of three sources.
func multiplyOpcodes() []opcode {
	return []opcode{
		{name: "MADD", pattern: "x0011011 000mmmmm 0aaaaann nnnddddd", lower: lowerMultiply, op: 0},
		{name: "MSUB", pattern: "x0011011 000mmmmm 1aaaaann nnnddddd", lower: lowerMultiply, op: 1},
		{name: "SMADDL", pattern: "10011011 001mmmmm 0aaaaann nnnddddd", lower: lowerTarget, run: multiplyLong, op: 0},
		{name: "SMSUBL", pattern: "10011011 001mmmmm 1aaaaann nnnddddd", lower: lowerTarget, run: multiplyLong, op: 1},
		{name: "UMADDL", pattern: "10011011 101mmmmm 0aaaaann nnnddddd", lower: lowerTarget, run: multiplyLong, op: 2},
		{name: "UMSUBL", pattern: "10011011 101mmmmm 1aaaaann nnnddddd", lower: lowerTarget, run: multiplyLong, op: 3},
		{name: "SMULH", pattern: "10011011 010mmmmm 0aaaaann nnnddddd", lower: lowerTarget, run: multiplyHigh, op: 0},
		{name: "UMULH", pattern: "10011011 110mmmmm 0aaaaann nnnddddd", lower: lowerTarget, run: multiplyHigh, op: 1},
	}
}

func lowerTarget(in *inst) bool {
	in.d = target(in.d)
	return true
}

func lowerMultiply(in *inst) bool {
	wide := in.word>>31 != 0
	in.d = target(in.d)
	if in.op == 0 {
		in.run = choose(wide, multiplyAdd64, multiplyAdd32)
	} else {
		in.run = choose(wide, multiplySub64, multiplySub32)
	}
	return true
}

func multiplyAdd64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.a&regMask] + c.r[in.n&regMask]*c.r[in.m&regMask]
	return true
}

func multiplyAdd32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.a&regMask] + c.r[in.n&regMask]*c.r[in.m&regMask]))
	return true
}

func multiplySub64(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = c.r[in.a&regMask] - c.r[in.n&regMask]*c.r[in.m&regMask]
	return true
}

func multiplySub32(c *CPU, in *inst) bool {
	c.r[in.d&regMask] = uint64(uint32(c.r[in.a&regMask] - c.r[in.n&regMask]*c.r[in.m&regMask]))
	return true
}

func multiplyLong(c *CPU, in *inst) bool {
	n, m := c.r[in.n&regMask], c.r[in.m&regMask]
	var p uint64
	if in.op < 2 {
		p = uint64(int64(int32(n)) * int64(int32(m)))
	} else {
		p = uint64(uint32(n)) * uint64(uint32(m))
	}
	if in.op&1 != 0 {
		p = -p
	}
	c.r[in.d&regMask] = c.r[in.a&regMask] + p
	return true
}

func multiplyHigh(c *CPU, in *inst) bool {
	n, m := c.r[in.n&regMask], c.r[in.m&regMask]
	high, _ := bits.Mul64(n, m)
	if in.op == 0 {
		high -= uint64(int64(n)>>63)&m + uint64(int64(m)>>63)&n
	}
	c.r[in.d&regMask] = high
	return true
}

// sourceOpcodes are the instructions of two sources and of one.
func sourceOpcodes() (t []opcode) {
	for i, name := range [...]string{2: "UDIV", 3: "SDIV", 8: "LSLV", 9: "LSRV", 10: "ASRV", 11: "RORV"} {
		if name == "" {
			continue
		}
		t = append(t, opcode{name: name, pattern: "x0011010 110mmmmm " + binary6(i) + "nn nnnddddd", lower: lowerTwoSources, op: uint8(i)})
	}
	for i, name := range []string{"CRC32B", "CRC32H", "CRC32W", "CRC32X", "CRC32CB", "CRC32CH", "CRC32CW", "CRC32CX"} {
		wide := "0"
		if i&3 == 3 {
			wide = "1"
		}
		t = append(t, opcode{name: name, pattern: wide + "0011010 110mmmmm " + binary6(16+i) + "nn nnnddddd", needs: featureCRC32,
			lower: lowerTarget, run: checksum, op: uint8(i)})
	}
	for i, name := range []string{"RBIT", "REV16", "REV (32)", "", "CLZ", "CLS"} {
		if name != "" {
			t = append(t, opcode{name: name, pattern: "x1011010 11000000 " + binary6(i) + "nn nnnddddd", lower: lowerOneSource, op: uint8(i)})
		}
	}
	return append(t, opcode{name: "REV (64)", pattern: "11011010 11000000 000011nn nnnddddd", lower: lowerOneSource, op: 3})
}

// binary6 is a number in six binary digits.
func binary6(n int) string {
	b := []byte("000000")
	for i := range b {
		b[i] += byte(n >> (5 - i) & 1)
	}
	return string(b)
}

func lowerTwoSources(in *inst) bool {
	in.d = target(in.d)
	in.run = choose(in.word>>31 != 0, twoSources64, twoSources32)
	return true
}

func twoSources64(c *CPU, in *inst) bool {
	n, m := c.r[in.n&regMask], c.r[in.m&regMask]
	var v uint64
	switch in.op {
	case 2:
		if m != 0 {
			v = n / m
		}
	case 3:
		if m != 0 {
			v = uint64(int64(n) / int64(m)) // the one that overflows wraps in Go too
		}
	case 8:
		v = n << (m & 63)
	case 9:
		v = n >> (m & 63)
	case 10:
		v = uint64(int64(n) >> (m & 63))
	case 11:
		v = bits.RotateLeft64(n, -int(m&63))
	}
	c.r[in.d&regMask] = v
	return true
}

func twoSources32(c *CPU, in *inst) bool {
	n, m := uint32(c.r[in.n&regMask]), uint32(c.r[in.m&regMask])
	var v uint32
	switch in.op {
	case 2:
		if m != 0 {
			v = n / m
		}
	case 3:
		if m != 0 {
			v = uint32(int32(n) / int32(m))
		}
	case 8:
		v = n << (m & 31)
	case 9:
		v = n >> (m & 31)
	case 10:
		v = uint32(int32(n) >> (m & 31))
	case 11:
		v = bits.RotateLeft32(n, -int(m&31))
	}
	c.r[in.d&regMask] = uint64(v)
	return true
}

var crcTables = [2]*crc32.Table{crc32.IEEETable, crc32.MakeTable(crc32.Castagnoli)}

// checksum is CRC32B to CRC32CX: op has the size in bits 1 and 0, and the
// polynomial in bit 2. The instructions do not invert, as package crc32 does.
func checksum(c *CPU, in *inst) bool {
	sum, v := uint32(c.r[in.n&regMask]), c.r[in.m&regMask]
	table := crcTables[in.op>>2&1]
	for range 1 << (in.op & 3) {
		sum = table[uint8(sum)^uint8(v)] ^ sum>>8
		v >>= 8
	}
	c.r[in.d&regMask] = uint64(sum)
	return true
}

func lowerOneSource(in *inst) bool {
	in.d = target(in.d)
	in.run = choose(in.word>>31 != 0, oneSource64, oneSource32)
	return true
}

func oneSource64(c *CPU, in *inst) bool {
	v := c.r[in.n&regMask]
	switch in.op {
	case 0:
		v = bits.Reverse64(v)
	case 1:
		v = v>>8&0x00ff00ff00ff00ff | v&0x00ff00ff00ff00ff<<8
	case 2:
		v = bits.RotateLeft64(bits.ReverseBytes64(v), 32)
	case 3:
		v = bits.ReverseBytes64(v)
	case 4:
		v = uint64(bits.LeadingZeros64(v))
	case 5:
		v = uint64(bits.LeadingZeros64(uint64(int64(v)^int64(v)>>1))) - 1
	}
	c.r[in.d&regMask] = v
	return true
}

func oneSource32(c *CPU, in *inst) bool {
	v := uint32(c.r[in.n&regMask])
	switch in.op {
	case 0:
		v = bits.Reverse32(v)
	case 1:
		v = v>>8&0x00ff00ff | v&0x00ff00ff<<8
	case 2:
		v = bits.ReverseBytes32(v)
	case 4:
		v = uint32(bits.LeadingZeros32(v))
	case 5:
		v = uint32(bits.LeadingZeros32(uint32(int32(v)^int32(v)>>1))) - 1
	}
	c.r[in.d&regMask] = uint64(v)
	return true
}
