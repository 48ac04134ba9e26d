package arm64

import "fmt"

// registers are the system registers that hold something, by exception level
// where there is one for each.
type registers struct {
	id *identity

	sctlr, actlr, tcr, ttbr0, ttbr1, mair, amair, vbar   [3]uint64
	esr, far, elr, spsr, afsr0, afsr1, contextidr, tpidr [3]uint64

	cpacr, cntkctl, par, tpidrro, csselr, mdscr            uint64
	hcr, cptr, mdcr, hstr, hacr, hpfar, vttbr, vtcr        uint64
	vpidr, vmpidr, cnthctl                                 uint64
	breakpoints, breakControls, watchpoints, watchControls [16]uint64
	osLock                                                 bool
}

// Values that must be one on CPUs that have no meaning for the bits.
const (
	sctlrOnes1 = 1<<29 | 1<<28 | 1<<23 | 1<<22 | 1<<20 | 1<<11
	sctlrOnes2 = sctlrOnes1 | 1<<18 | 1<<16 | 1<<5 | 1<<4
)

func (c *CPU) resetRegisters() {
	id := newIdentity(&c.config, c.has)
	c.sys = registers{id: id}
	s := &c.sys
	s.sctlr[1], s.sctlr[2] = sctlrOnes1, sctlrOnes2
	s.cptr = 0x33ff
	s.vpidr, s.vmpidr = id.midr, c.affinity()
	s.hcr = 0
	c.timers = timers{}
}

// affinity is MPIDR_EL1.
func (c *CPU) affinity() uint64 { return 1<<31 | c.config.Affinity&0xff_00ff_ffff }

// stored are the system registers that a State holds, by name.
func (c *CPU) stored() map[string]*uint64 {
	s := &c.sys
	m := map[string]*uint64{
		"CPACR_EL1": &s.cpacr, "CNTKCTL_EL1": &s.cntkctl, "PAR_EL1": &s.par, "TPIDRRO_EL0": &s.tpidrro, "CSSELR_EL1": &s.csselr,
		"MDSCR_EL1": &s.mdscr, "TPIDR_EL0": &s.tpidr[0], "SP_EL0": &c.stacks[0], "SP_EL1": &c.stacks[1], "FPCR": &c.fpcr, "FPSR": &c.fpsr,
		"CNTP_CTL_EL0": &c.timers.all[TimerPhysical].control, "CNTP_CVAL_EL0": &c.timers.all[TimerPhysical].value,
		"CNTV_CTL_EL0": &c.timers.all[TimerVirtual].control, "CNTV_CVAL_EL0": &c.timers.all[TimerVirtual].value,
		"CNTVOFF_EL2": &c.timers.offset,
	}
	for el := 1; el <= int(c.highest()); el++ {
		for name, list := range map[string]*[3]uint64{
			"SCTLR": &s.sctlr, "ACTLR": &s.actlr, "TCR": &s.tcr, "TTBR0": &s.ttbr0, "TTBR1": &s.ttbr1, "MAIR": &s.mair, "AMAIR": &s.amair,
			"VBAR": &s.vbar, "ESR": &s.esr, "FAR": &s.far, "ELR": &s.elr, "SPSR": &s.spsr, "AFSR0": &s.afsr0, "AFSR1": &s.afsr1,
			"CONTEXTIDR": &s.contextidr, "TPIDR": &s.tpidr,
		} {
			m[fmt.Sprintf("%s_EL%d", name, el)] = &list[el]
		}
	}
	if c.config.EL2 {
		for name, at := range map[string]*uint64{
			"HCR_EL2": &s.hcr, "CPTR_EL2": &s.cptr, "MDCR_EL2": &s.mdcr, "HSTR_EL2": &s.hstr, "HACR_EL2": &s.hacr, "HPFAR_EL2": &s.hpfar,
			"VTTBR_EL2": &s.vttbr, "VTCR_EL2": &s.vtcr, "VPIDR_EL2": &s.vpidr, "VMPIDR_EL2": &s.vmpidr, "CNTHCTL_EL2": &s.cnthctl,
			"SP_EL2": &c.stacks[2], "CNTHP_CTL_EL2": &c.timers.all[TimerHyp].control, "CNTHP_CVAL_EL2": &c.timers.all[TimerHyp].value,
			"CNTHV_CTL_EL2": &c.timers.all[TimerHypVirtual].control, "CNTHV_CVAL_EL2": &c.timers.all[TimerHypVirtual].value,
		} {
			m[name] = at
		}
	}
	return m
}
