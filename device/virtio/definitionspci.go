package virtio

// PCI identity (4.1.2). A modern-only device of type t has the ID
// DeviceIDModern + t, a transitional one an ID of its own and its type in
// the subsystem ID.
const (
	VendorID            = 0x1af4
	DeviceIDLegacyFirst = 0x1000
	DeviceIDLegacyLast  = 0x103f
	DeviceIDLegacyBlock = 0x1001
	DeviceIDModern      = 0x1040
	DeviceIDModernLast  = 0x107f
)

// Registers of the legacy interface, in the I/O ports of BAR 0 (4.1.4.8).
const (
	LegacyDeviceFeatures = 0  // u32
	LegacyDriverFeatures = 4  // u32
	LegacyQueueAddress   = 8  // u32: page frame number
	LegacyQueueSize      = 12 // u16, read only
	LegacyQueueSelect    = 14 // u16
	LegacyQueueNotify    = 16 // u16
	LegacyStatus         = 18 // u8
	LegacyISR            = 19 // u8, reading acknowledges
	LegacyConfig         = 20 // of the device, where MSI-X is off
	LegacyConfigVector   = 20 // u16, where MSI-X is on
	LegacyQueueVector    = 22 // u16, where MSI-X is on
	LegacyConfigMSIX     = 24 // of the device, where MSI-X is on
)

// The vendor-specific capabilities of the modern interface (4.1.4), as offsets
// from the capability's start in configuration space.
const (
	CapabilityLength     = 2  // u8
	CapabilityType       = 3  // u8: CapabilityCommon and so on
	CapabilityBAR        = 4  // u8
	CapabilityID         = 5  // u8
	CapabilityOffset     = 8  // u32: of the structure in the BAR
	CapabilitySize       = 12 // u32: of the structure
	CapabilityMultiplier = 16 // u32: CapabilityNotify only, times the queue's notify offset

	CapabilityBytes       = 16
	CapabilityNotifyBytes = 20
)

// Types of capabilities (4.1.4).
const (
	CapabilityCommon    = 1
	CapabilityNotify    = 2
	CapabilityISR       = 3
	CapabilityDevice    = 4
	CapabilityPCIAccess = 5
)

// The common configuration structure (4.1.4.3).
const (
	CommonDeviceFeatureSelect = 0  // u32
	CommonDeviceFeature       = 4  // u32
	CommonDriverFeatureSelect = 8  // u32
	CommonDriverFeature       = 12 // u32
	CommonConfigVector        = 16 // u16
	CommonQueues              = 18 // u16
	CommonStatus              = 20 // u8
	CommonGeneration          = 21 // u8
	CommonQueueSelect         = 22 // u16
	CommonQueueSize           = 24 // u16
	CommonQueueVector         = 26 // u16
	CommonQueueEnable         = 28 // u16
	CommonQueueNotifyOffset   = 30 // u16
	CommonQueueDescriptors    = 32 // u64, as two of 32 bits
	CommonQueueAvailable      = 40 // u64
	CommonQueueUsed           = 48 // u64
	CommonSize                = 56
)
