package handoff

import "github.com/seed64aab995/rescuekernel/physmem"

// HostFacts is what a host tells of itself when it arms.
type HostFacts struct {
	Architecture Architecture
	Host         Host
	// Map is the machine's memory. Its RAM is what a dump is made of.
	Map physmem.MemoryMap
	// Used is the RAM that a reservation must stay out of.
	Used physmem.Ranges

	// Root of the page tables when arming, and their levels: 4 or 5 on amd64.
	Root          physmem.Address
	PagingLevels  int
	GigabytePages bool // CPUID 80000001H EDX[26]: the CPU has leaves of 1 GiB

	// What the host keeps for a dump, in physical memory that does not move.
	DumpAvail     Region
	Bitmap        Region
	MessageBuffer Region

	Calls FirmwareCalls
	// Interrupts is memory that interrupt controllers use until the machine is
	// reset; a reservation stays out of it.
	Interrupts []InterruptTable

	Clock Clock
	// Seed is randomness for the rescue program; zeros where there is none.
	Seed [32]byte
	// ACPI is the address of the root pointer, 0 where there is none.
	ACPI physmem.Address
	// EFIMap is the memory map that boot services ended with, as they gave it;
	// EFISystem is where the system table is. Empty where there is no EFI.
	EFIMap               []byte
	EFIDescriptorSize    uint32
	EFIDescriptorVersion uint32
	EFISystem            physmem.Address
	// DeviceTree is the flattened device tree; empty where there is none.
	DeviceTree []byte

	// Panic is what the kernel lends the panic path.
	Panic PanicMachine
}

// MaxPanicMessage is the most of a message that a PanicContext holds. The whole
// text is in the host's message buffer.
const MaxPanicMessage = 240

// PanicContext is what a host's kernel knows when it panics. It lies in memory
// that is always mapped and holds no pointers, so that the panic path can read
// it whatever broke.
type PanicContext struct {
	Reason Reason
	Depth  uint32 // 1; 2 for a panic on the panic path. The third resets.
	CPU    uint32 // the CPU's own number: APIC ID, MPIDR affinity

	ExitCode      uint64 // ReasonExit: of exit_group; ReasonAbort: the signal
	Vector        uint64 // of an exception; arm64 ESR_EL1
	ErrorCode     uint64
	FaultAddress  uint64 // CR2; arm64 FAR_EL1
	PC            uint64 // of the panicking context
	Stack         uint64
	Root          uint64 // CR3; arm64 TTBR1_EL1
	RootLower     uint64 // arm64 TTBR0_EL1
	MessageBuffer uint64 // bytes ever written to the message buffer
	Entered       uint64 // the counter at the first instruction of the panic path

	MessageLength uint32
	Message       [MaxPanicMessage]byte

	// State is the panicking context's registers: the trapped one's for an
	// exception, the caller's otherwise; StateLength bytes of the wire layout of
	// machdep/amd64.CPUState or machdep/arm64.CPUState.
	StateLength uint32
	State       [MaxPanicState]byte

	// Second is the panic on the panic path. The fields above are the first's.
	Second SecondPanic
}

// SecondPanic is what is known of a panic on the panic path.
type SecondPanic struct {
	Reason       Reason
	CPU          uint32
	Vector       uint64
	ErrorCode    uint64
	FaultAddress uint64
	PC           uint64
	Stack        uint64
}

// MaxPanicState is the most that a PanicContext holds of registers.
const MaxPanicState = 1024

// PanicHandler is what a host's kernel does when it panics.
type PanicHandler struct {
	// Run is called on Stack, once for a panic and once more for a panic on its
	// own path (Depth 2), with Block and PanicArea: it goes on behind what
	// failed. The other CPUs still run, it stops them. It returns the physical
	// address of the trampoline to enter, or 0: then the kernel prints what it
	// knows and resets. It is a function of its package, not a closure, and it
	// and all that it calls are nosplit, allocate nothing, take no lock and touch
	// only memory that is mapped.
	Run       func(c *PanicContext, block, panicArea uintptr) physmem.Address
	Block     uintptr // where the host sees the reservation's block
	PanicArea uintptr // and its panic area

	// Physical memory; an empty range stands for a stack of the kernel's own.
	Stack             physmem.Range
	NMIStack          physmem.Range
	DoubleFaultStack  physmem.Range
	MachineCheckStack physmem.Range
	// OtherStacks are for the other CPUs, in the order in which they were
	// started, OtherStackSize bytes each, in whole pages. A CPU that finds none
	// left keeps those of its own.
	OtherStacks    physmem.Range
	OtherStackSize uint64

	// NMI makes a non-maskable interrupt a panic. Otherwise they are counted.
	NMI bool
}
