package arm64

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// regimeNumber names a translation regime (DDI 0487 D8.1.1).
type regimeNumber uint8

const (
	regimeEL1  regimeNumber = iota // EL1&0
	regimeEL2                      // EL2
	regimeHost                     // EL2&0, with VHE
)

// regime is a stage 1 translation regime as its registers define it.
type regime struct {
	number       regimeNumber
	on           bool // MMU
	cacheable    bool // data, by SCTLR.C
	instructions bool // SCTLR.I
	alignment    bool // SCTLR.A
	writeNoExec  bool // WXN
	oneLevel     bool // there is no EL0 in it
	lpa2         bool
	asid         uint16
	mair         uint64
	outputBits   uint
	halves       [2]half
}

// half is the part of a regime that one TTBR covers.
type half struct {
	present    bool // there is a TTBR
	disabled   bool // EPD
	topByte    bool // TBI
	hierarchy  bool // rights in tables count
	granule    uint // log2, 0: reserved
	inputBits  uint
	ttbr       uint64
	walkCached bool // walks are cacheable
}

// makeRegime reads the registers of a regime.
func (c *CPU) makeRegime(n regimeNumber) regime {
	el := 1
	if n != regimeEL1 {
		el = 2
	}
	s := &c.sys
	sctlr, tcr := arm64.SCTLR(s.sctlr[el]), s.tcr[el]
	r := regime{
		number: n, on: sctlr&arm64.SCTLRMMU != 0, cacheable: sctlr&arm64.SCTLRDataCache != 0, instructions: sctlr&arm64.SCTLRInstructions != 0,
		alignment: sctlr&arm64.SCTLRAlignmentCheck != 0, writeNoExec: sctlr&arm64.SCTLRWriteNoExecute != 0,
		mair: s.mair[el], oneLevel: n == regimeEL2,
	}
	if n == regimeEL1 && c.config.EL2 && arm64.HCR(s.hcr)&(arm64.HCRTrapGeneral|arm64.HCRHost) == arm64.HCRTrapGeneral {
		r.on = false // TGE alone
	}
	if n == regimeEL2 {
		r.outputBits = c.outputBits(tcr >> 16 & 7)
		r.lpa2 = tcr>>32&1 != 0 && c.has&featureLPA2 != 0
		r.halves[0] = half{
			present: true, topByte: tcr>>20&1 != 0, hierarchy: tcr>>24&1 == 0 || c.has&featureHPDS == 0,
			granule: c.granule(tcr>>14&3, false), inputBits: uint(64 - tcr&63), ttbr: s.ttbr0[2], walkCached: tcr>>8&3 != 0,
		}
		return r
	}
	r.outputBits = c.outputBits(tcr >> 32 & 7)
	r.lpa2 = tcr>>59&1 != 0 && c.has&featureLPA2 != 0
	for i := range r.halves {
		ttbr, shift := s.ttbr0[el], 16*i
		if i == 1 {
			ttbr = s.ttbr1[el]
		}
		r.halves[i] = half{
			present: true, disabled: tcr>>(7+shift)&1 != 0, topByte: tcr>>(37+i)&1 != 0,
			hierarchy: tcr>>(41+i)&1 == 0 || c.has&featureHPDS == 0,
			granule:   c.granule(tcr>>(14+shift)&3, i == 1), inputBits: uint(64 - tcr>>shift&63), ttbr: ttbr, walkCached: tcr>>(8+shift)&3 != 0,
		}
	}
	r.asid = uint16(s.ttbr0[el] >> 48)
	if tcr>>22&1 != 0 { // A1
		r.asid = uint16(s.ttbr1[el] >> 48)
	}
	if tcr>>36&1 == 0 { // AS
		r.asid &= 0xff
	}
	return r
}

// granule is log2 of what TG0 or TG1 encodes; 0 is reserved or not there.
func (c *CPU) granule(tg uint64, upper bool) uint {
	sizes := [4]uint{12, 16, 14, 0}
	if upper {
		sizes = [4]uint{0, 14, 12, 16}
	}
	g := sizes[tg]
	if g == 14 && c.has&feature16K == 0 {
		return 0
	}
	return g
}

// outputBits is how large physical addresses are, as IPS says and the CPU has.
func (c *CPU) outputBits(ips uint64) uint {
	sizes := [8]uint{32, 36, 40, 42, 44, 48, 52, 52}
	return min(sizes[ips], uint(c.sys.id.physicalBits))
}

// current is the regime of the present exception level.
func (c *CPU) current() regimeNumber {
	host := arm64.HCR(c.sys.hcr)&arm64.HCRHost != 0
	switch {
	case c.level == 2 && host, c.level == 0 && c.hostUser():
		return regimeHost
	case c.level == 2:
		return regimeEL2
	}
	return regimeEL1
}

// hostUser reports whether EL0 belongs to a host at EL2: E2H and TGE.
func (c *CPU) hostUser() bool {
	const both = arm64.HCRHost | arm64.HCRTrapGeneral
	return c.config.EL2 && arm64.HCR(c.sys.hcr)&both == both
}

// contextChanged works out what follows from system registers and PSTATE.
func (c *CPU) contextChanged() {
	r := c.makeRegime(c.current())
	if r != c.regime {
		c.regime = r
		c.flushFast()
	}
	c.levelChanged()
}

// levelChanged works out what follows from the exception level.
func (c *CPU) levelChanged() {
	if c.regime.number != c.current() {
		c.contextChanged()
		return
	}
	c.context = blockContext(c.level)
	if c.vectorsEnabled() {
		c.context |= contextVectors
	}
	c.strict = c.regime.alignment
	c.stackMask = 0
	if c.stackChecked() {
		c.stackMask = 15
	}
	c.selectTLB()
}

// stackChecked reports whether the alignment of the stack pointer is checked
// (SCTLR.SA and SA0).
func (c *CPU) stackChecked() bool {
	switch {
	case c.level > 0:
		return arm64.SCTLR(c.sys.sctlr[c.level])&arm64.SCTLRStackCheck != 0
	case c.hostUser():
		return arm64.SCTLR(c.sys.sctlr[2])&arm64.SCTLRStackCheckEL0 != 0
	}
	return arm64.SCTLR(c.sys.sctlr[1])&arm64.SCTLRStackCheckEL0 != 0
}
