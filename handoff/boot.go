package handoff

// Offsets in the boot area, which is PartPanicArea of a block with RoleHost.
// The entry stub of a wrapped host image writes it with plain stores before it
// jumps to the image, because only then is known who booted it. It is not
// sealed. All fields are zero until then.
const (
	BootOffsetProtocol = 0x00 // u32 BootProtocol
	BootOffsetPointer  = 0x08 // u64 physical address of what the protocol hands over
	BootOffsetTime     = 0x10 // u64 counter (TSC, CNTVCT) at the stub's first instruction
	BootAreaSize       = PageSize
)

// BootProtocol says who booted a host image, and so what BootOffsetPointer
// points to.
type BootProtocol uint32

// Boot protocols.
const (
	BootNone  BootProtocol = 0
	BootLinux BootProtocol = 1 // struct boot_params (Linux x86/boot.rst, 64-bit protocol)
	BootPVH   BootProtocol = 2 // struct hvm_start_info (Xen start_info.h)
	BootFDT   BootProtocol = 3 // a flattened device tree (Linux arm64/booting.rst)
	BootEFI   BootProtocol = 4 // the memory map and tables that bootimage's EFI stub left
)

// Offsets in the EFI area, which BootOffsetPointer points to where the protocol is
// BootEFI. It lies in the wrapped image; all addresses in it are physical. Boot
// services have ended; what runtime services need stays where it is, and
// SetVirtualAddressMap was not called.
const (
	EFIOffsetSystem      = 0x00 // u64 EFI_SYSTEM_TABLE (UEFI 2.10, 4.3)
	EFIOffsetRuntime     = 0x08 // u64 EFI_RUNTIME_SERVICES (4.5)
	EFIOffsetMapSize     = 0x10 // u64 bytes at EFIOffsetMap
	EFIOffsetDescriptor  = 0x18 // u64 bytes of a descriptor
	EFIOffsetVersion     = 0x20 // u32 of the descriptors
	EFIOffsetTables      = 0x28 // u64 entries at EFIOffsetTableList
	EFIOffsetOptionsSize = 0x30 // u64 bytes at EFIOffsetOptions
	EFIOffsetTime        = 0x40 // EFI_TIME (8.3), of arm64 only; zeros: there is no clock
	EFIOffsetTableList   = 0x100
	EFIOffsetOptions     = 0x1000 // the load options (9.1), UCS-2: the command line
	EFIOffsetMap         = 0x2000 // the memory map (7.2.3) that boot services ended with
	EFITableSize         = 24     // of EFI_CONFIGURATION_TABLE (4.6): a GUID, u64 address
	EFIMaxTables         = 64
	EFIMaxOptions        = EFIOffsetMap - EFIOffsetOptions
	EFIMaxMap            = 64 << 10
	EFIAreaSize          = EFIOffsetMap + EFIMaxMap
)
