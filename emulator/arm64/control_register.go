package arm64

// bankedRegister is one that EL1 and EL2 each have.
type bankedRegister struct {
	name          string
	crn, crm, op2 int
	field         func(s *registers) *[3]uint64
	writable      func(c *CPU, el int) (mask, ones uint64)
	trap          func(c *CPU, write bool) uint8
	changes       bool
	hostOnly      bool // at EL2 only with VHE
}

// bits32, address and all are what can be written of registers.
func allBits(c *CPU, el int) (mask, ones uint64) { return ^uint64(0), 0 }
func lowBits(c *CPU, el int) (mask, ones uint64) { return 1<<32 - 1, 0 }
func vbarBits(c *CPU, el int) (mask, ones uint64) {
	return ^uint64(0x7ff), 0
}

// sctlrBits are those of SCTLR_EL1, and of SCTLR_EL2 (DDI 0487 D24.2). Without
// AArch32 ITD and SED are one and CP15BEN zero; there is no mixed endianness.
func sctlrBits(c *CPU, el int) (mask, ones uint64) {
	const common = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<12 | 1<<19 // M A C SA I WXN
	if el == 2 && !hostOf(c) {
		return common, 1<<29 | 1<<28 | 1<<23 | 1<<22 | 1<<18 | 1<<16 | 1<<11 | 1<<5 | 1<<4
	}
	mask = common | 1<<4 | 1<<9 | 1<<14 | 1<<15 | 1<<16 | 1<<18 | 1<<26 // SA0 UMA DZE UCT nTWI nTWE UCI
	ones = 1<<29 | 1<<28 | 1<<22 | 1<<20 | 1<<11 | 1<<8 | 1<<7
	if c.has&featurePAN != 0 {
		mask |= 1 << 23 // SPAN
	} else {
		ones |= 1 << 23
	}
	if c.has&featureSSBS != 0 {
		mask |= 1 << 44 // DSSBS
	}
	return mask, ones
}

func tcrBits(c *CPU, el int) (mask, ones uint64) {
	if el == 2 && !hostOf(c) {
		mask, ones = 0x3f|3<<8|3<<10|3<<12|3<<14|7<<16|1<<20, 1<<31|1<<23
		mask |= field(c.has, featureHPDS, 1, 24) | field(c.has, featureLPA2, 1, 32) | field(c.has, featureHAFDBS, 3, 21)
		return mask, ones
	}
	mask = 0x3f | 0xff80 | 0x3f<<16 | 0x3ff<<22 | 7<<32 | 1<<36 | 3<<37
	mask |= field(c.has, featureHPDS, 3, 41) | field(c.has, featureLPA2, 1, 59) | field(c.has, featureHAFDBS, 3, 39)
	return mask, 0
}

func ttbrBits(c *CPU, el int) (mask, ones uint64) {
	mask = ^uint64(1) | field(c.has, featureCNP, 1, 0)
	if el == 2 && c.has&featureVHE == 0 {
		mask &= 1<<48 - 1
	}
	return mask, 0
}

func spsrBits(c *CPU, el int) (mask, ones uint64) {
	return 0xf<<28 | 1<<21 | 1<<20 | daifMask | 0x1f | field(c.has, featurePAN, 1, 22) | field(c.has, featureUAO, 1, 23) |
		field(c.has, featureDIT, 1, 24) | field(c.has, featureSSBS, 1, 12), 0
}

func noBits(c *CPU, el int) (mask, ones uint64) { return 0, 0 }

var bankedRegisters = []bankedRegister{
	{name: "SCTLR", crn: 1, crm: 0, op2: 0, field: func(s *registers) *[3]uint64 { return &s.sctlr }, writable: sctlrBits, trap: trapVM, changes: true},
	{name: "TTBR0", crn: 2, crm: 0, op2: 0, field: func(s *registers) *[3]uint64 { return &s.ttbr0 }, writable: ttbrBits, trap: trapVM, changes: true},
	{name: "TTBR1", crn: 2, crm: 0, op2: 1, field: func(s *registers) *[3]uint64 { return &s.ttbr1 }, writable: ttbrBits, trap: trapVM, changes: true, hostOnly: true},
	{name: "TCR", crn: 2, crm: 0, op2: 2, field: func(s *registers) *[3]uint64 { return &s.tcr }, writable: tcrBits, trap: trapVM, changes: true},
	{name: "MAIR", crn: 10, crm: 2, op2: 0, field: func(s *registers) *[3]uint64 { return &s.mair }, writable: allBits, trap: trapVM, changes: true},
	{name: "AMAIR", crn: 10, crm: 3, op2: 0, field: func(s *registers) *[3]uint64 { return &s.amair }, writable: noBits, trap: trapVM},
	{name: "CONTEXTIDR", crn: 13, crm: 0, op2: 1, field: func(s *registers) *[3]uint64 { return &s.contextidr }, writable: lowBits, trap: trapVM, hostOnly: true},
	{name: "AFSR0", crn: 5, crm: 1, op2: 0, field: func(s *registers) *[3]uint64 { return &s.afsr0 }, writable: noBits, trap: trapVM},
	{name: "AFSR1", crn: 5, crm: 1, op2: 1, field: func(s *registers) *[3]uint64 { return &s.afsr1 }, writable: noBits, trap: trapVM},
	{name: "ESR", crn: 5, crm: 2, op2: 0, field: func(s *registers) *[3]uint64 { return &s.esr }, writable: lowBits, trap: trapVM},
	{name: "FAR", crn: 6, crm: 0, op2: 0, field: func(s *registers) *[3]uint64 { return &s.far }, writable: allBits, trap: trapVM},
	{name: "VBAR", crn: 12, crm: 0, op2: 0, field: func(s *registers) *[3]uint64 { return &s.vbar }, writable: vbarBits},
	{name: "ELR", crn: 4, crm: 0, op2: 1, field: func(s *registers) *[3]uint64 { return &s.elr }, writable: allBits},
	{name: "SPSR", crn: 4, crm: 0, op2: 0, field: func(s *registers) *[3]uint64 { return &s.spsr }, writable: spsrBits},
}

// at is access to one level's register; bank says which.
func (b *bankedRegister) at(name string, level uint8, bank func(c *CPU) int) *systemRegister {
	return &systemRegister{
		name: name, level: level, trap: b.trap, changes: b.changes,
		read: func(c *CPU) uint64 { return b.field(&c.sys)[bank(c)] },
		write: func(c *CPU, v uint64) {
			el := bank(c)
			mask, ones := b.writable(c, el)
			b.field(&c.sys)[el] = v&mask | ones
		},
	}
}

// controlRegisters are the banked ones, each by up to three encodings, and CPACR
// and ACTLR.
func controlRegisters() map[SystemRegister]*systemRegister {
	t := map[SystemRegister]*systemRegister{}
	for i := range bankedRegisters {
		b := &bankedRegisters[i]
		t[Register(3, 0, b.crn, b.crm, b.op2)] = b.at(b.name+"_EL1", 1, (*CPU).bankOf)
		el2 := b.at(b.name+"_EL2", 2, func(*CPU) int { return 2 })
		el2.trap = nil
		if b.hostOnly {
			el2.needs = featureVHE
		}
		t[Register(3, 4, b.crn, b.crm, b.op2)] = el2
		el12 := b.at(b.name+"_EL12", 2, func(*CPU) int { return 1 })
		el12.trap, el12.host = nil, true
		t[Register(3, 5, b.crn, b.crm, b.op2)] = el12
	}
	zero := func(*CPU) uint64 { return 0 }
	ignore := func(*CPU, uint64) {}
	t[Register(3, 0, 1, 0, 1)] = &systemRegister{name: "ACTLR_EL1", level: 1, read: zero, write: ignore,
		trap: func(c *CPU, _ bool) uint8 { return c.trapHCR(21) }}
	t[Register(3, 4, 1, 0, 1)] = &systemRegister{name: "ACTLR_EL2", level: 2, read: zero, write: ignore}
	t[Register(3, 0, 1, 0, 2)] = &systemRegister{name: "CPACR_EL1", level: 1, changes: true,
		read: func(c *CPU) uint64 {
			if c.bankOf() == 2 {
				return c.sys.cptr
			}
			return c.sys.cpacr
		},
		write: func(c *CPU, v uint64) {
			if c.bankOf() == 2 {
				writeCPTR(c, v)
				return
			}
			c.sys.cpacr = v & (3 << 20)
		},
		trap: func(c *CPU, _ bool) uint8 {
			if c.level == 1 && c.config.EL2 && c.sys.cptr>>31&1 != 0 { // TCPAC
				return 2
			}
			return 0
		}}
	t[Register(3, 5, 1, 0, 2)] = &systemRegister{name: "CPACR_EL12", level: 2, host: true, changes: true,
		read:  func(c *CPU) uint64 { return c.sys.cpacr },
		write: func(c *CPU, v uint64) { c.sys.cpacr = v & (3 << 20) }}
	return t
}

// writeCPTR writes CPTR_EL2, whose form depends on E2H.
func writeCPTR(c *CPU, v uint64) {
	if hostOf(c) {
		c.sys.cptr = v & (1<<31 | 3<<20)
		return
	}
	c.sys.cptr = v&(1<<31|1<<10) | 0x33ff&^(1<<10)
}
