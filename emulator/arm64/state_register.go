package arm64

// plain is a register that only holds something.
func plain(name string, level uint8, mask uint64, at func(c *CPU) *uint64) *systemRegister {
	return &systemRegister{name: name, level: level,
		read:  func(c *CPU) uint64 { return *at(c) },
		write: func(c *CPU, v uint64) { *at(c) = v & mask }}
}

// constant is one that tells something.
func constant(name string, level uint8, read func(c *CPU) uint64) *systemRegister {
	return &systemRegister{name: name, level: level, read: read}
}

const everyBit = ^uint64(0)

// exceptionRegisters are stack pointers, thread registers and what belongs to
// exceptions.
func exceptionRegisters() map[SystemRegister]*systemRegister {
	spEL0 := plain("SP_EL0", 1, everyBit, func(c *CPU) *uint64 { return &c.stacks[0] })
	read, write := spEL0.read, spEL0.write
	spEL0.read = func(c *CPU) uint64 {
		if !c.handler {
			c.undefined()
		}
		return read(c)
	}
	spEL0.write = func(c *CPU, v uint64) {
		if !c.handler {
			c.undefined()
			return
		}
		write(c, v)
	}
	return map[SystemRegister]*systemRegister{
		Register(3, 0, 4, 1, 0):  spEL0,
		Register(3, 4, 4, 1, 0):  plain("SP_EL1", 2, everyBit, func(c *CPU) *uint64 { return &c.stacks[1] }),
		Register(3, 3, 13, 0, 2): plain("TPIDR_EL0", 0, everyBit, func(c *CPU) *uint64 { return &c.sys.tpidr[0] }),
		Register(3, 0, 13, 0, 4): plain("TPIDR_EL1", 1, everyBit, func(c *CPU) *uint64 { return &c.sys.tpidr[1] }),
		Register(3, 4, 13, 0, 2): plain("TPIDR_EL2", 2, everyBit, func(c *CPU) *uint64 { return &c.sys.tpidr[2] }),
		Register(3, 3, 13, 0, 3): {name: "TPIDRRO_EL0", read: func(c *CPU) uint64 { return c.sys.tpidrro },
			write: func(c *CPU, v uint64) {
				if c.level == 0 {
					c.undefined()
					return
				}
				c.sys.tpidrro = v
			}},
		Register(3, 0, 7, 4, 0): plain("PAR_EL1", 1, everyBit, func(c *CPU) *uint64 { return &c.sys.par }),
		Register(3, 0, 12, 1, 0): constant("ISR_EL1", 1, func(c *CPU) uint64 {
			v := uint64(0)
			for _, a := range c.interrupts() {
				if a.pending && (a.virtual == c.virtualInterrupts(a.vector)) {
					v |= a.mask
				}
			}
			return v
		}),
	}
}

// stateRegisters are those that show PSTATE and floating-point control.
func stateRegisters() map[SystemRegister]*systemRegister {
	daif := &systemRegister{name: "DAIF",
		read:  func(c *CPU) uint64 { return c.daif },
		write: func(c *CPU, v uint64) { c.daif = v & daifMask; c.limit = 0 },
		trap: func(c *CPU, _ bool) uint8 {
			if c.mayMask() {
				return 0
			}
			return 1
		}}
	return map[SystemRegister]*systemRegister{
		Register(3, 3, 4, 2, 0): {name: "NZCV", read: func(c *CPU) uint64 { return uint64(c.nzcv()) << 28 },
			write: func(c *CPU, v uint64) { c.setFlags(uint8(v >> 28)) }},
		Register(3, 3, 4, 2, 1): daif,
		Register(3, 0, 4, 2, 2): constant("CurrentEL", 1, func(c *CPU) uint64 { return uint64(c.level) << 2 }),
		Register(3, 0, 4, 2, 0): {name: "SPSel", level: 1, read: func(c *CPU) uint64 { return bitOf(c.handler) },
			write: func(c *CPU, v uint64) { c.selectStack(v&1 != 0) }},
		Register(3, 0, 4, 2, 3): {name: "PAN", level: 1, needs: featurePAN, read: func(c *CPU) uint64 { return bitOf(c.pan) << 22 },
			write: func(c *CPU, v uint64) { c.pan = v>>22&1 != 0; c.selectTLB() }},
		Register(3, 0, 4, 2, 4): {name: "UAO", level: 1, needs: featureUAO, read: func(c *CPU) uint64 { return bitOf(c.uao) << 23 },
			write: func(c *CPU, v uint64) { c.uao = v>>23&1 != 0 }},
		Register(3, 3, 4, 2, 5): {name: "DIT", needs: featureDIT, read: func(c *CPU) uint64 { return bitOf(c.dit) << 24 },
			write: func(c *CPU, v uint64) { c.dit = v>>24&1 != 0 }},
		Register(3, 3, 4, 2, 6): {name: "SSBS", needs: featureSSBS, read: func(c *CPU) uint64 { return bitOf(c.ssbs) << 12 },
			write: func(c *CPU, v uint64) { c.ssbs = v>>12&1 != 0 }},
		Register(3, 3, 4, 4, 0): floatRegister("FPCR", func(c *CPU, v uint64) {
			c.fpcr = v & (0x1f<<22 | field(c.has, featureFP16, 1, 19))
		}, func(c *CPU) uint64 { return c.fpcr }),
		Register(3, 3, 4, 4, 1): floatRegister("FPSR", func(c *CPU, v uint64) { c.fpsr = v & (1<<27 | 0x9f) },
			func(c *CPU) uint64 { return c.fpsr }),
	}
}

// floatRegister is one that is trapped where vector registers are.
func floatRegister(name string, write func(*CPU, uint64), read func(*CPU) uint64) *systemRegister {
	return &systemRegister{name: name,
		read: func(c *CPU) uint64 {
			if !c.vectorsEnabled() {
				operationVectorTrap(c, nil)
			}
			return read(c)
		},
		write: func(c *CPU, v uint64) {
			if !c.vectorsEnabled() {
				operationVectorTrap(c, nil)
				return
			}
			write(c, v)
		}}
}

func bitOf(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// identityRegisters say what the CPU is. The whole space of ID registers is
// there; what has no meaning is zero (DDI 0487 D24.2.1).
func identityRegisters() map[SystemRegister]*systemRegister {
	t := map[SystemRegister]*systemRegister{}
	trap3 := func(c *CPU, _ bool) uint8 { return c.trapHCR(18) } // TID3
	trap2 := func(c *CPU, _ bool) uint8 { return c.trapHCR(17) } // TID2
	trap1 := func(c *CPU, _ bool) uint8 { return c.trapHCR(16) } // TID1
	known := map[[2]int]func(id *identity) uint64{
		{4, 0}: func(id *identity) uint64 { return id.pfr0 }, {4, 1}: func(id *identity) uint64 { return id.pfr1 },
		{5, 0}: func(id *identity) uint64 { return id.dfr0 }, {5, 1}: func(id *identity) uint64 { return id.dfr1 },
		{6, 0}: func(id *identity) uint64 { return id.isar0 }, {6, 1}: func(id *identity) uint64 { return id.isar1 },
		{6, 2}: func(id *identity) uint64 { return id.isar2 },
		{7, 0}: func(id *identity) uint64 { return id.mmfr0 }, {7, 1}: func(id *identity) uint64 { return id.mmfr1 },
		{7, 2}: func(id *identity) uint64 { return id.mmfr2 },
	}
	for crm := 1; crm < 8; crm++ {
		for op2 := range 8 {
			get := known[[2]int{crm, op2}]
			t[Register(3, 0, 0, crm, op2)] = &systemRegister{name: "ID_" + SystemRegister(Register(3, 0, 0, crm, op2)).String(), level: 1, trap: trap3,
				read: func(c *CPU) uint64 {
					if get == nil {
						return 0
					}
					return get(c.sys.id)
				}}
		}
	}
	t[Register(3, 0, 0, 0, 0)] = constant("MIDR_EL1", 1, func(c *CPU) uint64 {
		if c.config.EL2 && c.level == 1 {
			return c.sys.vpidr
		}
		return c.sys.id.midr
	})
	t[Register(3, 0, 0, 0, 5)] = constant("MPIDR_EL1", 1, func(c *CPU) uint64 {
		if c.config.EL2 && c.level == 1 {
			return c.sys.vmpidr
		}
		return c.affinity()
	})
	t[Register(3, 0, 0, 0, 6)] = &systemRegister{name: "REVIDR_EL1", level: 1, trap: trap1, read: func(c *CPU) uint64 { return 0 }}
	t[Register(3, 1, 0, 0, 7)] = &systemRegister{name: "AIDR_EL1", level: 1, trap: trap1, read: func(c *CPU) uint64 { return 0 }}
	t[Register(3, 1, 0, 0, 1)] = &systemRegister{name: "CLIDR_EL1", level: 1, trap: trap2, read: func(c *CPU) uint64 { return c.sys.id.clidr }}
	t[Register(3, 1, 0, 0, 0)] = &systemRegister{name: "CCSIDR_EL1", level: 1, trap: trap2, read: func(c *CPU) uint64 {
		if level := c.sys.csselr >> 1; level < 2 {
			return c.sys.id.ccsidr[level][c.sys.csselr&1]
		}
		return 0
	}}
	t[Register(3, 2, 0, 0, 0)] = plain("CSSELR_EL1", 1, 15, func(c *CPU) *uint64 { return &c.sys.csselr })
	t[Register(3, 2, 0, 0, 0)].trap = trap2
	t[Register(3, 3, 0, 0, 1)] = &systemRegister{name: "CTR_EL0", read: func(c *CPU) uint64 { return c.sys.id.ctr },
		trap: func(c *CPU, _ bool) uint8 {
			if c.level == 0 && c.sys.sctlr[c.userLevel()]>>15&1 == 0 { // UCT
				return 1
			}
			return c.trapHCR(17)
		}}
	t[Register(3, 3, 0, 0, 7)] = constant("DCZID_EL0", 0, func(c *CPU) uint64 {
		return c.sys.id.dczid | bitOf(c.zeroForbidden())<<4
	})
	return t
}
