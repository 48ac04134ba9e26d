package kernel

import (
	"errors"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrNotRunning says that the program runs under an operating system and not
// under this kernel.
var ErrNotRunning = errors.New("the program does not run on package kernel")

// ErrNoMemory says that no frame, or no address space, is left.
var ErrNoMemory = errors.New("out of memory")

// ErrInUse says that memory that was asked for is not free.
var ErrInUse = errors.New("memory is in use")

// BootInfo is what the kernel was booted with.
type BootInfo struct {
	Role        handoff.Role
	Protocol    handoff.BootProtocol // role host: who booted it
	CommandLine string
	Modules     []Module
	RSDP        physmem.Address // ACPI's root pointer, 0 if it was not said
	DeviceTree  physmem.Range   // the flattened device tree, which stays where it is; arm64
	// EFISystem and EFIRuntime are where EFI's system table and its runtime services
	// are, 0 if firmware was none of EFI. Boot services have ended; memory of
	// runtime services is left alone, and SetVirtualAddressMap was not called.
	EFISystem, EFIRuntime physmem.Address
	// Map is the firmware's memory map as it came, sorted: types are E820's.
	Map []MapEntry
	// Reservation is the physical memory that block, image and tables lie in.
	Reservation physmem.Range
	// Block is the hand-off block (package handoff parses it). It is not a copy
	// and must not be written.
	Block []byte
}

// Module is a file that the boot loader put into memory. Its memory stays out
// of the allocator until Release.
type Module struct {
	Range       physmem.Range
	CommandLine string
}

// MapEntry is one range of the firmware's memory map.
type MapEntry struct {
	Range physmem.Range
	Type  uint32 // of E820: 1 is RAM
}

// Clock says what the kernel's clock counts.
type Clock struct {
	Kilohertz uint64 // of the CPU's counter
	Source    string // where that number is from
	Entry     uint64 // the counter at the image's first instruction
}

// Statistics are counters since the kernel's entry.
type Statistics struct {
	PageFaults    uint64 // that made pages
	Spurious      uint64 // whose page was there already
	Signals       uint64 // exceptions given to the Go runtime
	SystemCalls   uint64
	Switches      uint64 // of threads
	Flushes       uint64 // of the whole TLB
	NMIs          uint64
	Idle          uint64 // nanoseconds
	FramesTotal   uint64 // when main's runtime was entered
	FramesFree    uint64
	FramesLeast   uint64 // the fewest that were ever free
	PageTables    uint64 // frames made into page tables by the kernel
	WindowMapped  uint64 // bytes of the kernel window in use, most of it only reserved
	EntryToUser   uint64 // nanoseconds from the first instruction to ring 3
	EntryToStart  uint64 // and to the Go runtime's entry
	ConsoleLost   uint64 // bytes that the serial line did not take in time
	MessageBuffer uint64 // bytes ever written to the message buffer
}
