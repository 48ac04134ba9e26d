package arm64

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// vectorsEnabled reports whether vector registers can be used at the present
// exception level (DDI 0487 D1.3.4: CPACR_EL1.FPEN, CPTR_EL2).
func (c *CPU) vectorsEnabled() bool { return c.vectorTrapLevel() == 0 }

// vectorTrapLevel is the level that their use is trapped to, or 0.
func (c *CPU) vectorTrapLevel() uint8 {
	s := &c.sys
	if c.level < 2 && !c.hostUser() && fpenTraps(s.cpacr>>20&3, c.level) {
		return c.route()
	}
	if !c.config.EL2 {
		return 0
	}
	if c.hostBit() {
		if c.level == 2 || c.hostUser() || s.cptr>>20&1 == 0 {
			level := c.level
			if level == 2 {
				level = 1
			}
			if level == 1 && c.level == 1 && s.cptr>>20&1 == 0 || c.level != 1 && fpenTraps(s.cptr>>20&3, level) {
				return 2
			}
		}
		return 0
	}
	if s.cptr>>10&1 != 0 { // TFP
		return 2
	}
	return 0
}

// fpenTraps applies FPEN: 1 traps EL0, 3 nothing, the others all.
func fpenTraps(fpen uint64, level uint8) bool { return fpen&1 == 0 || fpen == 1 && level == 0 }

// operationVectorTrap stands for an instruction on vector registers where they
// are not enabled.
func operationVectorTrap(c *CPU, in *inst) bool {
	to := c.vectorTrapLevel()
	c.raise(arm64.ClassFloatingPointTrap, 1<<24|0xe<<20)
	if c.level == 0 && to == 2 && !c.hostBit() && fpenTraps(c.sys.cpacr>>20&3, 0) {
		c.undefined() // by CPACR_EL1 under HCR_EL2.TGE (DDI 0487 D24.2, ESR_EL2, EC 0)
	}
	c.fault.target = to
	return false
}

// waitTrapped raises the trap of WFI and WFE (SCTLR.nTWI and nTWE, HCR_EL2.TWI
// and TWE).
func (c *CPU) waitTrapped(event bool) bool {
	bit, syndrome := 16, uint32(1<<24|0xe<<20)
	if event {
		bit, syndrome = 18, syndrome|1
	}
	switch {
	case c.level == 0 && c.sys.sctlr[c.userLevel()]>>bit&1 == 0:
		c.raise(arm64.ClassWait, syndrome)
		return true
	case c.trapHCR(map[int]int{16: 13, 18: 14}[bit]) != 0:
		c.raise(arm64.ClassWait, syndrome)
		c.fault.target = 2
		return true
	}
	return false
}
