package record

// Version of the schema that is written.
const Version = 1

// ID tells one restart of a host from every other: 16 random bytes.
type ID [16]byte

// String is the identity in hexadecimal digits.
func (id ID) String() string {
	const digits = "0123456789abcdef"
	var text [32]byte
	for i, b := range id {
		text[2*i], text[2*i+1] = digits[b>>4], digits[b&15]
	}
	return string(text[:])
}

// Classes of records. A class is dotted: a filter for "host.fault" takes in all
// that are below it.
const (
	ClassPanic        = "host.fault.panic"         // an explicit panic, or one of the runtime
	ClassPage         = "host.fault.page"          // an access to memory that is not there
	ClassException    = "host.fault.exception"     // any other exception of the CPU
	ClassNMI          = "host.fault.nmi"           // a non-maskable interrupt
	ClassMachineCheck = "host.fault.machine_check" // the hardware broke; arm64: SError
	ClassMemory       = "host.fault.memory"        // no memory left
	ClassWatchdog     = "host.fault.watchdog"      // a watchdog fired
	ClassInjected     = "host.fault.injected"      // a test asked for it
	ClassUnknown      = "host.fault.unknown"       // faults that nobody could attribute: Count of them
	ClassTaskPanic    = "task.fault.panic"         // a task panicked and was restarted
	ClassTaskExit     = "task.fault.exit"          // a task ended that should not
	ClassTaskHang     = "task.fault.hang"          // a task was cut off by its deadline
	ClassTaskInjected = "task.fault.injected"      // a test asked for it
	ClassTaskUnknown  = "task.fault.unknown"       // faults of a task of which no more is known
	ClassLoss         = "record.loss"              // records were lost: Count of them
)

// Within reports whether a class is another or below it: "host.fault.page" is
// within "host.fault" and within "".
func Within(class, of string) bool {
	return of == "" || class == of || len(class) > len(of) && class[:len(of)] == of && class[len(of)] == '.'
}

// UnknownCount is the Count of a loss when nobody knows how much was lost.
const UnknownCount = ^uint64(0)

// NoCPU is the CPU of a record that belongs to none.
const NoCPU = ^uint32(0)

// Flags say what a record lacks.
type Flags uint32

const (
	// FlagMinimal marks a record of a panic that was not completed: the panic
	// path did not come that far.
	FlagMinimal Flags = 1 << 0
	// FlagMessageCut: the message was longer.
	FlagMessageCut Flags = 1 << 1
	// FlagNoRegisters: there was no room for the registers.
	FlagNoRegisters Flags = 1 << 2
	// FlagStackCut: there was more stack than room.
	FlagStackCut Flags = 1 << 3
	// FlagTraceCut: the trace was longer.
	FlagTraceCut Flags = 1 << 4
	// FlagNested marks the record of a panic on the panic path.
	FlagNested Flags = 1 << 5
)

// Record is a fault, or a loss of records. The zero value of a field says that
// it is not known; see the schema in the package's documentation.
type Record struct {
	RestartID  ID     // given by the Area
	Sequence   uint64 // given by the Area
	Time       int64  // nanoseconds since 1970 UTC
	Uptime     uint64 // nanoseconds since the restart
	CPU        uint32 // the CPU's own number, or NoCPU
	Class      string
	Source     string // who failed; the Area's name for it if empty
	Generation uint32 // how often the source had been restarted; of the host, its boots
	Flags      Flags
	Message    string
	BuildID    string

	// Of a fault of the CPU.
	Reason       uint32 // handoff.Reason
	Vector       uint64 // arm64 ESR_EL1
	ErrorCode    uint64
	FaultAddress uint64
	PC           uint64
	Stopped      uint32 // other CPUs that stopped
	NotStopped   uint32 // and those that did not

	Architecture Architecture
	Registers    []byte // wire layout of machdep/amd64.CPUState or machdep/arm64.CPUState
	StackAddress uint64 // of the first byte of Stack
	Stack        []byte // from the stack pointer up
	Trace        string // of a task: its calls, as text

	// Of a class that counts: how many, and the sequence number with which
	// counting began. A later record with the same RestartID, Source and First
	// replaces an earlier one.
	Count uint64
	First uint64
}

// Architecture is the one that registers are of; the numbers are those of
// minidump's CPU notes.
type Architecture uint32

// Architectures.
const (
	AMD64 Architecture = 1
	ARM64 Architecture = 2
)

// String names the architecture.
func (a Architecture) String() string {
	switch a {
	case AMD64:
		return "amd64"
	case ARM64:
		return "arm64"
	}
	return "unknown"
}
