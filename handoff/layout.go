package handoff

// Version of the ABI that this package writes. A reader takes every block of
// its own major version; sections that a newer minor version added are
// skipped.
const (
	VersionMajor = 1
	VersionMinor = 1
)

// Magic is what a block begins with: "GORESCUE" read as a little-endian
// number.
const Magic uint64 = 0x45554353_45524f47

// Sizes of the block.
const (
	// HeaderLength is the length of the fixed header of version 1. A newer
	// minor version may make it longer, never shorter; OffsetHeaderLength says
	// where the sections begin.
	HeaderLength = 0x800
	// MaxBlockLength is the largest block that is written or read.
	MaxBlockLength = 1 << 20
	// PageSize is the unit in which the reservation is laid out on both
	// architectures. (A host with larger pages dumps in its own unit.)
	PageSize = 4096
)

// Offsets of the header's fixed fields from the start of the block, which is
// the start of the reservation. All are naturally aligned and little-endian,
// so a plain load reads them before there is a heap. The comment gives the
// width.
const (
	OffsetMagic        = 0x000 // u64 Magic
	OffsetVersionMajor = 0x008 // u16
	OffsetVersionMinor = 0x00a // u16
	OffsetHeaderCRC    = 0x00c // u32 CRC-32C of the header's bytes, without these four
	OffsetHeaderLength = 0x010 // u32 bytes; the sections follow
	OffsetTotalLength  = 0x014 // u32 bytes of header, sections and padding
	OffsetArchitecture = 0x018 // u32 Architecture
	OffsetRole         = 0x01c // u32 Role
	OffsetReservation  = 0x020 // u64 physical address of the reservation
	OffsetSize         = 0x028 // u64 bytes of the reservation
	OffsetEntry        = 0x030 // u64 virtual address of the image's entry point
	OffsetLinkBase     = 0x038 // u64 virtual address of the image part's first byte
	OffsetFileEnd      = 0x040 // u64 virtual end of the pages that the image part holds
	OffsetMemoryEnd    = 0x048 // u64 virtual end of the image with its demand-zero pages
	OffsetRoot4        = 0x050 // u64 offset of the root table: amd64 with 4 levels, arm64 TTBR0
	OffsetRoot5        = 0x058 // u64 offset of the root of 5 levels on top of it, or 0
	OffsetTablesUsed   = 0x060 // u64 bytes at the start of the tables part that are in use
	OffsetStackTop     = 0x068 // u64 virtual address of the entry stack's top
	OffsetTrampoline   = 0x070 // u64 offset in the reservation of the trampoline's first instruction
	OffsetDirectMap    = 0x078 // u64 virtual address of physical address 0 in the direct map
	OffsetDirectMapEnd = 0x080 // u64 virtual end of the direct map
	OffsetWindow       = 0x088 // u64 virtual start of the kernel window
	OffsetWindowEnd    = 0x090 // u64 virtual end of the kernel window
	OffsetMemoryLimit  = 0x098 // u64 the Go runtime's memory limit in bytes
	OffsetGCPercent    = 0x0a0 // u32 GOGC
	OffsetZstdWindow   = 0x0a4 // u32 bytes
	OffsetCPUs         = 0x0a8 // u32 register slots in the panic area
	OffsetPagingLevels = 0x0ac // u32 levels of the host's page tables: 4 or 5
	OffsetTSCKilohertz = 0x0b0 // u64 counts per millisecond of TSC or CNTVCT, 0 if unknown
	OffsetTSC          = 0x0b8 // u64 the counter at OffsetWallClock
	OffsetWallClock    = 0x0c0 // i64 nanoseconds since 1970 UTC when arming, 0 if unknown
	OffsetSeed         = 0x0c8 // 32 bytes of randomness for the program, zeros if there is none
	OffsetSectionCount = 0x0e8 // u32 sections after the header
	OffsetSealCount    = 0x0ec // u32 seals in use at OffsetSeals
	OffsetConsole      = 0x0f0 // u64 physical address of the console's registers (arm64), 0 = none
	OffsetConduit      = 0x0f8 // u32 Conduit
	OffsetParts        = 0x200 // MaxParts slots of PartSlotSize bytes
	OffsetSeals        = 0x500 // MaxSeals slots of SealSlotSize bytes
)

// Slots of the part table. The slot of part p is at OffsetParts +
// p*PartSlotSize; a part that is not there is all zeros.
const (
	MaxParts         = 32
	PartSlotSize     = 24
	OffsetPartOffset = 0x00 // u64 in the reservation
	OffsetPartSize   = 0x08 // u64 bytes, a multiple of PageSize
	OffsetPartLength = 0x10 // u32 bytes in use; 0 = all
	OffsetPartAccess = 0x14 // u32 Access
)

// Slots of the first-stage seal table. The first seal is that of the block
// after its header; the header itself has OffsetHeaderCRC.
const (
	MaxSeals         = 32
	SealSlotSize     = 24
	OffsetSealOffset = 0x00 // u64 in the reservation
	OffsetSealLength = 0x08 // u64 bytes
	OffsetSealCRC    = 0x10 // u32 CRC-32C
	OffsetSealPart   = 0x14 // u32 Part
)

// Address space of the images that package kernel runs, the same for host and
// rescue program. On amd64 these are entries 128 to 159 and 160 of the
// top-level table (PML4), in the lower half because Go runs in ring 3 there; on
// arm64 both lie in the half that TTBR0 maps (48 bits).
const (
	// DirectMapBase is where physical address 0 is mapped.
	DirectMapBase uint64 = 0x4000_0000_0000
	// DirectMapLimit is the size of the direct map: the first physical address
	// that a host must not have to be dumped.
	DirectMapLimit uint64 = 16 << 40
	// KernelBase is where the one window for image, Go heap, mmap and stacks
	// begins: kernbase of the host's minidump.
	KernelBase uint64 = 0x5000_0000_0000
	// WindowSlack is what a window has beyond the size of the memory: the Go
	// runtime reserves about 1.2 GiB that it never touches.
	WindowSlack uint64 = 4 << 30
	// MaxWindow is the largest window: up to the end of the lower half.
	MaxWindow uint64 = 0x8000_0000_0000 - KernelBase
	// EntryStackTop is the top of the stack that an image is entered with.
	// Its pages lie below; below them and above it nothing is mapped.
	EntryStackTop uint64 = KernelBase + 0x10_0000
	// ImageBase is the lowest virtual address that an image may be linked at,
	// and LinkBase what `rescue build` gives the linker: the text follows the
	// ELF header's page (-T 0x500000411000).
	ImageBase uint64 = KernelBase + 0x20_0000
	LinkBase  uint64 = KernelBase + 0x41_0000
	// LinkText is the value for the linker's -T flag.
	LinkText uint64 = LinkBase + 0x1000
)
