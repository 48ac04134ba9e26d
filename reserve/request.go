package reserve

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Defaults of a Request.
const (
	DefaultRecordsSize    = 64 << 10
	DefaultPanicStackSize = 32 << 10
	DefaultISTStackSize   = 4 << 10 // each
	ISTStacks             = 3       // of every CPU: NMI, double fault, machine check
	entryStackSize        = 16 << 10
	maxRecords            = 16 << 20
	maxMetadata           = 16 << 20
)

// Request is what a plan is made of. The zero value of a field that does not
// say otherwise means that there is nothing of the kind.
type Request struct {
	// Reservation is the block of memory, as Find gave it.
	Reservation physmem.Range
	// Image is the rescue program. Required.
	Image *Image
	// Trampoline makes the hand-off code; nil = package trampoline's.
	Trampoline Trampoline

	// Memory is the host's RAM, which is dumped from. What of it lies in the
	// reservation is left out, and so are parts of pages. Required.
	Memory physmem.Ranges
	// Host is what a dump says about the host. Host.PageSize 0 = 4096.
	Host          handoff.Host
	DumpAvail     handoff.Region
	Bitmap        handoff.Region
	MessageBuffer handoff.Region
	Redactions    physmem.Ranges
	Targets       []handoff.Target

	// PCI is the memory-mapped configuration spaces of the machine.
	PCI []handoff.PCISpace

	// Environment for the rescue program; see handoff.Environment.Restrict.
	Environment handoff.Environment
	// Firmware are the tables for the rescue program, restricted to the
	// reservation where they say what memory is (package efi).
	Firmware []FirmwareTable

	// CPUs is the number of the host's CPUs; 0 = 1.
	CPUs int
	// PagingLevels of the host, 4 or 5; 0 = 4. With 5 the tables of amd64 get a
	// second root; those of arm64 have 4 in any case.
	PagingLevels int
	// GigabytePages says that the CPU has them (CPUID 80000001H EDX[26]); every
	// arm64 CPU has.
	GigabytePages bool

	// Calls is how console and firmware of an arm64 host are reached.
	Calls handoff.FirmwareCalls
	// Interrupts is memory that interrupt controllers use: the reservation must
	// not touch it.
	Interrupts []handoff.InterruptTable

	Clock handoff.Clock
	// Seed feeds the rescue program's random numbers.
	Seed [32]byte

	// Records is what the records area begins with; the rest is zeros.
	Records []byte
	// Sizes of parts in bytes; 0 = the default of that name.
	RecordsSize    uint64
	PanicStackSize uint64
	ISTStackSize   uint64

	// Limits for the rescue program; the zero value of each = from the size of
	// the program memory.
	Limits handoff.Limits
}

// FirmwareTable is one table to be handed over: Data that goes into the
// metadata part, or an Address.
type FirmwareTable struct {
	Kind      handoff.FirmwareKind
	Version   uint32
	EntrySize uint32
	Data      []byte
	Address   physmem.Address
}

// withDefaults is the request with every default filled in.
func (q Request) withDefaults() Request {
	set := func(v *uint64, d uint64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&q.RecordsSize, DefaultRecordsSize)
	set(&q.PanicStackSize, DefaultPanicStackSize)
	set(&q.ISTStackSize, DefaultISTStackSize)
	q.Redactions = physmem.NewRanges(q.Redactions...)
	q.CPUs = max(q.CPUs, 1)
	if q.Trampoline == nil {
		q.Trampoline = amd64Trampoline{}
		if q.Image != nil && q.Image.Architecture == handoff.ARM64 {
			q.Trampoline = arm64Trampoline{q.Calls.Conduit}
		}
	}
	if q.PagingLevels == 0 {
		q.PagingLevels = 4
	}
	if q.Host.PageSize == 0 {
		q.Host.PageSize = handoff.PageSize
	}
	if q.Host.CPUs == 0 {
		q.Host.CPUs = uint32(q.CPUs)
	}
	return q
}
