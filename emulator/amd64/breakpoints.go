package amd64

import "github.com/seed64aab995/rescuekernel/machdep/amd64"

// Breakpoints of the guest's own, in DR0 to DR3 (Intel SDM 3B 18.2). While one is
// enabled, instructions are executed one by one, and loads and stores take no
// fast way.

// Conditions of DR7.R/W.
const (
	breakExecute = 0
	breakWrite   = 1
	breakPort    = 2 // with CR4.DE, which is not there
	breakAccess  = 3
)

const debugEnabled = 0xff // DR7: L0 to G3

// breakpoint is what DR7 says of one.
func (c *CPU) breakpoint(n int) (enabled bool, condition uint64, length uint64) {
	if c.dr7>>(2*n)&3 == 0 {
		return false, 0, 0
	}
	return true, c.dr7 >> (16 + 4*n) & 3, [4]uint64{1, 2, 8, 4}[c.dr7>>(18+4*n)&3]
}

// instructionBreak is #DB where a breakpoint is at the next instruction, unless
// RFLAGS.RF holds it back for this one.
func (c *CPU) instructionBreak(linear uint64) bool {
	if c.dr7&debugEnabled == 0 || c.rflags&flagRF != 0 {
		return false
	}
	hit := uint64(0)
	for n := range c.dr {
		if enabled, condition, _ := c.breakpoint(n); enabled && condition == breakExecute && c.dr[n] == linear {
			hit |= 1 << n
		}
	}
	if hit == 0 {
		return false
	}
	c.dr6 = c.dr6&^0xf | hit
	c.raise(amd64.VectorDebug)
	return true
}

// dataBreak notes the breakpoints that a load or store hits: #DB comes behind
// its instruction.
func (c *CPU) dataBreak(va uint64, size uint8, write bool) {
	if c.dr7&debugEnabled == 0 {
		return
	}
	for n := range c.dr {
		enabled, condition, length := c.breakpoint(n)
		start := c.dr[n] &^ (length - 1)
		if enabled && (condition == breakAccess || condition == breakWrite && write) && va < start+length && start < va+uint64(size) {
			c.dataBreaks |= 1 << n
		}
	}
}

// debugTrap is #DB behind an instruction: of its single step, and of what its
// loads and stores hit. It gives true where there is none.
func (c *CPU) debugTrap(step bool) bool {
	if !step && c.dataBreaks == 0 {
		return true
	}
	c.dr6 = c.dr6&^0xf | c.dataBreaks
	if step {
		c.dr6 |= debugSingleStep
	}
	c.dataBreaks = 0
	c.fault = fault{vector: amd64.VectorDebug, trap: true}
	c.event = eventFault
	return false
}
