package handoff

import (
	"encoding/binary"
	"fmt"
)

// PanicMagic is what the panic area begins with: "RSCPANIC".
const PanicMagic uint64 = 0x43494e41_50435352

// Offsets in the panic area, the part that the host writes at panic time and
// the only one beside its stacks and the records. The host writes them with
// plain, naturally aligned little-endian stores. The state word is written
// last: what it announces is complete.
const (
	PanicOffsetMagic         = 0x000 // u64 PanicMagic, written when arming
	PanicOffsetVersion       = 0x008 // u32 1, written when arming
	PanicOffsetCPUs          = 0x00c // u32 register slots, written when arming
	PanicOffsetState         = 0x010 // u32 State
	PanicOffsetReason        = 0x014 // u32 Reason
	PanicOffsetCPU           = 0x018 // u32 number of the CPU that panicked
	PanicOffsetMessageLength = 0x01c // u32 bytes at PanicOffsetMessage
	PanicOffsetRoot          = 0x020 // u64 CR3 as it was; arm64 TTBR1_EL1
	PanicOffsetRootLower     = 0x028 // u64 arm64 TTBR0_EL1
	PanicOffsetVector        = 0x030 // u64 exception vector; arm64 ESR_EL1
	PanicOffsetErrorCode     = 0x038 // u64 exception error code
	PanicOffsetFaultAddress  = 0x040 // u64 CR2; arm64 FAR_EL1
	PanicOffsetPC            = 0x048 // u64 program counter of the panicking context
	PanicOffsetMessageBuffer = 0x050 // u64 bytes ever written to the message buffer
	PanicOffsetBrokenSeals   = 0x058 // u64 bit n: seal n of the header's table is broken; bit 63: the header
	PanicOffsetNested        = 0x060 // u32 panics on the panic path
	PanicOffsetNotStopped    = 0x064 // u32 CPUs that did not stop before the deadline
	PanicOffsetExitCode      = 0x068 // u64 code of exit_group, or number of the signal
	PanicOffsetStep          = 0x070 // u32 step of the panic path that was begun last, see package rescue
	PanicOffsetPhases        = 0x080 // MaxPhases u64 counter values (TSC, CNTVCT), indexed by Phase
	PanicOffsetTombstone     = 0x100 // 64 bytes about the second panic, offsets below
	PanicOffsetOrders        = 0x140 // what the panic path is to do, written when arming; offsets in panicorders.go
	PanicOffsetNotifiers     = 0x800 // MaxNotifiers slots, offsets in panicorders.go
	PanicOffsetMessage       = 0x1000
	PanicOffsetRegisters     = 0x2000 // one slot a CPU
)

// Offsets in the tombstone.
const (
	TombstoneOffsetReason       = 0x00 // u32 Reason, 0 = no second panic
	TombstoneOffsetCPU          = 0x04 // u32
	TombstoneOffsetPC           = 0x08 // u64
	TombstoneOffsetStack        = 0x10 // u64
	TombstoneOffsetFaultAddress = 0x18 // u64
	TombstoneOffsetVector       = 0x20 // u64
	TombstoneOffsetErrorCode    = 0x28 // u64
	TombstoneOffsetTime         = 0x30 // u64 counter
)

// Sizes in the panic area.
const (
	MaxPhases        = 16
	MaxMessage       = 4096
	MaxCPUs          = 256
	RegisterSlotSize = 2048
	MaxRegisters     = RegisterSlotSize - SlotOffsetState
)

// Offsets in a register slot. The state is the wire layout of
// machdep/amd64.CPUState or machdep/arm64.CPUState.
const (
	SlotOffsetValid  = 0x00 // u32 1 once the rest is complete
	SlotOffsetCPU    = 0x04 // u32 the CPU's own number: APIC ID, MPIDR affinity
	SlotOffsetTime   = 0x08 // u64 counter when it was captured
	SlotOffsetLength = 0x10 // u32 bytes of state
	SlotOffsetState  = 0x20
)

// PanicAreaSize is the size of a panic area for so many CPUs, in whole pages.
func PanicAreaSize(cpus int) uint64 {
	size := uint64(PanicOffsetRegisters) + uint64(cpus)*RegisterSlotSize
	return (size + PageSize - 1) &^ (PageSize - 1)
}

// State is how far the hand-off came.
type State uint32

// States, in the order they are reached. StateRefused and StateReset end the
// host's panic path without a hand-off.
const (
	StateArmed     State = 0 // nothing has happened
	StateEntered   State = 1 // the panic path runs; reason, CPU and message are there
	StateCaptured  State = 2 // registers, root and message buffer position are there
	StateSealed    State = 3 // the seals held; next is the trampoline
	StateEnteredGo State = 4 // the rescue program's main runs
	StateDone      State = 5 // the rescue program ended its work
	StateRefused   State = 6 // a seal was broken: no hand-off
)

// String names the state.
func (s State) String() string {
	names := [...]string{"armed", "panic path entered", "registers captured", "seals held", "rescue program running", "done", "hand-off refused"}
	if uint64(s) < uint64(len(names)) {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint32(s))
}

// Reason is why the host panicked.
type Reason uint32

// Reasons.
const (
	ReasonNone         Reason = 0
	ReasonCall         Reason = 1  // an explicit call of the panic function
	ReasonExit         Reason = 2  // exit_group with a code other than 0
	ReasonAbort        Reason = 3  // SIGABRT raised by the Go runtime
	ReasonUserFault    Reason = 4  // an exception in ring 3 or EL0 that nobody took
	ReasonKernelFault  Reason = 5  // an exception in ring 0 or EL1
	ReasonDoubleFault  Reason = 6  // #DF; arm64: a fault in a vector
	ReasonNMI          Reason = 7  // non-maskable interrupt
	ReasonMachineCheck Reason = 8  // #MC; arm64 SError
	ReasonMemory       Reason = 9  // no frame left
	ReasonWatchdog     Reason = 10 // a watchdog fired
)

// String names the reason.
func (r Reason) String() string {
	names := [...]string{"none", "explicit call", "exit", "abort", "fault in user mode", "fault in kernel mode", "double fault", "NMI", "machine check", "out of memory", "watchdog"}
	if uint64(r) < uint64(len(names)) {
		return names[r]
	}
	return fmt.Sprintf("reason %d", uint32(r))
}

// Phase is a place on the way whose time is stamped.
type Phase int

// Phases: slots of PanicOffsetPhases.
const (
	PhaseEntered    Phase = 0 // first instruction of the panic path
	PhaseCaptured   Phase = 1 // registers captured
	PhaseSealed     Phase = 2 // seals checked
	PhaseTrampoline Phase = 3 // about to jump
	PhaseEntry      Phase = 4 // the image's first instruction
	PhaseUser       Phase = 5 // first instruction in ring 3 or of Go
	PhaseRuntime    Phase = 6 // jump to the Go runtime's entry
	PhaseMain       Phase = 7 // main
	PhaseChecked    Phase = 8 // second-stage seals checked
	PhaseFirstWrite Phase = 9 // first data block handed to the target
	PhaseDone       Phase = 10
	PhaseRecorded   Phase = 11 // on the panic path again: the minimal record is complete
	PhaseStopped    Phase = 12 // the other CPUs stand still, or their time is over
	PhaseNotified   Phase = 13 // the notifiers that come before the hand-off are done
)

// AppendPanicArea appends an empty panic area for so many CPUs, as it is when
// arming, PanicAreaSize bytes.
func AppendPanicArea(dst []byte, cpus int) ([]byte, error) {
	if cpus < 1 || cpus > MaxCPUs {
		return dst, fmt.Errorf("panic area: %d CPUs, want 1 to %d", cpus, MaxCPUs)
	}
	start := len(dst)
	dst = append(dst, make([]byte, PanicAreaSize(cpus))...)
	area := dst[start:]
	binary.LittleEndian.PutUint64(area[PanicOffsetMagic:], PanicMagic)
	binary.LittleEndian.PutUint32(area[PanicOffsetVersion:], 1)
	binary.LittleEndian.PutUint32(area[PanicOffsetCPUs:], uint32(cpus))
	return dst, nil
}

// PanicArea is what the host wrote at panic time, decoded.
type PanicArea struct {
	State         State
	Reason        Reason
	CPU           uint32
	Message       string
	Root          uint64 // CR3, TTBR1_EL1
	RootLower     uint64 // TTBR0_EL1
	Vector        uint64
	ErrorCode     uint64
	FaultAddress  uint64
	PC            uint64
	MessageBuffer uint64 // bytes ever written to the message buffer
	BrokenSeals   uint64
	Nested        uint32
	NotStopped    uint32 // CPUs that did not stop before the deadline
	ExitCode      uint64
	Step          uint32 // of the panic path, the last that was begun
	Phases        [MaxPhases]uint64
	Tombstone     Tombstone
	Orders        PanicOrders
	Notifiers     []Notified  // those that were registered, and what came of them
	Registers     []Registers // of the CPUs whose slot is complete, in slot order
}

// Tombstone is what a second panic, on the panic path itself, left.
type Tombstone struct {
	Reason       Reason
	CPU          uint32
	PC           uint64
	Stack        uint64
	FaultAddress uint64
	Vector       uint64
	ErrorCode    uint64
	Time         uint64
}

// Registers is one CPU's slot.
type Registers struct {
	Slot  int
	CPU   uint32 // the CPU's own number
	Time  uint64
	State []byte // wire layout of the architecture's CPUState
}

// ParsePanicArea reads a panic area. Its writer was panicking: lengths are
// clamped to what there is, and slots that are not complete are left out.
// Only a wrong magic, version or size is an error.
func ParsePanicArea(area []byte) (*PanicArea, error) {
	if len(area) < PanicOffsetRegisters {
		return nil, fmt.Errorf("panic area of %d bytes, want at least %d: %w", len(area), PanicOffsetRegisters, ErrTruncated)
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(area[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(area[at:]) }
	if u64(PanicOffsetMagic) != PanicMagic {
		return nil, fmt.Errorf("panic area: magic %#x, want %#x: %w", u64(PanicOffsetMagic), PanicMagic, ErrMagic)
	}
	if u32(PanicOffsetVersion) != 1 {
		return nil, fmt.Errorf("panic area: version %d, want 1: %w", u32(PanicOffsetVersion), ErrVersion)
	}
	p := &PanicArea{
		State:         State(u32(PanicOffsetState)),
		Reason:        Reason(u32(PanicOffsetReason)),
		CPU:           u32(PanicOffsetCPU),
		Root:          u64(PanicOffsetRoot),
		RootLower:     u64(PanicOffsetRootLower),
		Vector:        u64(PanicOffsetVector),
		ErrorCode:     u64(PanicOffsetErrorCode),
		FaultAddress:  u64(PanicOffsetFaultAddress),
		PC:            u64(PanicOffsetPC),
		MessageBuffer: u64(PanicOffsetMessageBuffer),
		BrokenSeals:   u64(PanicOffsetBrokenSeals),
		Nested:        u32(PanicOffsetNested),
		NotStopped:    u32(PanicOffsetNotStopped),
		ExitCode:      u64(PanicOffsetExitCode),
		Step:          u32(PanicOffsetStep),
		Orders:        parseOrders(area[PanicOffsetOrders:]),
		Notifiers:     parseNotifiers(area),
	}
	for i := range p.Phases {
		p.Phases[i] = u64(PanicOffsetPhases + 8*i)
	}
	length := min(u32(PanicOffsetMessageLength), MaxMessage)
	p.Message = string(area[PanicOffsetMessage:][:length])
	p.Tombstone = parseTombstone(area[PanicOffsetTombstone:])
	slots := min(int(min(u32(PanicOffsetCPUs), MaxCPUs)), (len(area)-PanicOffsetRegisters)/RegisterSlotSize)
	for i := range slots {
		slot := area[PanicOffsetRegisters+i*RegisterSlotSize:][:RegisterSlotSize]
		if binary.LittleEndian.Uint32(slot[SlotOffsetValid:]) != 1 {
			continue
		}
		n := min(binary.LittleEndian.Uint32(slot[SlotOffsetLength:]), MaxRegisters)
		p.Registers = append(p.Registers, Registers{
			Slot:  i,
			CPU:   binary.LittleEndian.Uint32(slot[SlotOffsetCPU:]),
			Time:  binary.LittleEndian.Uint64(slot[SlotOffsetTime:]),
			State: append([]byte(nil), slot[SlotOffsetState:][:n]...),
		})
	}
	return p, nil
}

func parseTombstone(b []byte) Tombstone {
	return Tombstone{
		Reason:       Reason(binary.LittleEndian.Uint32(b[TombstoneOffsetReason:])),
		CPU:          binary.LittleEndian.Uint32(b[TombstoneOffsetCPU:]),
		PC:           binary.LittleEndian.Uint64(b[TombstoneOffsetPC:]),
		Stack:        binary.LittleEndian.Uint64(b[TombstoneOffsetStack:]),
		FaultAddress: binary.LittleEndian.Uint64(b[TombstoneOffsetFaultAddress:]),
		Vector:       binary.LittleEndian.Uint64(b[TombstoneOffsetVector:]),
		ErrorCode:    binary.LittleEndian.Uint64(b[TombstoneOffsetErrorCode:]),
		Time:         binary.LittleEndian.Uint64(b[TombstoneOffsetTime:]),
	}
}
