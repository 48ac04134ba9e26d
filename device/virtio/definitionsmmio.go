package virtio

// Registers of the MMIO transport (4.2.2; those of version 1: 4.2.4). All are 32
// bits wide but for the device's configuration.
const (
	MMIOMagic               = 0x000 // MagicValue
	MMIOVersion             = 0x004 // 1: legacy, 2
	MMIODeviceID            = 0x008 // the type; 0: nothing here
	MMIOVendorID            = 0x00c
	MMIODeviceFeatures      = 0x010
	MMIODeviceFeatureSelect = 0x014
	MMIODriverFeatures      = 0x020
	MMIODriverFeatureSelect = 0x024
	MMIOGuestPageSize       = 0x028 // version 1
	MMIOQueueSelect         = 0x030
	MMIOQueueMaximum        = 0x034
	MMIOQueueSize           = 0x038
	MMIOQueueAlign          = 0x03c // version 1
	MMIOQueueAddress        = 0x040 // version 1: in guest pages
	MMIOQueueReady          = 0x044
	MMIOQueueNotify         = 0x050
	MMIOInterruptStatus     = 0x060
	MMIOInterruptACK        = 0x064
	MMIOStatus              = 0x070
	MMIOQueueDescriptors    = 0x080 // low; high follows
	MMIOQueueAvailable      = 0x090
	MMIOQueueUsed           = 0x0a0
	MMIOGeneration          = 0x0fc
	MMIOConfig              = 0x100

	MagicValue = 0x74726976 // "virt"

	// MMIOSize is how many bytes of registers QEMU gives to a device.
	MMIOSize = 0x200
)
