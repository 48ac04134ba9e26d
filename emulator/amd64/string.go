package amd64

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
)

// maxRepeat is how many elements a repeated string instruction takes before
// interrupts are looked at.
const maxRepeat = 1 << 16

// step is how far a string pointer moves.
func (c *CPU) step(in *inst) uint64 {
	if c.rflags&flagDF != 0 {
		return -uint64(in.size)
	}
	return uint64(in.size)
}

// sourceAddress is the linear address of DS:rSI, or of another segment.
func (c *CPU) sourceAddress(in *inst) uint64 {
	return truncate(c.r[machine.RSI], in.asize) + c.r[in.seg&regMask]
}

// destinationAddress is that of ES:rDI.
func (c *CPU) destinationAddress(in *inst) uint64 {
	a := truncate(c.r[machine.RDI], in.asize)
	if c.mode != mode64 {
		a += c.segments[segES].Base
	}
	return a
}

// move adds to a string pointer.
func (c *CPU) move(register uint8, in *inst, by uint64) {
	c.set(register, in.asize, c.r[register]+by)
}

// repeated executes one element of a string instruction, or as many as rCX
// says: after each, registers and memory are as if it were the only one, so a
// fault in the middle goes on there.
func (c *CPU) repeated(in *inst, compares bool, one func(c *CPU, in *inst) bool) bool {
	if in.repeat == 0 {
		return one(c, in)
	}
	for range maxRepeat {
		if c.get(machine.RCX, in.asize) == 0 {
			return true
		}
		if !one(c, in) {
			return c.event == eventNone
		}
		c.set(machine.RCX, in.asize, c.get(machine.RCX, in.asize)-1)
		if compares && c.zero() != (in.repeat == 0xf3) {
			return true
		}
	}
	c.rip = in.ip
	return false
}

// run is how many elements of a repeated instruction lie in the page of both
// addresses, upward; 0 where that is of no use.
func (c *CPU) run(in *inst, a, b uint64) uint64 {
	if in.repeat == 0 || c.rflags&flagDF != 0 || in.asize != 8 {
		return 0
	}
	size := uint64(in.size)
	n := min((emulator.PageSize-a&pageMask)/size, (emulator.PageSize-b&pageMask)/size, c.r[machine.RCX])
	return n
}

func operationMoveString(c *CPU, in *inst) bool {
	return c.repeated(in, false, func(c *CPU, in *inst) bool {
		from, to := c.sourceAddress(in), c.destinationAddress(in)
		if n := c.run(in, from, to); n > 1 {
			r, w := &c.tlb.read[from>>pageShift%fastEntries], &c.tlb.write[to>>pageShift%fastEntries]
			bytes := n * uint64(in.size)
			apart := to-from >= bytes
			if r.tag == from>>pageShift|fastValid && w.tag == to>>pageShift|fastValid && apart {
				copy(w.page[to&pageMask:][:bytes], r.page[from&pageMask:])
				c.r[machine.RSI] += bytes
				c.r[machine.RDI] += bytes
				c.r[machine.RCX] -= n - 1
				return true
			}
		}
		v, ok := c.load(from, in.size)
		if !ok || !c.store(to, in.size, v) {
			return false
		}
		c.move(machine.RSI, in, c.step(in))
		c.move(machine.RDI, in, c.step(in))
		return true
	})
}

func operationStoreString(c *CPU, in *inst) bool {
	return c.repeated(in, false, func(c *CPU, in *inst) bool {
		to := c.destinationAddress(in)
		if n := c.run(in, to, to); n > 1 {
			if w := &c.tlb.write[to>>pageShift%fastEntries]; w.tag == to>>pageShift|fastValid {
				fill(w.page[to&pageMask:][:n*uint64(in.size)], c.r[machine.RAX], in.size)
				c.r[machine.RDI] += n * uint64(in.size)
				c.r[machine.RCX] -= n - 1
				return true
			}
		}
		if !c.store(to, in.size, c.r[machine.RAX]) {
			return false
		}
		c.move(machine.RDI, in, c.step(in))
		return true
	})
}

// fill stores the low size bytes of v again and again.
func fill(p []byte, v uint64, size uint8) {
	for i := range p[:size] {
		p[i] = byte(v >> (8 * i))
	}
	for n := int(size); n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

func operationLoadString(c *CPU, in *inst) bool {
	return c.repeated(in, false, func(c *CPU, in *inst) bool {
		v, ok := c.load(c.sourceAddress(in), in.size)
		if ok {
			c.set(machine.RAX, in.size, v)
			c.move(machine.RSI, in, c.step(in))
		}
		return ok
	})
}

func operationCompareString(c *CPU, in *inst) bool {
	return c.repeated(in, true, func(c *CPU, in *inst) bool {
		a, ok := c.load(c.sourceAddress(in), in.size)
		if !ok {
			return false
		}
		b, ok := c.load(c.destinationAddress(in), in.size)
		if !ok {
			return false
		}
		c.flagsSub(in.size, a, b, a-b)
		c.move(machine.RSI, in, c.step(in))
		c.move(machine.RDI, in, c.step(in))
		return true
	})
}

func operationScanString(c *CPU, in *inst) bool {
	return c.repeated(in, true, func(c *CPU, in *inst) bool {
		b, ok := c.load(c.destinationAddress(in), in.size)
		if !ok {
			return false
		}
		a := c.get(machine.RAX, in.size)
		c.flagsSub(in.size, a, b, a-b)
		c.move(machine.RDI, in, c.step(in))
		return true
	})
}

// operationInputString and operationOutputString are INS and OUTS.
func operationInputString(c *CPU, in *inst) bool {
	size := min(in.size, 4)
	if !c.portAllowed(uint16(c.r[machine.RDX]), size) {
		return false
	}
	sized := *in
	sized.size = size
	done := c.repeated(&sized, false, func(c *CPU, in *inst) bool {
		if !c.probe(c.destinationAddress(in), uint64(size)) {
			return false
		}
		v, ok := c.portRead(uint16(c.r[machine.RDX]), size)
		if !ok || !c.store(c.destinationAddress(in), size, v) {
			return false
		}
		c.move(machine.RDI, in, c.step(in))
		return true
	})
	return done
}

func operationOutputString(c *CPU, in *inst) bool {
	size := min(in.size, 4)
	if !c.portAllowed(uint16(c.r[machine.RDX]), size) {
		return false
	}
	sized := *in
	sized.size = size
	return c.repeated(&sized, false, func(c *CPU, in *inst) bool {
		v, ok := c.load(c.sourceAddress(in), size)
		if !ok {
			return false
		}
		c.move(machine.RSI, in, c.step(in))
		if exit := c.portWrite(uint16(c.r[machine.RDX]), size, v); exit != nil {
			if in.repeat != 0 {
				c.set(machine.RCX, in.asize, c.get(machine.RCX, in.asize)-1)
			}
			c.stopAfter(exit)
			c.advance = in.repeat == 0 || c.get(machine.RCX, in.asize) == 0
			return false
		}
		return true
	})
}

// operationIn is IN: the port is DX (op 0) or an immediate (op 1).
func operationIn(c *CPU, in *inst) bool {
	port, size := c.port(in)
	if !c.portAllowed(port, size) {
		return false
	}
	v, ok := c.portRead(port, size)
	if ok {
		c.set(machine.RAX, size, v)
	}
	return ok
}

func operationOut(c *CPU, in *inst) bool {
	port, size := c.port(in)
	if !c.portAllowed(port, size) {
		return false
	}
	if exit := c.portWrite(port, size, c.get(machine.RAX, size)); exit != nil {
		return c.stopAfter(exit)
	}
	return true
}

func (c *CPU) port(in *inst) (uint16, uint8) {
	if in.op == 1 {
		return uint16(in.imm), min(in.size, 4)
	}
	return uint16(c.r[machine.RDX]), min(in.size, 4)
}
