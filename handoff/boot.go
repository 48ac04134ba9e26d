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
