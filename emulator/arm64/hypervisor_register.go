package arm64

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// hypervisorRegisters are those that only EL2 has.
func hypervisorRegisters() map[SystemRegister]*systemRegister {
	t := map[SystemRegister]*systemRegister{
		Register(3, 4, 1, 1, 0): {name: "HCR_EL2", level: 2, changes: true, read: func(c *CPU) uint64 { return c.sys.hcr }, write: writeHCR},
		Register(3, 4, 1, 1, 2): {name: "CPTR_EL2", level: 2, changes: true, read: func(c *CPU) uint64 { return c.sys.cptr }, write: writeCPTR},
	}
	for key, r := range map[SystemRegister]*systemRegister{
		Register(3, 4, 0, 0, 0): plain("VPIDR_EL2", 2, 1<<32-1, func(c *CPU) *uint64 { return &c.sys.vpidr }),
		Register(3, 4, 0, 0, 5): plain("VMPIDR_EL2", 2, everyBit, func(c *CPU) *uint64 { return &c.sys.vmpidr }),
		Register(3, 4, 1, 1, 1): plain("MDCR_EL2", 2, 0xfff, func(c *CPU) *uint64 { return &c.sys.mdcr }),
		Register(3, 4, 1, 1, 3): plain("HSTR_EL2", 2, 0xffff, func(c *CPU) *uint64 { return &c.sys.hstr }),
		Register(3, 4, 1, 1, 7): plain("HACR_EL2", 2, 0, func(c *CPU) *uint64 { return &c.sys.hacr }),
		Register(3, 4, 2, 1, 0): plain("VTTBR_EL2", 2, everyBit, func(c *CPU) *uint64 { return &c.sys.vttbr }),
		Register(3, 4, 2, 1, 2): plain("VTCR_EL2", 2, 1<<32-1, func(c *CPU) *uint64 { return &c.sys.vtcr }),
		Register(3, 4, 6, 0, 4): plain("HPFAR_EL2", 2, everyBit, func(c *CPU) *uint64 { return &c.sys.hpfar }),
	} {
		t[key] = r
	}
	return t
}

// writeHCR writes HCR_EL2. There is no stage 2, and lower levels are AArch64:
// RW is one.
func writeHCR(c *CPU, v uint64) {
	mask := uint64(1<<34 - 1)
	if c.has&featureVHE != 0 {
		mask |= uint64(arm64.HCRHost)
	}
	v = v&mask | uint64(arm64.HCREL1AArch64)
	if v&(1|1<<12) != 0 {
		c.stop(machine.Exit{Reason: machine.Failed, Detail: "stage 2 translation, HCR_EL2.VM or DC, is not emulated"})
		return
	}
	c.sys.hcr = v
	c.limit = 0
}

// virtualInterrupts reports whether EL1 sees virtual interrupts of a kind rather
// than physical ones.
func (c *CPU) virtualInterrupts(v arm64.Vector) bool {
	bits := map[arm64.Vector]arm64.HCR{
		arm64.VectorSError: arm64.HCRPhysicalSError, arm64.VectorFIQ: arm64.HCRPhysicalFIQ, arm64.VectorIRQ: arm64.HCRPhysicalIRQ,
	}
	return c.level == 1 && c.config.EL2 && arm64.HCR(c.sys.hcr)&bits[v] != 0
}

// debugRegisters are those of self-hosted debug. They hold what is written;
// breakpoints and watchpoints never hit, MDSCR_EL1.SS does not step.
func debugRegisters() map[SystemRegister]*systemRegister {
	t := map[SystemRegister]*systemRegister{
		Register(2, 0, 0, 2, 2): plain("MDSCR_EL1", 1, 0xfff_ffff, func(c *CPU) *uint64 { return &c.sys.mdscr }),
		Register(2, 0, 1, 0, 0): constant("MDRAR_EL1", 1, func(*CPU) uint64 { return 0 }),
		Register(2, 3, 0, 1, 0): constant("MDCCSR_EL0", 0, func(*CPU) uint64 { return 0 }),
		Register(2, 0, 1, 0, 4): {name: "OSLAR_EL1", level: 1, write: func(c *CPU, v uint64) { c.sys.osLock = v&1 != 0 }},
		Register(2, 0, 1, 1, 4): constant("OSLSR_EL1", 1, func(c *CPU) uint64 { return 8 | bitOf(c.sys.osLock)<<1 }),
	}
	zero := func(name string) *systemRegister {
		return &systemRegister{name: name, level: 1, read: func(*CPU) uint64 { return 0 }, write: func(*CPU, uint64) {}}
	}
	t[Register(2, 0, 1, 3, 4)] = zero("OSDLR_EL1")
	t[Register(2, 0, 1, 4, 4)] = zero("DBGPRCR_EL1")
	t[Register(2, 0, 7, 8, 6)] = zero("DBGCLAIMSET_EL1")
	t[Register(2, 0, 7, 9, 6)] = zero("DBGCLAIMCLR_EL1")
	t[Register(2, 0, 7, 14, 6)] = zero("DBGAUTHSTATUS_EL1")
	t[Register(2, 0, 0, 2, 0)] = zero("MDCCINT_EL1")
	for i := range debugCount {
		for op2, at := range map[int]func(c *CPU) *uint64{
			4: func(c *CPU) *uint64 { return &c.sys.breakpoints[i] }, 5: func(c *CPU) *uint64 { return &c.sys.breakControls[i] },
			6: func(c *CPU) *uint64 { return &c.sys.watchpoints[i] }, 7: func(c *CPU) *uint64 { return &c.sys.watchControls[i] },
		} {
			t[Register(2, 0, 0, i, op2)] = plain("DBG", 1, everyBit, at)
		}
	}
	trap := func(c *CPU, _ bool) uint8 {
		if c.level < 2 && c.config.EL2 && c.sys.mdcr>>9&1 != 0 { // TDA
			return 2
		}
		return 0
	}
	for _, r := range t {
		r.trap = trap
	}
	return t
}

// debugCount is how many breakpoints and watchpoints ID_AA64DFR0_EL1 tells of.
const debugCount = 2
