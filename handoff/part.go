package handoff

import "fmt"

// Part names one part of the reservation. The numbers are the ABI: they are
// the slots of the header's part table.
type Part uint32

// The parts. What a part is not used for (a host image has no records) is not
// there: its size is zero.
const (
	PartBlock         Part = 0  // the hand-off block: header, sections
	PartPanicArea     Part = 1  // what the host writes at panic time; role host: the boot area
	PartRecords       Part = 2  // fault records and dump notes, opaque here
	PartTrampoline    Part = 3  // code of the trampoline, mapped at its physical address
	PartTrampolineRAM Part = 4  // its descriptor tables and stack, mapped likewise
	PartTables        Part = 5  // page tables, and frames for more of them
	PartEntryStack    Part = 6  // the stack that the image is entered with
	PartPanicStack    Part = 7  // the stack of the host's panic path
	PartISTStacks     Part = 8  // the host's stacks for NMI, double fault, machine check
	PartEnvironment   Part = 9  // key=value strings; role host: its command line
	PartMetadata      Part = 10 // memory map, EFI map, FDT; role host: its first module
	PartImage         Part = 11 // the image's file-backed pages in link order
	PartBitmap        Part = 12 // snapshot of the host's page bitmap
	PartIndex         Part = 13 // the dumper's rank index
	PartProgram       Part = 14 // free frames: heap, stacks, demand-zero pages
	partCount              = 15
)

var partNames = [partCount]string{
	"hand-off block", "panic area", "records", "trampoline", "trampoline data",
	"page tables", "entry stack", "panic stack", "IST stacks", "environment",
	"metadata", "image", "bitmap snapshot", "index", "program memory",
}

// String is the part's name as reports and marks in dumps have it.
func (p Part) String() string {
	if p < partCount {
		return partNames[p]
	}
	return fmt.Sprintf("part %d", uint32(p))
}

// Offset is the part's slot in the header.
func (p Part) slot() int { return OffsetParts + int(p)*PartSlotSize }

// Access says what may be done with a part's memory. Every part can be read.
type Access uint32

// Access bits. A part never has both Write and Execute.
const (
	AccessWrite      Access = 1 << 0 // the rescue program may write it
	AccessExecute    Access = 1 << 1 // some of it is run
	AccessHostWrite  Access = 1 << 2 // the host may write it while armed
	AccessSupervisor Access = 1 << 3 // not mapped for ring 3 at its identity address
	AccessIdentity   Access = 1 << 4 // mapped also at VA = PA
	accessKnown             = AccessWrite | AccessExecute | AccessHostWrite | AccessSupervisor | AccessIdentity
)

// String lists the bits: "write, host write".
func (a Access) String() string {
	names := [...]string{"write", "execute", "host write", "supervisor", "identity"}
	text := "read"
	for i, name := range names {
		if a&(1<<i) != 0 {
			text += ", " + name
		}
	}
	return text
}

// Extent is one part's place in the reservation.
type Extent struct {
	Offset uint64 // from the start of the reservation
	Size   uint64 // a multiple of PageSize; 0 = there is no such part
	Length uint32 // bytes in use from Offset on; 0 = all of them
	Access Access
}

// End is the offset of the first byte after the part.
func (e Extent) End() uint64 { return e.Offset + e.Size }

// Used is the number of bytes in use.
func (e Extent) Used() uint64 {
	if e.Length != 0 {
		return uint64(e.Length)
	}
	return e.Size
}
