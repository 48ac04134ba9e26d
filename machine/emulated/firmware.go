package emulated

import (
	emulated "github.com/seed64aab995/rescuekernel/emulator/arm64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Functions of PSCI that hosts of ours do not call, and those of 32 bits (Arm DEN
// 0022, 5.1).
const (
	psciCPUSuspend32   = 0x8400_0001
	psciCPUOn32        = 0x8400_0003
	psciAffinityInfo32 = 0x8400_0004
	psciMigrateType    = 0x8400_0006
	psciCPUSuspend     = 0xc400_0001

	psciVersion    = 1<<16 | 1
	psciNoTrusted  = 2 // of MIGRATE_INFO_TYPE: there is no trusted OS
	psciAffinityOn = 0
	psciIsOff      = 1
)

// Results of PSCI (5.2.2).
const (
	psciSuccess        arm64.PSCIResult = 0
	psciNotSupported   arm64.PSCIResult = -1
	psciInvalid        arm64.PSCIResult = -2
	psciAlreadyOn      arm64.PSCIResult = -4
	psciInvalidAddress arm64.PSCIResult = -9
)

// affinityMask are the affinity fields of an MPIDR (DDI 0487, MPIDR_EL1).
const affinityMask = 0xff_00ff_ffff

// firmware answers PSCI, version 1.1 as QEMU's: by HVC, or by SMC where there is
// EL2. What it does not know it does not support.
func (c *computer) firmware(cpu *emulated.CPU, conduit emulated.Conduit) (handled bool, exit *machine.Exit) {
	if (conduit == emulated.ConduitSMC) != c.options.EL2 {
		return false, nil
	}
	function := cpu.X(0) & 0xffff_ffff
	switch function {
	case arm64.PSCISystemOff:
		return true, &machine.Exit{Reason: machine.PoweredOff}
	case arm64.PSCISystemReset:
		return true, &machine.Exit{Reason: machine.Reset}
	case arm64.PSCICPUOff:
		cpu.PowerOff()
		return true, nil
	}
	narrow := func(v uint64) uint64 { // arguments of functions of 32 bits
		if function>>30&1 == 0 {
			return v & 0xffff_ffff
		}
		return v
	}
	result := c.call(function, narrow(cpu.X(1)), narrow(cpu.X(2)), narrow(cpu.X(3)))
	cpu.SetX(0, uint64(int64(result)))
	return true, nil
}

func (c *computer) call(function, a1, a2, a3 uint64) arm64.PSCIResult {
	switch function {
	case arm64.PSCIVersion:
		return psciVersion
	case arm64.PSCIFeatures:
		return features(a1 & 0xffff_ffff)
	case arm64.PSCICPUOn, psciCPUOn32:
		return c.turnOn(a1, a2, a3)
	case arm64.PSCIAffinityInfo, psciAffinityInfo32:
		target := c.find(a1)
		switch {
		case target == nil || a2 != 0: // of CPUs, not of clusters
			return psciInvalid
		case target.Activity() == machine.Off:
			return psciIsOff
		}
		return psciAffinityOn
	case psciCPUSuspend, psciCPUSuspend32:
		return psciSuccess // a standby that ends at once (5.4.5)
	case psciMigrateType:
		return psciNoTrusted
	}
	return psciNotSupported
}

// features is PSCI_FEATURES (5.15).
func features(function uint64) arm64.PSCIResult {
	switch function {
	case arm64.PSCIVersion, arm64.PSCIFeatures, arm64.PSCICPUOn, psciCPUOn32, arm64.PSCICPUOff, arm64.PSCIAffinityInfo, psciAffinityInfo32,
		psciCPUSuspend, psciCPUSuspend32, psciMigrateType, arm64.PSCISystemOff, arm64.PSCISystemReset:
		return psciSuccess
	}
	return psciNotSupported
}

// find is the CPU of an affinity.
func (c *computer) find(affinity uint64) *emulated.CPU {
	if affinity&^affinityMask != 0 {
		return nil
	}
	for i, cpu := range c.cpus {
		if c.affinity(i) == affinity {
			return cpu
		}
	}
	return nil
}

// turnOn is CPU_ON (5.6).
func (c *computer) turnOn(affinity, entry, context uint64) arm64.PSCIResult {
	cpu := c.find(affinity)
	switch {
	case cpu == nil:
		return psciInvalid
	case cpu.Activity() != machine.Off:
		return psciAlreadyOn
	case entry%4 != 0 || !c.memory.HasPage(physmem.Address(entry)):
		return psciInvalidAddress
	}
	cpu.PowerOn(entry, context)
	return psciSuccess
}
