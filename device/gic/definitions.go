package gic

// Interrupts by number (2.2.1).
const (
	SGIs     = 16   // the first interrupt that is none
	FirstPPI = 16   //
	FirstSPI = 32   //
	LastSPI  = 1019 //
	FirstLPI = 8192 //

	// What an acknowledge register gives where there is no interrupt to take.
	Spurious   = 1023
	OtherGroup = 1022 // there is one of the group that another register is for (v2 3.4.2)
)

// The generic timers' PPIs on machines that follow the Base System Architecture
// (DEN 0094, B_PPI_00), and that of the virtual CPU interface.
const (
	PPIHypervisorVirtualTimer = 28
	PPIMaintenance            = 25
	PPIHypervisorTimer        = 26
	PPIVirtualTimer           = 27
	PPIPhysicalTimer          = 30
)

// Registers of the distributor (12.8; v2 4.3). Those with a number for each
// interrupt are arrays: of one bit, two bits (ICFGR), one byte (IPRIORITYR,
// ITARGETSR), or eight bytes (IROUTER).
const (
	DistributorControl         = 0x0000 // GICD_CTLR
	DistributorType            = 0x0004 // GICD_TYPER
	DistributorImplementer     = 0x0008 // GICD_IIDR
	DistributorGroup           = 0x0080 // GICD_IGROUPR
	DistributorEnable          = 0x0100 // GICD_ISENABLER
	DistributorDisable         = 0x0180 // GICD_ICENABLER
	DistributorSetPending      = 0x0200 // GICD_ISPENDR
	DistributorClearPending    = 0x0280 // GICD_ICPENDR
	DistributorSetActive       = 0x0300 // GICD_ISACTIVER
	DistributorClearActive     = 0x0380 // GICD_ICACTIVER
	DistributorPriority        = 0x0400 // GICD_IPRIORITYR
	DistributorTarget          = 0x0800 // GICD_ITARGETSR, version 2
	DistributorConfiguration   = 0x0c00 // GICD_ICFGR
	DistributorSendSGI         = 0x0f00 // GICD_SGIR, version 2
	DistributorClearSGI        = 0x0f10 // GICD_CPENDSGIR, version 2
	DistributorSetSGI          = 0x0f20 // GICD_SPENDSGIR, version 2
	DistributorPeripheralID2V2 = 0x0fe8 // ICPIDR2
	DistributorSize2           = 0x1000 // of version 2
	DistributorRoute           = 0x6000 // GICD_IROUTER, version 3: that of interrupt n is at 8n
	DistributorPeripheralID2   = 0xffe8 // GICD_PIDR2
	DistributorSize3           = 0x10000
)

// Bits of GICD_CTLR as one security state has them (12.9.4; v2 4.3.1).
const (
	DistributorEnableGroup0 = 1 << 0
	DistributorEnableGroup1 = 1 << 1
	DistributorAffinity     = 1 << 4 // ARE: affinity routing
	DistributorOneState     = 1 << 6 // DS: security is off
	DistributorWritePending = 1 << 31
)

// Fields of GICD_TYPER (12.9.38; v2 4.3.2).
const (
	TypeLinesMask  = 0x1f // 32 interrupts more for each
	TypeCPUsShift  = 5
	TypeLPIs       = 1 << 17
	TypeIDsShift   = 19 // bits of an interrupt number, less one
	TypeNoOneOfN   = 1 << 25
	TypeRangeShift = 26
)

// RouteAny in a GICD_IROUTER lets any CPU take the interrupt (12.9.22).
const RouteAny = 1 << 31

// Fields of GICD_SGIR (v2 4.3.15).
const (
	SendSGITargetShift = 16
	SendSGIFilterShift = 24 // 0: the targets; 1: all others; 2: this CPU
)

// Registers of the CPU interface of version 2 (v2 4.4).
const (
	InterfaceControl          = 0x0000 // GICC_CTLR
	InterfaceMask             = 0x0004 // GICC_PMR
	InterfacePoint            = 0x0008 // GICC_BPR
	InterfaceAcknowledge      = 0x000c // GICC_IAR
	InterfaceEnd              = 0x0010 // GICC_EOIR
	InterfaceRunning          = 0x0014 // GICC_RPR
	InterfaceHighest          = 0x0018 // GICC_HPPIR
	InterfaceAliasPoint       = 0x001c // GICC_ABPR
	InterfaceAliasAcknowledge = 0x0020 // GICC_AIAR
	InterfaceAliasEnd         = 0x0024 // GICC_AEOIR
	InterfaceAliasHighest     = 0x0028 // GICC_AHPPIR
	InterfaceActive           = 0x00d0 // GICC_APR0
	InterfaceActive1          = 0x00e0 // GICC_NSAPR0
	InterfaceImplementer      = 0x00fc // GICC_IIDR
	InterfaceDeactivate       = 0x1000 // GICC_DIR
	InterfaceSize             = 0x2000
)

// Bits of GICC_CTLR without the security extensions (v2 4.4.1).
const (
	InterfaceEnableGroup0 = 1 << 0
	InterfaceEnableGroup1 = 1 << 1
	InterfaceAckControl   = 1 << 2 // GICC_IAR takes interrupts of group 1, too
	InterfaceFIQ          = 1 << 3 // group 0 is signalled as FIQ
	InterfaceCommonPoint  = 1 << 4
	InterfaceNoBypass     = 0xf << 5
	InterfaceSplitEnd     = 1 << 9 // EOImode: the end of priority is not that of activity
)

// Fields of GICC_IAR and GICC_EOIR (v2 4.4.4).
const (
	AcknowledgeIDMask   = 0x3ff
	AcknowledgeCPUShift = 10 // the CPU that sent an SGI
)

// Registers of a redistributor's first frame (12.10). The second, SGIFrame
// above it, has the registers of the distributor for interrupts 0 to 31.
const (
	RedistributorControl       = 0x0000 // GICR_CTLR
	RedistributorImplementer   = 0x0004 // GICR_IIDR
	RedistributorType          = 0x0008 // GICR_TYPER, 64 bits
	RedistributorWaker         = 0x0014 // GICR_WAKER
	RedistributorProperties    = 0x0070 // GICR_PROPBASER, 64 bits
	RedistributorPending       = 0x0078 // GICR_PENDBASER, 64 bits
	RedistributorInvalidate    = 0x00a0 // GICR_INVLPIR, 64 bits
	RedistributorInvalidateAll = 0x00b0 // GICR_INVALLR, 64 bits
	RedistributorSynchronize   = 0x00c0 // GICR_SYNCR
	RedistributorPeripheralID2 = 0xffe8 // GICR_PIDR2
	RedistributorSGIFrame      = 0x10000
	RedistributorSize          = 0x20000 // of a CPU, without virtual LPIs
)

// Bits of the redistributor's registers (12.11.2, 12.11.40, 12.11.43).
const (
	RedistributorEnableLPIs        = 1 << 0
	RedistributorTypeLPIs          = 1 << 0
	RedistributorTypeLast          = 1 << 4
	RedistributorTypeNumberShift   = 8
	RedistributorTypeAffinityShift = 32
	WakerProcessorSleep            = 1 << 1
	WakerChildrenAsleep            = 1 << 2
)

// Registers of an interrupt translation service (12.18).
const (
	ITSControl       = 0x0000 // GITS_CTLR
	ITSImplementer   = 0x0004 // GITS_IIDR
	ITSType          = 0x0008 // GITS_TYPER, 64 bits
	ITSCommandBase   = 0x0080 // GITS_CBASER, 64 bits
	ITSCommandWrite  = 0x0088 // GITS_CWRITER, 64 bits
	ITSCommandRead   = 0x0090 // GITS_CREADR, 64 bits
	ITSTable         = 0x0100 // GITS_BASER0 to 7, 64 bits each
	ITSTables        = 8
	ITSPeripheralID2 = 0xffe8  // GITS_PIDR2
	ITSTranslate     = 0x10040 // GITS_TRANSLATER, in the second frame
	ITSSize          = 0x20000
)

// Bits of the ITS's registers (12.19.1, 12.19.2, 12.19.5).
const (
	ITSEnabled        = 1 << 0
	ITSQuiescent      = 1 << 31
	ITSTypeShift      = 56 // of a table in GITS_BASER
	ITSTypeDevices    = 1
	ITSTypeCollection = 4
	ITSEntrySizeShift = 48 // less one
	ITSIndirect       = 1 << 62
	ITSValid          = 1 << 63
	ITSPagesMask      = 0xff // less one
)

// PeripheralIDRevisionShift is where the peripheral ID registers have the
// architecture's version (12.9.33; v2 4.3.18).
const PeripheralIDRevisionShift = 4
