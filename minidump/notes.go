package minidump

import (
	"hash/crc32"
	"time"
)

// Notes are the dump notes: what the dumper knew that FreeBSD's format has no
// place for. They lie in pages of the dump itself, which other readers take
// for ordinary memory; NotesPointer on page 0 says where.
//
// # Format
//
// All numbers are little-endian. The notes begin with 32 bytes:
//
//	 0 u64 magic "RKDNOTES"
//	 8 u32 version, 1
//	12 u32 size of this header, 32; records begin there
//	16 u64 length in use: header and records
//	24 u32 number of records
//	28 u32 CRC-32C of bytes 0 to 27
//
// Records follow, each at a multiple of 8 bytes, zero-padded:
//
//	 0 u32 type
//	 4 u32 length of the body
//	 8 u32 CRC-32C of type, length and body
//	12 u32 0
//	16 body
//
// A reader skips records of types that it does not know. Bodies:
//
//	 1 CPU          u32 number, u32 flags, u64 time, u32 architecture
//	                (1 amd64, 2 arm64), u32 length of state, state
//	 2 fault record bytes, opaque here: a CBOR sequence (package record)
//	 3 build id     bytes
//	 4 host name    text
//	 5 version      text
//	 6 panic        text
//	 7 mark         u32 length of part, part, detail
//	 8 holes        u64 holes left out of the list, then for each hole
//	                u64 start, u64 end, u32 reason, u32 0
//	 9 cut          u32 reason, u32 0, u64 pages left out, detail
//	10 time         i64 nanoseconds since 1970-01-01 UTC
type Notes struct {
	CPUs        []CPUNote
	FaultRecord []byte // encoded by package record
	BuildID     []byte // of the host kernel
	HostName    string
	Version     string // the kernel's version string
	Panic       string // the panic message
	Time        time.Time
	Marks       []Mark
	Cut         *Cut

	// Holes are pages that are zero in the stream and not in truth.
	// HolesOmitted counts those that found no room in the list.
	Holes        []Hole
	HolesOmitted uint64

	// Unknown counts the records that DecodeNotes skipped.
	Unknown int
}

// CPUNote is the state of one CPU.
type CPUNote struct {
	Number       uint32 // the CPU's own: APIC ID, MPIDR affinity
	Flags        CPUFlags
	Time         uint64 // the counter when it was captured
	Architecture Architecture
	State        []byte // the wire layout of machdep/amd64.CPUState or machdep/arm64.CPUState
}

// CPUFlags say what is special about a CPU.
type CPUFlags uint32

const (
	// CPUPanicked marks the CPU that panicked.
	CPUPanicked CPUFlags = 1 << 0
	// CPUNotStopped marks a CPU that did not stop in time, so that its state
	// is what was last known.
	CPUNotStopped CPUFlags = 1 << 1
)

// Mark says that a part of the hand-off is not to be trusted, and was not
// used.
type Mark struct {
	Part   string // "environment", "metadata", ...
	Detail string // "seal broken", ...
}

// Cut says that the dump was made smaller on purpose.
type Cut struct {
	Reason CutReason
	Pages  uint64 // left out
	Detail string
}

// CutReason says why a dump was made smaller.
type CutReason uint32

const (
	// CutSize: the target, or a limit, has no room for all pages.
	CutSize CutReason = 1
	// CutTime: a deadline passed.
	CutTime CutReason = 2
	// CutRequest: somebody stopped it.
	CutRequest CutReason = 3
)

// String returns the reason in words.
func (r CutReason) String() string {
	switch r {
	case CutSize:
		return "no room"
	case CutTime:
		return "deadline passed"
	case CutRequest:
		return "stopped on request"
	}
	return "unknown reason"
}

// NotesVersion is the version of the notes' format that is written.
const NotesVersion = 1

// MaxNotesSize caps the notes that a reader takes in.
const MaxNotesSize = 16 << 20

const (
	notesMagic       = "RKDNOTES"
	notesHeaderSize  = 32
	recordHeaderSize = 16
	holeSize         = 24
)

// Types of records.
const (
	recordCPU         = 1
	recordFault       = 2
	recordBuildID     = 3
	recordHostName    = 4
	recordVersion     = 5
	recordPanic       = 6
	recordMark        = 7
	recordHoles       = 8
	recordCut         = 9
	recordTime        = 10
	recordCPUSize     = 24
	recordCutSize     = 16
	recordHolesPrefix = 8
)

// castagnoli is the polynomial of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)
