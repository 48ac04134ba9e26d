package gic

import "github.com/seed64aab995/rescuekernel/device/gic"

// hypervisor is what EL2 decides about a CPU's interface. After power-on it is
// off, and traps where the architecture leaves it open (12.2.23, 12.4.12).
type hypervisor struct {
	enable uint64 // ICC_SRE_EL2
	traps  uint64 // ICH_HCR_EL2; there are no virtual interfaces, only its traps
}

const hypervisorTraps = gic.HypervisorTrapCommon | gic.HypervisorTrapGroup0 | gic.HypervisorTrapGroup1

// Allows reports whether a CPU that is at EL1 or EL2 has a system register: with
// Config.EL2, EL2 turns its own on by ICC_SRE_EL2.SRE, and lets EL1 have some by
// its Enable and by ICH_HCR_EL2. One that it has not is UNDEFINED here, which on
// hardware is a trap to EL2 in some cases.
func (c *Controller) Allows(i, level int, r gic.SystemRegister) bool {
	if i < 0 || i >= len(c.cpus) {
		return false
	}
	if own := r == gic.SREEL2 || r == gic.HCREL2; own && (level != 2 || !c.config.EL2) {
		return false
	}
	if !c.config.EL2 || r == gic.SREEL2 {
		return true
	}
	h := c.cpus[i].hypervisor
	switch {
	case level == 2:
		return h.enable&gic.SRESystemRegisters != 0
	case r == gic.SRE:
		return h.enable&gic.SREEnable != 0
	}
	return h.enable&gic.SRESystemRegisters != 0 && h.traps&trapOf(r) == 0
}

// trapOf is the bit of ICH_HCR_EL2 that traps a register of EL1 (12.4.12).
func trapOf(r gic.SystemRegister) uint64 {
	switch r {
	case gic.PMR, gic.RPR, gic.CTLR, gic.DIR, gic.SGI0R, gic.SGI1R, gic.ASGI1R:
		return gic.HypervisorTrapCommon
	case gic.IAR0, gic.EOIR0, gic.HPPIR0, gic.BPR0, gic.AP0R0, gic.IGRPEN0:
		return gic.HypervisorTrapGroup0
	}
	return gic.HypervisorTrapGroup1
}
