package arm64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// systemRegister is what a system register is and does.
type systemRegister struct {
	name  string
	level uint8 // the lowest exception level that reaches it
	needs feature
	host  bool // only at EL2 with HCR_EL2.E2H: _EL12 and _EL02
	read  func(c *CPU) uint64
	write func(c *CPU, v uint64)

	// trap gives the level that an access is trapped to, or 0. Nil is never.
	trap func(c *CPU, write bool) uint8

	// changes says that writes change how instructions are executed.
	changes bool
}

// systemRegisters are all there are. Those of a GIC are the interrupt
// interface's.
var systemRegisters = joinRegisters(
	controlRegisters(), exceptionRegisters(), identityRegisters(), stateRegisters(), timerRegisters(), hypervisorRegisters(), debugRegisters(),
)

func joinRegisters(tables ...map[SystemRegister]*systemRegister) map[SystemRegister]*systemRegister {
	all := map[SystemRegister]*systemRegister{}
	for _, t := range tables {
		for k, r := range t {
			if all[k] != nil {
				panic(fmt.Sprintf("%s is there twice", r.name))
			}
			all[k] = r
		}
	}
	return all
}

// registerFor finds a register for an access by the present level. Nil with an
// event set is one that cannot be reached.
func (c *CPU) registerFor(in *inst, write bool) *systemRegister {
	key := SystemRegister(in.imm)
	r := systemRegisters[key]
	switch {
	case r == nil && (isAbsent(key) || c.level == 0 && key>>11&7 != 3):
		c.undefined()
		return nil
	case r == nil:
		c.stop(machine.Exit{Reason: machine.Failed, Detail: "a system register that is not emulated: " + key.String()})
		return nil
	case c.level < r.level, r.needs&^c.has != 0, r.level == 2 && !c.config.EL2, r.host && !c.hostBit(), write && r.write == nil, !write && r.read == nil:
		c.undefined()
		return nil
	}
	if r.trap != nil {
		if to := r.trap(c, write); to != 0 {
			c.trapSystem(in, to)
			return nil
		}
	}
	return r
}

// String is the register's generic name: S3_0_C1_C0_0.
func (r SystemRegister) String() string {
	return fmt.Sprintf("S%d_%d_C%d_C%d_%d", r>>14, r>>11&7, r>>7&15, r>>3&15, r&7)
}

// isAbsent reports whether a register belongs to what no model has: it is
// UNDEFINED.
func isAbsent(r SystemRegister) bool {
	op0, op1, crn, crm := r>>14, r>>11&7, r>>7&15, r>>3&15
	switch {
	case op0 == 2:
		return op1 != 0 || crn > 1 // trace, AArch32
	case op0 != 3:
		return true
	case crn == 11 || crn == 15: // implementation defined
		return true
	case crn == 9, crn == 14 && crm >= 8: // PMU, SPE, trace buffer
		return true
	case crn == 1 && crm >= 2, crn == 1 && op1 == 0 && crm == 0: // SVE, SME; GCR, RGSR
		return true
	case crn == 2 && crm >= 1 && op1 == 0, crn == 2 && op1 == 3, crn == 2 && op1 == 4: // PAuth, RNG, stage 2 of the secure state
		return true
	case crn == 5 && crm >= 3, crn == 3, crn == 5 && crm == 0: // RAS, MTE, AArch32
		return true
	case crn == 10 && crm >= 4, crn == 12 && crm >= 1, crn == 12 && r&7 != 0: // LOR, MPAM; RAS, GIC; RVBAR, RMR
		return true
	case crn == 13 && (crm != 0 || r&7 >= 5), crn == 0 && op1 >= 4, crn == 4 && crm == 6: // AMU, SCXTNUM; GIC
		return true
	case op1 >= 6: // EL3
		return true
	}
	return op1 == 4 || op1 == 5
}

// isGIC reports whether a register is one of a GIC's CPU interface (Arm IHI
// 0069, 12.2).
func isGIC(r SystemRegister) bool {
	op0, op1, crn, crm := r>>14, r>>11&7, r>>7&15, r>>3&15
	return op0 == 3 && (op1 == 0 || op1 == 4) && (crn == 4 && crm == 6 || crn == 12 && crm >= 8)
}

func operationReadSystem(c *CPU, in *inst) bool {
	if isGIC(SystemRegister(in.imm)) {
		return c.readGIC(in)
	}
	r := c.registerFor(in, false)
	if r == nil {
		return false
	}
	v := r.read(c)
	if c.event != eventNone {
		return false
	}
	c.r[target(in.d)&regMask] = v
	return true
}

func operationWriteSystem(c *CPU, in *inst) bool {
	if isGIC(SystemRegister(in.imm)) {
		return c.writeGIC(in)
	}
	r := c.registerFor(in, true)
	if r == nil {
		return false
	}
	r.write(c, c.r[in.d&regMask])
	if c.event != eventNone {
		return false
	}
	if r.changes {
		c.changed()
		return c.end(in)
	}
	return true
}

func (c *CPU) readGIC(in *inst) bool {
	if c.level == 0 || c.config.Interrupts == nil {
		return c.undefined()
	}
	v, ok := c.config.Interrupts.ReadSystem(c, SystemRegister(in.imm))
	if !ok {
		return c.undefined()
	}
	c.r[target(in.d)&regMask] = v
	return true
}

func (c *CPU) writeGIC(in *inst) bool {
	if c.level == 0 || c.config.Interrupts == nil {
		return c.undefined()
	}
	if !c.config.Interrupts.WriteSystem(c, SystemRegister(in.imm), c.r[in.d&regMask]) {
		return c.undefined()
	}
	return c.end(in)
}

// changed is what a write to a register that decides how instructions are
// executed does: at once, or at the next context synchronization event.
func (c *CPU) changed() {
	c.stale = true
	if !c.delayed() {
		c.synchronise()
	}
}

// trapVM is for the registers that control virtual memory: HCR_EL2.TVM and
// TRVM.
func trapVM(c *CPU, write bool) uint8 {
	bit := 30
	if write {
		bit = 26
	}
	return c.trapHCR(bit)
}

// trapHCR gives 2 where a bit of HCR_EL2 traps EL1, or EL0 without a host.
func (c *CPU) trapHCR(bit int) uint8 {
	if c.config.EL2 && c.level < 2 && !c.hostUser() && c.sys.hcr>>bit&1 != 0 {
		return 2
	}
	return 0
}

// bankOf is whose register an encoding for EL1 reaches: EL2's for a host.
func (c *CPU) bankOf() int {
	if c.level == 2 && c.hostBit() {
		return 2
	}
	return 1
}

func hostOf(c *CPU) bool { return arm64.HCR(c.sys.hcr)&arm64.HCRHost != 0 }
