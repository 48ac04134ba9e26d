package amd64

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/machine"
)

// The bit-test operations.
const (
	bitTest = iota
	bitSet
	bitReset
	bitComplement
)

// operationBit is BT, BTS, BTR, BTC with a register: in memory the register
// reaches beyond the operand (Intel SDM 2A 3.1.1.9).
func operationBit(c *CPU, in *inst) bool {
	n := c.get(in.reg, in.size)
	if !in.mem {
		return c.bit(in, 0, n)
	}
	width := 8 * uint64(in.size)
	return c.bit(in, uint64(int64(extend(n, in.size))&^int64(width-1))/8|uint64(int64(extend(n, in.size))>>63)<<61, n)
}

func operationBitImmediate(c *CPU, in *inst) bool { return c.bit(in, 0, in.imm) }

func (c *CPU) bit(in *inst, displacement, n uint64) bool {
	n &= 8*uint64(in.size) - 1
	a := c.get(in.rm, in.size)
	if in.mem {
		var ok bool
		va := c.address(in) + displacement
		if in.op == bitTest {
			a, ok = c.load(va, in.size)
		} else {
			a, ok = c.loadToStore(va, in.size)
		}
		if !ok {
			return false
		}
	}
	res := a
	switch in.op {
	case bitSet:
		res |= 1 << n
	case bitReset:
		res &^= 1 << n
	case bitComplement:
		res ^= 1 << n
	}
	if in.op != bitTest {
		if in.mem {
			if !c.store(c.address(in)+displacement, in.size, res) {
				return false
			}
		} else {
			c.set(in.rm, in.size, res)
		}
	}
	c.setCarry(a >> n & 1)
	return true
}

// operationScan is BSF (op 0) and BSR (op 1). For zero the destination keeps
// its value (AMD64 APM 3; Intel says undefined and does the same).
func operationScan(c *CPU, in *inst) bool {
	a, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	if a == 0 {
		c.flagsLogic(in.size, 0)
		return true
	}
	n := bits.TrailingZeros64(a)
	if in.op == 1 {
		n = 63 - bits.LeadingZeros64(a)
	}
	c.set(in.reg, in.size, uint64(n))
	c.flagsLogic(in.size, a)
	return true
}

func operationPopulation(c *CPU, in *inst) bool {
	a, ok := c.source(in, in.size)
	if !ok {
		return false
	}
	n := uint64(bits.OnesCount64(a))
	c.set(in.reg, in.size, n)
	c.fres, c.faux = a, 0
	if a != 0 { // ZF is the source's; SF, PF, CF, OF, AF are cleared
		c.fres, c.faux = resultUnset, 1<<auxParity
	} else {
		c.faux = 1 << auxParity
	}
	return true
}

func operationByteSwap(c *CPU, in *inst) bool {
	if in.size == 8 {
		c.r[in.rm&regMask] = bits.ReverseBytes64(c.r[in.rm&regMask])
		return true
	}
	c.set(in.rm, 4, uint64(bits.ReverseBytes32(uint32(c.r[in.rm&regMask]))))
	return true
}

func operationExchangeAdd(c *CPU, in *inst) bool {
	a, ok := c.target(in)
	if !ok {
		return false
	}
	b := c.get(in.reg, in.size)
	if in.mem {
		if !c.store(c.address(in), in.size, a+b) {
			return false
		}
		c.set(in.reg, in.size, a)
	} else {
		c.set(in.reg, in.size, a)
		c.set(in.rm, in.size, a+b)
	}
	c.flagsAdd(in.size, a, b, a+b)
	return true
}

func operationExchange(c *CPU, in *inst) bool {
	a, ok := c.target(in)
	if !ok {
		return false
	}
	b := c.get(in.reg, in.size)
	if !c.result(in, in.size, b) {
		return false
	}
	c.set(in.reg, in.size, a)
	return true
}

// operationExchangeAccumulator is XCHG rAX, reg.
func operationExchangeAccumulator(c *CPU, in *inst) bool {
	a, b := c.get(machine.RAX, in.size), c.get(in.rm, in.size)
	c.set(machine.RAX, in.size, b)
	c.set(in.rm, in.size, a)
	return true
}

func operationCompareExchange(c *CPU, in *inst) bool {
	a, ok := c.target(in)
	if !ok {
		return false
	}
	want := c.get(machine.RAX, in.size)
	res := a
	if a == want {
		res = c.get(in.reg, in.size)
	}
	if in.mem || a == want {
		if !c.result(in, in.size, res) {
			return false
		}
	}
	if a != want {
		c.set(machine.RAX, in.size, a)
	}
	c.flagsSub(in.size, want, a, want-a)
	return true
}

// operationCompareExchangeWide is CMPXCHG8B and CMPXCHG16B.
func operationCompareExchangeWide(c *CPU, in *inst) bool {
	va, half := c.address(in), uint8(4)
	if in.size == 8 {
		half = 8
		if va&15 != 0 {
			return c.general(0)
		}
	}
	if !c.probe(va, 2*uint64(half)) {
		return false
	}
	low, ok := c.loadToStore(va, half)
	if !ok {
		return false
	}
	high, ok := c.loadToStore(va+uint64(half), half)
	if !ok {
		return false
	}
	equal := low == c.get(machine.RAX, half) && high == c.get(machine.RDX, half)
	newLow, newHigh := low, high
	if equal {
		newLow, newHigh = c.get(machine.RBX, half), c.get(machine.RCX, half)
	}
	if !c.store(va, half, newLow) || !c.store(va+uint64(half), half, newHigh) {
		return false
	}
	if !equal {
		c.set(machine.RAX, half, low)
		c.set(machine.RDX, half, high)
	}
	f := c.status() &^ flagZF
	if equal {
		f |= flagZF
	}
	c.setStatus(f)
	return true
}

// castagnoli is the polynomial of CRC32, bits reversed.
const castagnoli = 0x82f63b78

var crcTable = func() (t [256]uint32) {
	for i := range t {
		v := uint32(i)
		for range 8 {
			v = v>>1 ^ castagnoli&-(v&1)
		}
		t[i] = v
	}
	return t
}()

func operationCRC32(c *CPU, in *inst) bool {
	size := in.size
	if in.op == 1 {
		size = 1
	}
	v, ok := c.source(in, size)
	if !ok {
		return false
	}
	crc := uint32(c.r[in.reg&regMask])
	for range size {
		crc = crcTable[uint8(crc)^uint8(v)] ^ crc>>8
		v >>= 8
	}
	c.r[in.reg&regMask] = uint64(crc)
	return true
}
