package arm64

import (
	"fmt"
	"strings"
)

// bitName names one bit, or a field of several, of a register.
type bitName struct {
	mask uint64
	name string
}

// bitString lists the names of the bits that are set, and what has no name in
// hexadecimal: "M|C|0x4000". Fields of several bits are "IPS=5".
func bitString(value uint64, names []bitName) string {
	if value == 0 {
		return "0"
	}
	var parts []string
	for _, n := range names {
		set := value & n.mask
		if set == 0 {
			continue
		}
		value &^= n.mask
		if lowest := n.mask & -n.mask; lowest != n.mask {
			parts = append(parts, fmt.Sprintf("%s=%d", n.name, set/lowest))
		} else {
			parts = append(parts, n.name)
		}
	}
	if value != 0 {
		parts = append(parts, fmt.Sprintf("%#x", value))
	}
	return strings.Join(parts, "|")
}

// SCTLR is SCTLR_EL1 (DDI 0487 D24.2, SCTLR_EL1), and SCTLR_EL2 where VHE makes
// it look alike.
type SCTLR uint64

// Bits of SCTLR.
const (
	SCTLRMMU             SCTLR = 1 << 0
	SCTLRAlignmentCheck  SCTLR = 1 << 1
	SCTLRDataCache       SCTLR = 1 << 2
	SCTLRStackCheck      SCTLR = 1 << 3
	SCTLRStackCheckEL0   SCTLR = 1 << 4
	SCTLRMaskAccess      SCTLR = 1 << 9 // UMA: EL0 may mask interrupts
	SCTLRInstructions    SCTLR = 1 << 12
	SCTLRZeroCache       SCTLR = 1 << 14 // DZE: DC ZVA at EL0
	SCTLRCacheType       SCTLR = 1 << 15 // UCT: CTR_EL0 at EL0
	SCTLRWriteNoExecute  SCTLR = 1 << 19 // WXN
	SCTLRKeepPAN         SCTLR = 1 << 23 // SPAN: exceptions leave PSTATE.PAN alone
	SCTLRBigEndianEL0    SCTLR = 1 << 24
	SCTLRBigEndian       SCTLR = 1 << 25
	SCTLRCacheOperations SCTLR = 1 << 26                               // UCI: cache maintenance at EL0
	SCTLRReserved1       SCTLR = 1<<29 | 1<<28 | 1<<22 | 1<<20 | 1<<11 // one on processors that have no meaning for them
)

var sctlrNames = []bitName{
	{1 << 0, "M"}, {1 << 1, "A"}, {1 << 2, "C"}, {1 << 3, "SA"}, {1 << 4, "SA0"}, {1 << 5, "CP15BEN"}, {1 << 6, "nAA"},
	{1 << 7, "ITD"}, {1 << 8, "SED"}, {1 << 9, "UMA"}, {1 << 10, "EnRCTX"}, {1 << 11, "EOS"}, {1 << 12, "I"}, {1 << 13, "EnDB"},
	{1 << 14, "DZE"}, {1 << 15, "UCT"}, {1 << 16, "nTWI"}, {1 << 18, "nTWE"}, {1 << 19, "WXN"}, {1 << 20, "TSCXT"},
	{1 << 21, "IESB"}, {1 << 22, "EIS"}, {1 << 23, "SPAN"}, {1 << 24, "E0E"}, {1 << 25, "EE"}, {1 << 26, "UCI"}, {1 << 27, "EnDA"},
	{1 << 28, "nTLSMD"}, {1 << 29, "LSMAOE"}, {1 << 30, "EnIB"}, {1 << 31, "EnIA"}, {1 << 35, "BT0"}, {1 << 36, "BT1"},
	{1 << 42, "ATA0"}, {1 << 43, "ATA"}, {1 << 57, "EPAN"},
}

// String lists the bits by the manual's names: "M|C|I".
func (r SCTLR) String() string { return bitString(uint64(r), sctlrNames) }

// TCR is TCR_EL1 (DDI 0487 D24.2, TCR_EL1), and TCR_EL2 where VHE makes it look
// alike. TCRFor makes one.
type TCR uint64

// Bits and fields of TCR.
const (
	TCRSize0Shift        = 0 // T0SZ
	TCRSize1Shift        = 16
	TCRDisable0      TCR = 1 << 7 // EPD0: no walks for the lower half
	TCRDisable1      TCR = 1 << 23
	TCRWriteBack0    TCR = 1<<8 | 1<<10 // walks read and write allocate, inner and outer
	TCRWriteBack1    TCR = 1<<24 | 1<<26
	TCRInner0        TCR = 3 << 12 // SH0: inner shareable
	TCRInner1        TCR = 3 << 28
	TCRGranule0Shift     = 14 // TG0: 0 4 KiB, 1 64 KiB, 2 16 KiB
	TCRGranule1Shift     = 30 // TG1: 1 16 KiB, 2 4 KiB, 3 64 KiB
	TCRPhysicalShift     = 32 // IPS
	TCRASID16        TCR = 1 << 36
	TCRTopByte0      TCR = 1 << 37 // TBI0
	TCRTopByte1      TCR = 1 << 38
	TCRAccessFlag    TCR = 1 << 39 // HA: hardware sets it
	TCRDirty         TCR = 1 << 40 // HD
	TCRHierarchy0    TCR = 1 << 41 // HPD0: rights in tables are off
	TCRHierarchy1    TCR = 1 << 42
	TCRLPA2          TCR = 1 << 59 // DS
)

var tcrNames = []bitName{
	{0x3f, "T0SZ"}, {1 << 7, "EPD0"}, {3 << 8, "IRGN0"}, {3 << 10, "ORGN0"}, {3 << 12, "SH0"}, {3 << 14, "TG0"},
	{0x3f << 16, "T1SZ"}, {1 << 22, "A1"}, {1 << 23, "EPD1"}, {3 << 24, "IRGN1"}, {3 << 26, "ORGN1"}, {3 << 28, "SH1"}, {3 << 30, "TG1"},
	{7 << 32, "IPS"}, {1 << 36, "AS"}, {1 << 37, "TBI0"}, {1 << 38, "TBI1"}, {1 << 39, "HA"}, {1 << 40, "HD"}, {1 << 41, "HPD0"},
	{1 << 42, "HPD1"}, {1 << 51, "TBID0"}, {1 << 52, "TBID1"}, {1 << 53, "NFD0"}, {1 << 54, "NFD1"}, {1 << 55, "E0PD0"},
	{1 << 56, "E0PD1"}, {1 << 57, "TCMA0"}, {1 << 58, "TCMA1"}, {1 << 59, "DS"},
}

// String lists the fields by the manual's names: "T0SZ=16|TG1=2|IPS=5".
func (r TCR) String() string { return bitString(uint64(r), tcrNames) }

// Parts of TTBR0_EL1 and TTBR1_EL1 (DDI 0487 D24.2, TTBR0_EL1).
const (
	TTBRAddressMask uint64 = 0x0000_ffff_ffff_fffe
	TTBRHighAddress uint64 = 0xf << 2 // bits 51 to 48 of the address, where addresses have 52 bits
	TTBRCommon      uint64 = 1 << 0   // CnP
	TTBRASIDShift          = 48
)

// MAIR is MAIR_EL1 (DDI 0487 D24.2, MAIR_EL1): eight bytes, each a kind of
// memory that an Entry's AttributeIndex chooses.
type MAIR uint64

// Kinds of memory.
const (
	MAIRDeviceNGnRnE       = 0x00
	MAIRDeviceNGnRE        = 0x04
	MAIRNormalNonCacheable = 0x44
	MAIRNormalWriteThrough = 0xbb
	MAIRNormalWriteBack    = 0xff
)

// Attribute is the kind of memory with an index of 0 to 7.
func (r MAIR) Attribute(index int) uint8 { return uint8(r >> (8 * (index & 7))) }

// String prints the eight kinds from index 0 on.
func (r MAIR) String() string {
	var b strings.Builder
	for i := range 8 {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%02x", r.Attribute(i))
	}
	return b.String()
}

// PSTATE is a processor state as SPSR_EL1 holds it (DDI 0487 C5.2, SPSR_EL1).
type PSTATE uint64

// Bits of PSTATE.
const (
	PSTATELevelMask PSTATE = 0xf // with PSTATEAArch32 clear
	PSTATEEL0t      PSTATE = 0x0
	PSTATEEL1t      PSTATE = 0x4 // on SP_EL0
	PSTATEEL1h      PSTATE = 0x5 // on SP_EL1
	PSTATEEL2t      PSTATE = 0x8
	PSTATEEL2h      PSTATE = 0x9
	PSTATEAArch32   PSTATE = 1 << 4
	PSTATEFIQ       PSTATE = 1 << 6 // masked
	PSTATEIRQ       PSTATE = 1 << 7
	PSTATESError    PSTATE = 1 << 8
	PSTATEDebug     PSTATE = 1 << 9
	PSTATEAllMasked PSTATE = 0xf << 6 // DAIF
	PSTATEIllegal   PSTATE = 1 << 20
	PSTATEStep      PSTATE = 1 << 21
	PSTATEPAN       PSTATE = 1 << 22
	PSTATEUAO       PSTATE = 1 << 23
)

var pstateNames = []bitName{
	{1 << 4, "nRW"}, {1 << 6, "F"}, {1 << 7, "I"}, {1 << 8, "A"}, {1 << 9, "D"}, {3 << 10, "BTYPE"}, {1 << 12, "SSBS"}, {1 << 20, "IL"},
	{1 << 21, "SS"}, {1 << 22, "PAN"}, {1 << 23, "UAO"}, {1 << 24, "DIT"}, {1 << 25, "TCO"}, {1 << 28, "V"}, {1 << 29, "C"},
	{1 << 30, "Z"}, {1 << 31, "N"},
}

// Level is the exception level, 0 to 3.
func (p PSTATE) Level() int { return int(p >> 2 & 3) }

// String prints the level and lists the bits by the manual's names:
// "EL1h F|I|A|D".
func (p PSTATE) String() string {
	if p&PSTATEAArch32 != 0 {
		return "AArch32 " + bitString(uint64(p), pstateNames)
	}
	stack := "t"
	if p&1 != 0 {
		stack = "h"
	}
	return fmt.Sprintf("EL%d%s %s", p.Level(), stack, bitString(uint64(p&^PSTATELevelMask), pstateNames))
}

// HCR is HCR_EL2 (DDI 0487 D24.2, HCR_EL2).
type HCR uint64

// Bits of HCR.
const (
	HCRVirtualMachine HCR = 1 << 0 // VM: stage 2 translation
	HCRSetWayOverride HCR = 1 << 1
	HCRPhysicalFIQ    HCR = 1 << 3
	HCRPhysicalIRQ    HCR = 1 << 4
	HCRPhysicalSError HCR = 1 << 5
	HCRTrapGeneral    HCR = 1 << 27 // TGE
	HCREL1AArch64     HCR = 1 << 31 // RW
	HCRHost           HCR = 1 << 34 // E2H: VHE
)

// CPACR is CPACR_EL1.
type CPACR uint64

// Bits of CPACR.
const (
	CPACRFloatingPoint CPACR = 3 << 20 // FPEN: no traps at EL0 and EL1
	CPACRSVE           CPACR = 3 << 16
)
