package amd64

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
// hexadecimal: "PE|PG|0x4000". Fields of several bits are "IOPL=3".
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

// CR0 is control register 0 (Intel SDM 3A 2.5).
type CR0 uint64

// Bits of CR0.
const (
	CR0ProtectionEnable CR0 = 1 << 0
	CR0MonitorCoprocess CR0 = 1 << 1
	CR0Emulation        CR0 = 1 << 2
	CR0TaskSwitched     CR0 = 1 << 3
	CR0ExtensionType    CR0 = 1 << 4
	CR0NumericError     CR0 = 1 << 5
	CR0WriteProtect     CR0 = 1 << 16
	CR0AlignmentMask    CR0 = 1 << 18
	CR0NotWriteThrough  CR0 = 1 << 29
	CR0CacheDisable     CR0 = 1 << 30
	CR0Paging           CR0 = 1 << 31
)

var cr0Names = []bitName{
	{1 << 0, "PE"}, {1 << 1, "MP"}, {1 << 2, "EM"}, {1 << 3, "TS"}, {1 << 4, "ET"}, {1 << 5, "NE"},
	{1 << 16, "WP"}, {1 << 18, "AM"}, {1 << 29, "NW"}, {1 << 30, "CD"}, {1 << 31, "PG"},
}

// String lists the bits by the manual's names: "PE|WP|PG".
func (r CR0) String() string { return bitString(uint64(r), cr0Names) }

// CR4 is control register 4 (Intel SDM 3A 2.5).
type CR4 uint64

// Bits of CR4.
const (
	CR4VirtualMode8086     CR4 = 1 << 0
	CR4TimeStampDisable    CR4 = 1 << 2
	CR4DebugExtensions     CR4 = 1 << 3
	CR4PageSizeExtension   CR4 = 1 << 4
	CR4PhysicalExtension   CR4 = 1 << 5 // PAE
	CR4MachineCheck        CR4 = 1 << 6
	CR4GlobalPages         CR4 = 1 << 7
	CR4PerformanceCounter  CR4 = 1 << 8
	CR4FXSAVE              CR4 = 1 << 9
	CR4SIMDExceptions      CR4 = 1 << 10
	CR4UserInstructions    CR4 = 1 << 11 // UMIP
	CR4FiveLevels          CR4 = 1 << 12 // LA57
	CR4VMX                 CR4 = 1 << 13
	CR4SMX                 CR4 = 1 << 14
	CR4FSGSBase            CR4 = 1 << 16
	CR4ProcessContexts     CR4 = 1 << 17 // PCIDE
	CR4XSAVE               CR4 = 1 << 18
	CR4SupervisorExecution CR4 = 1 << 20 // SMEP
	CR4SupervisorAccess    CR4 = 1 << 21 // SMAP
	CR4ProtectionKeys      CR4 = 1 << 22
	CR4ControlFlow         CR4 = 1 << 23 // CET
	CR4SupervisorKeys      CR4 = 1 << 24
	CR4UserInterrupts      CR4 = 1 << 25
	CR4LinearMasking       CR4 = 1 << 28 // LAM_SUP
)

var cr4Names = []bitName{
	{1 << 0, "VME"}, {1 << 1, "PVI"}, {1 << 2, "TSD"}, {1 << 3, "DE"}, {1 << 4, "PSE"}, {1 << 5, "PAE"}, {1 << 6, "MCE"},
	{1 << 7, "PGE"}, {1 << 8, "PCE"}, {1 << 9, "OSFXSR"}, {1 << 10, "OSXMMEXCPT"}, {1 << 11, "UMIP"}, {1 << 12, "LA57"},
	{1 << 13, "VMXE"}, {1 << 14, "SMXE"}, {1 << 16, "FSGSBASE"}, {1 << 17, "PCIDE"}, {1 << 18, "OSXSAVE"}, {1 << 19, "KL"},
	{1 << 20, "SMEP"}, {1 << 21, "SMAP"}, {1 << 22, "PKE"}, {1 << 23, "CET"}, {1 << 24, "PKS"}, {1 << 25, "UINTR"},
	{1 << 28, "LAM_SUP"}, {1 << 32, "FRED"},
}

// String lists the bits by the manual's names: "PAE|PGE|OSFXSR".
func (r CR4) String() string { return bitString(uint64(r), cr4Names) }

// Parts of CR3 (Intel SDM 3A 2.5 and table 4-12).
const (
	CR3AddressMask  uint64 = 0x000f_ffff_ffff_f000
	CR3ContextMask  uint64 = 0xfff   // PCID, where CR4.PCIDE is set
	CR3KeepContext  uint64 = 1 << 63 // in a value to be loaded: flush nothing
	CR3LinearMask48 uint64 = 1 << 61 // LAM_U48
	CR3LinearMask57 uint64 = 1 << 62 // LAM_U57
)

// EFER is the extended feature enable register (Intel SDM 3A 2.2.1).
type EFER uint64

// Bits of EFER.
const (
	EFERSystemCall     EFER = 1 << 0
	EFERLongModeEnable EFER = 1 << 8
	EFERLongModeActive EFER = 1 << 10
	EFERNoExecute      EFER = 1 << 11
)

var eferNames = []bitName{
	{1 << 0, "SCE"}, {1 << 8, "LME"}, {1 << 10, "LMA"}, {1 << 11, "NXE"}, {1 << 12, "SVME"}, {1 << 13, "LMSLE"},
	{1 << 14, "FFXSR"}, {1 << 15, "TCE"},
}

// String lists the bits by the manual's names: "LME|LMA|NXE".
func (r EFER) String() string { return bitString(uint64(r), eferNames) }

// RFLAGS is the flags register (Intel SDM 1 3.4.3).
type RFLAGS uint64

// Bits of RFLAGS.
const (
	RFLAGSCarry          RFLAGS = 1 << 0
	RFLAGSAlwaysOne      RFLAGS = 1 << 1
	RFLAGSZero           RFLAGS = 1 << 6
	RFLAGSTrap           RFLAGS = 1 << 8
	RFLAGSInterrupt      RFLAGS = 1 << 9
	RFLAGSDirection      RFLAGS = 1 << 10
	RFLAGSPrivilegeMask  RFLAGS = 3 << 12 // IOPL
	RFLAGSNestedTask     RFLAGS = 1 << 14
	RFLAGSResume         RFLAGS = 1 << 16
	RFLAGSAlignmentCheck RFLAGS = 1 << 18 // with SMAP: user memory may be accessed
	RFLAGSIdentification RFLAGS = 1 << 21
)

var rflagsNames = []bitName{
	{1 << 0, "CF"}, {1 << 2, "PF"}, {1 << 4, "AF"}, {1 << 6, "ZF"}, {1 << 7, "SF"}, {1 << 8, "TF"}, {1 << 9, "IF"},
	{1 << 10, "DF"}, {1 << 11, "OF"}, {3 << 12, "IOPL"}, {1 << 14, "NT"}, {1 << 16, "RF"}, {1 << 17, "VM"},
	{1 << 18, "AC"}, {1 << 19, "VIF"}, {1 << 20, "VIP"}, {1 << 21, "ID"},
}

// String lists the bits by the manual's names: "ZF|IF". Bit 1 is always set
// and not listed.
func (r RFLAGS) String() string { return bitString(uint64(r&^RFLAGSAlwaysOne), rflagsNames) }

// XCR0 is extended control register 0: the state that XSAVE keeps (Intel SDM
// 3A 2.6).
type XCR0 uint64

// Bits of XCR0.
const (
	XCR0X87    XCR0 = 1 << 0
	XCR0SSE    XCR0 = 1 << 1
	XCR0AVX    XCR0 = 1 << 2
	XCR0AVX512 XCR0 = 7 << 5
)

var xcr0Names = []bitName{
	{1 << 0, "x87"}, {1 << 1, "SSE"}, {1 << 2, "AVX"}, {1 << 3, "BNDREGS"}, {1 << 4, "BNDCSR"}, {1 << 5, "opmask"},
	{1 << 6, "ZMM_Hi256"}, {1 << 7, "Hi16_ZMM"}, {1 << 8, "PT"}, {1 << 9, "PKRU"}, {1 << 11, "CET_U"}, {1 << 12, "CET_S"},
	{1 << 17, "TILECFG"}, {1 << 18, "TILEDATA"},
}

// String lists the bits by the manual's names: "x87|SSE|AVX".
func (r XCR0) String() string { return bitString(uint64(r), xcr0Names) }

// Model-specific registers (Intel SDM 4 2.1; AMD APM 2 appendix A).
const (
	MSRAPICBase        = 0x1b
	MSRSpeculation     = 0x48
	MSRMTRRCapability  = 0xfe
	MSRSysenterCS      = 0x174
	MSRSysenterESP     = 0x175
	MSRSysenterEIP     = 0x176
	MSRMachineCheckCap = 0x179
	MSRMiscEnable      = 0x1a0
	MSRPAT             = 0x277
	MSRMTRRDefault     = 0x2ff
	MSRUserCET         = 0x6a0
	MSRSupervisorCET   = 0x6a2
	MSRShadowStack0    = 0x6a4
	MSRTSCDeadline     = 0x6e0
	MSRX2APICBase      = 0x800
	MSRX2APICICR       = 0x830
	MSREFER            = 0xc000_0080
	MSRSTAR            = 0xc000_0081
	MSRLSTAR           = 0xc000_0082
	MSRCSTAR           = 0xc000_0083
	MSRSyscallMask     = 0xc000_0084
	MSRFSBase          = 0xc000_0100
	MSRGSBase          = 0xc000_0101
	MSRKernelGSBase    = 0xc000_0102
	MSRTSCAux          = 0xc000_0103
)
