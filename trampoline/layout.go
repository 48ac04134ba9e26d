package trampoline

//go:generate go run ./internal/generate/main

// Sizes of the parts in the reservation, both architectures.
const (
	// PageSize is the size of the code's page, which is aligned to it. The
	// page is not written after Patch and belongs under a seal.
	PageSize = 4096

	// StackSize is what the trampoline's stack needs: a few words, and an
	// interrupt frame.
	StackSize = 4096

	// Instructions is how many amd64's code executes at most, from the freeze
	// point to the jump into the image.
	Instructions = 55

	// InstructionsARM64 is the same for arm64's, from EL2 and with cache lines
	// of 64 bytes.
	InstructionsARM64 = 182

	// FreezePoint is the offset of the first instruction in the page.
	FreezePoint = 0
)

// Fields of amd64's page, by offset. internal/source has the same numbers.
const (
	amd64Stack      = 0x400 // u64 top of the trampoline's stack, physical
	amd64Root4      = 0x408 // u64 CR3 for 4 levels
	amd64Root5      = 0x410 // u64 CR3 for 5 levels
	amd64Block      = 0x418 // u64 RDI at the entry
	amd64BlockVA    = 0x420 // u64 RSI at the entry
	amd64EntryStack = 0x428 // u64 RSP at the entry
	amd64GDTR       = 0x430 // u16 limit, u64 base
	amd64IDTR       = 0x440 // u16 limit, u64 base
	amd64GDT        = 0x480 // descriptors, flat
	amd64IDT        = 0x500 // gates of vectors 0 to 18
)

// Fields of arm64's page, by offset, u64 each. internal/source has the same
// numbers.
const (
	arm64Root       = 0x400 // TTBR0_EL1
	arm64TCR        = 0x408 // TCR_EL1 without the size of physical addresses
	arm64Block      = 0x410 // X0 at the entry
	arm64BlockVA    = 0x418 // X1 at the entry
	arm64Entry      = 0x420
	arm64EntryStack = 0x428 // SP at the entry
	arm64MAIR       = 0x430
	arm64SCTLR      = 0x438
	arm64Vectors    = 0x800 // a table of exception vectors
)

// ARM64Free is where in arm64's page code of the user's may lie, up to the
// vectors: package bootimage has what runs before the hand-off there.
const (
	ARM64Free    = 0x600
	ARM64FreeEnd = arm64Vectors
)

// Selectors of amd64's descriptor table. They are Linux's, which some
// hypervisors expect.
const (
	CodeSelector = 0x10
	DataSelector = 0x18
)
