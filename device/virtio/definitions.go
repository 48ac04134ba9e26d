package virtio

// Sections are those of the Virtual I/O Device (VIRTIO) specification,
// version 1.2, committee specification 01 of 1 July 2022.

// Device types (5, "Device Types").
const (
	TypeNetwork = 1
	TypeBlock   = 2
	TypeConsole = 3
	TypeEntropy = 4
)

// Bits of the device status (2.1).
const (
	StatusAcknowledge = 1 << 0
	StatusDriver      = 1 << 1
	StatusDriverOK    = 1 << 2
	StatusFeaturesOK  = 1 << 3 // not in legacy devices
	StatusNeedsReset  = 1 << 6 // not in legacy devices
	StatusFailed      = 1 << 7
)

// Features of all device types (6), as masks. Legacy devices have the lower 32.
const (
	FeatureNotifyOnEmpty   uint64 = 1 << 24 // legacy (6.3)
	FeatureAnyLayout       uint64 = 1 << 27 // legacy
	FeatureIndirect        uint64 = 1 << 28
	FeatureEventIndex      uint64 = 1 << 29
	FeatureVersion1        uint64 = 1 << 32
	FeatureAccessPlatform  uint64 = 1 << 33
	FeaturePackedRing      uint64 = 1 << 34
	FeatureInOrder         uint64 = 1 << 35
	FeatureOrderPlatform   uint64 = 1 << 36
	FeatureRingReset       uint64 = 1 << 40
	FeatureBlockSizeMax    uint64 = 1 << 1 // of block devices (5.2.3)
	FeatureBlockSegMax     uint64 = 1 << 2
	FeatureBlockGeometry   uint64 = 1 << 4
	FeatureBlockReadOnly   uint64 = 1 << 5
	FeatureBlockSectorSize uint64 = 1 << 6 // VIRTIO_BLK_F_BLK_SIZE
	FeatureBlockFlush      uint64 = 1 << 9
	FeatureBlockTopology   uint64 = 1 << 10
	FeatureBlockConfigWCE  uint64 = 1 << 11
)

// The split virtqueue (2.7). The descriptor table is an array of descriptors;
// the available ring is flags, index, an array of 16-bit descriptor numbers; the
// used ring is flags, index, an array of elements. All are little-endian, also in
// legacy devices on the architectures here.
const (
	DescriptorSize    = 16
	DescriptorAddress = 0  // u64: physical
	DescriptorLength  = 8  // u32
	DescriptorFlags   = 12 // u16
	DescriptorNext    = 14 // u16

	AvailableFlags   = 0 // u16
	AvailableIndex   = 2 // u16
	AvailableRing    = 4
	AvailableElement = 2

	UsedFlags         = 0 // u16
	UsedIndex         = 2 // u16
	UsedRing          = 4
	UsedElement       = 8
	UsedElementID     = 0 // u32: head of the chain
	UsedElementLength = 4 // u32: bytes that the device wrote
)

// Alignments of a virtqueue's parts (2.7), and of the used ring in a legacy
// queue, whose parts lie in one piece (2.7.2).
const (
	DescriptorAlignment = 16
	AvailableAlignment  = 2
	UsedAlignment       = 4
	LegacyAlignment     = 4096
)

// MaxQueueSize is the largest queue that there is (2.7).
const MaxQueueSize = 32768

// Flags of descriptors and rings (2.7.5, 2.7.7, 2.7.10).
const (
	DescriptorHasNext       = 1 << 0
	DescriptorDeviceWrites  = 1 << 1
	DescriptorIndirect      = 1 << 2
	AvailableNoInterrupt    = 1 << 0
	UsedNoNotify            = 1 << 0
	descriptorsPerRequest   = 3
	legacyPageFrameShift    = 12
	maxLegacyQueueAddress   = 1 << (32 + legacyPageFrameShift)
	interruptVectorDisabled = 0xffff
)

// NoVector is the MSI-X vector that means none (4.1.5.1.2.1).
const NoVector = interruptVectorDisabled

// Configuration of a block device (5.2.4), as offsets.
const (
	BlockConfigCapacity   = 0  // u64: sectors of 512 bytes
	BlockConfigSizeMax    = 8  // u32: bytes of a segment
	BlockConfigSegMax     = 12 // u32
	BlockConfigGeometry   = 16
	BlockConfigSectorSize = 20 // u32: blk_size
	BlockConfigTopology   = 24
	BlockConfigWriteback  = 32 // u8
	BlockConfigSize       = 60
)

// SectorUnit is what request sectors and the capacity count, whatever the
// sector size is (5.2.4).
const SectorUnit = 512

// A block request (5.2.6): a header, data, one byte of status that the device
// writes.
const (
	BlockHeaderSize   = 16
	BlockHeaderType   = 0 // u32
	BlockHeaderSector = 8 // u64

	BlockTypeRead   = 0 // VIRTIO_BLK_T_IN
	BlockTypeWrite  = 1 // VIRTIO_BLK_T_OUT
	BlockTypeFlush  = 4
	BlockTypeGetID  = 8
	BlockIDSize     = 20 // of the string that BlockTypeGetID gives, not always ended by a zero
	BlockStatusOK   = 0
	BlockStatusIO   = 1 // VIRTIO_BLK_S_IOERR
	BlockStatusNone = 2 // VIRTIO_BLK_S_UNSUPP

	blockStatusPending = 0xff // ours, before the device has written it
)
