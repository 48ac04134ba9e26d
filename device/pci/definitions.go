package pci

// Registers of every function's configuration space (PCI Local Bus 3.0, 6.1).
const (
	RegisterVendorID      = 0x00 // u16
	RegisterDeviceID      = 0x02 // u16
	RegisterCommand       = 0x04 // u16
	RegisterStatus        = 0x06 // u16, bits are cleared by writing ones
	RegisterRevision      = 0x08 // u8
	RegisterClass         = 0x09 // u8 interface, u8 subclass, u8 class
	RegisterHeaderType    = 0x0e // u8
	RegisterBAR           = 0x10 // u32 each: six, or two of a bridge
	RegisterPrimaryBus    = 0x18 // u8, bridges
	RegisterSecondaryBus  = 0x19 // u8, bridges
	RegisterSubordinate   = 0x1a // u8, bridges
	RegisterSubsystemID   = 0x2e // u16
	RegisterCapabilities  = 0x34 // u8: offset of the first
	RegisterInterruptLine = 0x3c // u8

	ConfigurationSize         = 256  // bytes that I/O ports reach
	ExtendedConfigurationSize = 4096 // bytes that ECAM reaches
)

// Bits of the command register (6.2.2) and the status register (6.2.3).
const (
	CommandIO               = 1 << 0
	CommandMemory           = 1 << 1
	CommandBusMaster        = 1 << 2
	CommandInterruptDisable = 1 << 10
	StatusCapabilities      = 1 << 4
)

// Bits of the header type.
const (
	HeaderTypeMask      = 0x7f
	HeaderTypeGeneral   = 0
	HeaderTypeBridge    = 1 // PCI to PCI
	HeaderTypeCardBus   = 2
	HeaderMultiFunction = 0x80
)

// Bits of a base address register (6.2.5.1).
const (
	BARIO           = 1 << 0
	BARIOMask       = 0xffff_fffc
	BARTypeMask     = 3 << 1
	BARType64       = 2 << 1
	BARPrefetchable = 1 << 3
	BARMemoryMask   = 0xffff_fff0
	BARs            = 6 // of a function that is no bridge
	BARsOfBridge    = 2
)

// Capability IDs (PCI Code and ID Assignment, 2).
const (
	CapabilityMSI        = 0x05
	CapabilityVendor     = 0x09
	CapabilityPCIExpress = 0x10
	CapabilityMSIX       = 0x11
)

// Message signalled interrupts (6.8.1.3, 6.8.2.3): the message control word is
// at offset 2 of both capabilities.
const (
	MessageControl    = 2
	MSIEnable         = 1 << 0
	MSIXEnable        = 1 << 15
	MSIXFunctionMask  = 1 << 14
	MSIXTableSizeMask = 0x7ff
)

// Configuration mechanism 1: I/O ports of PCs (3.2.2.3.2).
const (
	PortAddress       = 0xcf8 // u32
	PortData          = 0xcfc // u32, its bytes one by one too
	PortAddressEnable = 1 << 31
)

// ClassBridge is the class and subclass of a PCI to PCI bridge, ClassStorage
// that of a mass storage controller of another kind, as virtio disks are.
const (
	ClassBridge  = 0x0604
	ClassStorage = 0x0180
)
