package gic

// SystemRegister is the encoding of a system register, as MRS and MSR have it
// in bits 5 to 20 (DDI 0487 C5.1.3): op0, op1, CRn, CRm, op2.
type SystemRegister uint16

// Encode packs the fields of an encoding.
func Encode(op0, op1, crn, crm, op2 uint8) SystemRegister {
	return SystemRegister(op0&3)<<14 | SystemRegister(op1&7)<<11 | SystemRegister(crn&15)<<7 | SystemRegister(crm&15)<<3 | SystemRegister(op2&7)
}

// System registers of the CPU interface of version 3 (12.2).
const (
	PMR     SystemRegister = 0xc230 // ICC_PMR_EL1: S3_0_C4_C6_0
	IAR0    SystemRegister = 0xc640 // ICC_IAR0_EL1: S3_0_C12_C8_0
	EOIR0   SystemRegister = 0xc641
	HPPIR0  SystemRegister = 0xc642
	BPR0    SystemRegister = 0xc643
	AP0R0   SystemRegister = 0xc644 // ICC_AP0R0_EL1; those of more priorities follow
	AP1R0   SystemRegister = 0xc648 // ICC_AP1R0_EL1: S3_0_C12_C9_0
	DIR     SystemRegister = 0xc659 // ICC_DIR_EL1: S3_0_C12_C11_1
	RPR     SystemRegister = 0xc65b
	SGI1R   SystemRegister = 0xc65d
	ASGI1R  SystemRegister = 0xc65e
	SGI0R   SystemRegister = 0xc65f
	IAR1    SystemRegister = 0xc660 // ICC_IAR1_EL1: S3_0_C12_C12_0
	EOIR1   SystemRegister = 0xc661
	HPPIR1  SystemRegister = 0xc662
	BPR1    SystemRegister = 0xc663
	CTLR    SystemRegister = 0xc664
	SRE     SystemRegister = 0xc665 // ICC_SRE_EL1
	IGRPEN0 SystemRegister = 0xc666
	IGRPEN1 SystemRegister = 0xc667
	SREEL2  SystemRegister = 0xe64d // ICC_SRE_EL2: S3_4_C12_C9_5
	HCREL2  SystemRegister = 0xe658 // ICH_HCR_EL2: S3_4_C12_C11_0
)

// Bits of ICC_CTLR_EL1 (12.2.6).
const (
	ControlCommonPoint       = 1 << 0 // CBPR
	ControlSplitEnd          = 1 << 1 // EOImode
	ControlPriorityBitsShift = 8      // less one
	ControlIDBitsShift       = 11     // 0: 16, 1: 24
	ControlAffinity3         = 1 << 15
	ControlExtendedRange     = 1 << 19
)

// Bits of ICC_SRE_ELx (12.2.22). Enable is that of EL2 only.
const (
	SRESystemRegisters = 1 << 0
	SRENoFIQBypass     = 1 << 1
	SRENoIRQBypass     = 1 << 2
	SREEnable          = 1 << 3
)

// Bits of ICH_HCR_EL2 that trap EL1's registers (12.4.12).
const (
	HypervisorTrapCommon = 1 << 10 // TC
	HypervisorTrapGroup0 = 1 << 11 // TALL0
	HypervisorTrapGroup1 = 1 << 12 // TALL1
)

// Fields of ICC_SGI0R_EL1 and ICC_SGI1R_EL1 (12.2.19).
const (
	SGITargetsMask = 0xffff // of the CPUs whose Aff0 is RangeSelector*16 to +15
	SGIAffinity1   = 16
	SGINumberShift = 24
	SGIAffinity2   = 32
	SGIOthers      = 1 << 40 // IRM: all but this CPU
	SGIRangeShift  = 44
	SGIAffinity3   = 48
)

// PriorityIdle is the running priority while no interrupt is handled (4.8).
const PriorityIdle = 0xff
