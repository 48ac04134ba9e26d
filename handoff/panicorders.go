package handoff

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Offsets at PanicOffsetOrders: what the panic path is to do, and what it
// measured. Functions are the addresses of Go func values.
const (
	OrderOffsetPatience    = 0x00  // u64 counter ticks that other CPUs have to stop in
	OrderOffsetLists       = 0x08  // u32 bit n: the notifiers of list n run before the hand-off
	OrderOffsetNotifiers   = 0x0c  // u32 slots in use
	OrderOffsetLoopLimit   = 0x10  // u32 panics in a row that are rescued; 0: any number
	OrderOffsetLoop        = 0x14  // u32 panics in a row with this one, written by the panic
	OrderOffsetStop        = 0x18  // u64 function PanicMachine.StopOthers, 0: there is none
	OrderOffsetGuard       = 0x20  // u64 function PanicMachine.Guard
	OrderOffsetPrint       = 0x28  // u64 function PanicMachine.Print
	OrderOffsetPat         = 0x30  // u64 function that pats the watchdog
	OrderOffsetTimer       = 0x38  // u32 1: Guard can end a function that hangs
	OrderOffsetLastPat     = 0x40  // u64 counter at the last pat
	OrderOffsetLongestGap  = 0x48  // u64 most counter ticks between two pats
	OrderOffsetRecords     = 0x50  // u64 where the host sees the records, 0: there are none
	OrderOffsetRecordSize  = 0x58  // u64 bytes
	OrderOffsetBudget      = 0x60  // u64 counter ticks for all notifiers of a list together
	OrderOffsetStarted     = 0x68  // u64 counter at the host's first instruction, 0: not known
	OrderOffsetSequence    = 0x70  // u64 number of the record, written by the panic
	OrderOffsetFields      = 0x78  // u64 where its fields are, likewise
	OrderOffsetBuildIDSize = 0x80  // u32
	OrderOffsetBuildID     = 0x84  // MaxOrderBuildID bytes of the host's build id
	OrderOffsetRamoops     = 0x100 // u64 where the host sees the zone of ramoops for this panic, 0: there is none
	OrderOffsetRamoopsSize = 0x108 // u64 bytes
	OrderOffsetClean       = 0x110 // u64 function PanicMachine.Clean, 0: there is no need for one
	OrdersSize             = 0x118
)

// MaxOrderBuildID is the most of a build id that a record has.
const MaxOrderBuildID = 124

// Notifier slots.
const (
	MaxNotifiers     = 32
	NotifierSlotSize = 64
	MaxNotifierName  = 16
)

// Offsets in a notifier slot.
const (
	NotifierOffsetFunction = 0x00 // u64 func(*Notice)
	NotifierOffsetBudget   = 0x08 // u64 counter ticks
	NotifierOffsetList     = 0x10 // u32 NotifierList
	NotifierOffsetItem     = 0x14 // u32 low 16 bits: Notice.Item; bit 16: it is free of loops
	NotifierOffsetOutcome  = 0x18 // u32 Outcome
	NotifierOffsetVector   = 0x1c // u32 exception that ended it: vector, error code from bit 16 on; arm64 ESR_EL1
	NotifierOffsetTime     = 0x20 // u64 counter ticks that it took
	NotifierOffsetPC       = 0x28 // u64 where it was ended
	NotifierOffsetName     = 0x30 // MaxNotifierName bytes, zeros behind
)

// NotifierLoopFree is the bit at NotifierOffsetItem that marks a notifier which
// ends by itself.
const NotifierLoopFree = 1 << 16

// NotifierList is the list that a notifier is in: each has one meaning.
type NotifierList uint32

// The lists, in the order in which they run. They are those that were proposed
// for Linux's panic notifiers.
const (
	ListHypervisor    NotifierList = 0 // tell hypervisor and firmware; little can go wrong
	ListInformational NotifierList = 1 // print what helps to find out
	ListPreReboot     NotifierList = 2 // what must be done before a reset
	ListPostReboot    NotifierList = 3 // what comes last, when all else is done
	NotifierLists                  = 4
)

// String names the list.
func (l NotifierList) String() string {
	names := [...]string{"hypervisor", "informational", "pre-reboot", "post-reboot"}
	if uint64(l) < uint64(len(names)) {
		return names[l]
	}
	return fmt.Sprintf("list %d", uint32(l))
}

// Outcome is what came of a notifier.
type Outcome uint32

// Outcomes.
const (
	OutcomeNone     Outcome = 0 // it was not called
	OutcomeBegun    Outcome = 1 // it was, and nothing is known of its end
	OutcomeDone     Outcome = 2
	OutcomeFaulted  Outcome = 3 // it was cut off by an exception
	OutcomeTimedOut Outcome = 4 // it was cut off when its time was over
	OutcomeSkipped  Outcome = 5 // nothing could have ended it, or the list's time was over
)

// String names the outcome.
func (o Outcome) String() string {
	names := [...]string{"not called", "begun", "done", "faulted", "timed out", "skipped"}
	if uint64(o) < uint64(len(names)) {
		return names[o]
	}
	return fmt.Sprintf("outcome %d", uint32(o))
}

// Notice is what a notifier is given. It is valid during the call.
type Notice struct {
	Context *PanicContext
	// Item is the number that the notifier was registered with.
	Item uint32
	// PanicArea is where the host sees the panic area.
	PanicArea uintptr
	// Output appends n bytes at p to the message buffer; nil where there is
	// none.
	Output func(p, n uintptr)
}

// PanicMachine is what a host's kernel lends the panic path. Its functions are
// functions of their package and not closures. They, and all that they call,
// are nosplit, allocate nothing, take no lock and write to nothing but the
// reservation, the message buffer and devices. Each may be nil.
type PanicMachine struct {
	// StopOthers stops every other CPU. Each saves its registers into its slot
	// of the panic area and stands still. After so many counter ticks it goes on
	// without those that did not: it returns how many they are.
	StopOthers func(patience uint64) (missing uint32)
	// Guard calls a func(*Notice) on a stack of its own and ends it when it
	// faults or, where there is a Timer, when it has run for more counter ticks
	// than its budget. It says where that was.
	Guard func(function uintptr, n *Notice, budget uint64) (o Outcome, vector uint32, pc uint64)
	// Timer says that Guard can end a function that hangs.
	Timer bool
	// Started is the counter at the host's first instruction, 0 if it is not
	// known.
	Started uint64
	// Print appends n bytes at p to the message buffer and keeps
	// PanicContext.MessageBuffer up to date.
	Print func(p, n uintptr)
	// Clean writes memory that the host sees at an address from the caches to
	// where it survives a reset: to the point of coherency. It is nil where caches
	// survive, too, as amd64's do.
	Clean func(address, bytes uintptr)
	// Inform is a notifier that prints the item of panic information that its
	// notice names; Items has a bit for each that it knows.
	Inform func(*Notice)
	Items  uint32
}

// PanicOrders are the orders of a panic area, decoded.
type PanicOrders struct {
	Patience   uint64 // counter ticks that other CPUs had to stop in
	Lists      uint32 // bit n: list n runs before the hand-off
	LoopLimit  uint32 // panics in a row that are rescued, 0: any number
	Loop       uint32 // panics in a row, with this one
	LastPat    uint64 // counter at the last pat of the watchdog, 0: there was none
	LongestGap uint64 // most counter ticks between two pats
}

// Notified is what came of a notifier, decoded.
type Notified struct {
	Name     string
	List     NotifierList
	LoopFree bool
	Outcome  Outcome
	Vector   uint32
	Time     uint64 // counter ticks
	PC       uint64 // where it was cut off
}

func parseOrders(b []byte) PanicOrders {
	return PanicOrders{
		Patience:   binary.LittleEndian.Uint64(b[OrderOffsetPatience:]),
		Lists:      binary.LittleEndian.Uint32(b[OrderOffsetLists:]),
		LoopLimit:  binary.LittleEndian.Uint32(b[OrderOffsetLoopLimit:]),
		Loop:       binary.LittleEndian.Uint32(b[OrderOffsetLoop:]),
		LastPat:    binary.LittleEndian.Uint64(b[OrderOffsetLastPat:]),
		LongestGap: binary.LittleEndian.Uint64(b[OrderOffsetLongestGap:]),
	}
}

// parseNotifiers reads the slots of a panic area; the count is clamped.
func parseNotifiers(area []byte) []Notified {
	count := min(binary.LittleEndian.Uint32(area[PanicOffsetOrders+OrderOffsetNotifiers:]), MaxNotifiers)
	var all []Notified
	for i := range int(count) {
		b := area[PanicOffsetNotifiers+i*NotifierSlotSize:][:NotifierSlotSize]
		name, _, _ := bytes.Cut(b[NotifierOffsetName:], []byte{0})
		all = append(all, Notified{
			Name:     string(name),
			List:     NotifierList(binary.LittleEndian.Uint32(b[NotifierOffsetList:])),
			LoopFree: binary.LittleEndian.Uint32(b[NotifierOffsetItem:])&NotifierLoopFree != 0,
			Outcome:  Outcome(binary.LittleEndian.Uint32(b[NotifierOffsetOutcome:])),
			Vector:   binary.LittleEndian.Uint32(b[NotifierOffsetVector:]),
			Time:     binary.LittleEndian.Uint64(b[NotifierOffsetTime:]),
			PC:       binary.LittleEndian.Uint64(b[NotifierOffsetPC:]),
		})
	}
	return all
}
