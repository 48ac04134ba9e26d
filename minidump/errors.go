package minidump

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// What callers decide on. All errors of this package that are about the
// content of a dump wrap one of them.
var (
	// ErrNotDump: the file is neither a FreeBSD minidump nor a full dump.
	ErrNotDump = errors.New("not a FreeBSD kernel dump")
	// ErrTruncated: the file ends inside of what opening it needs.
	ErrTruncated = errors.New("file is cut")
	// ErrDamaged: a structural rule of the format is broken.
	ErrDamaged = errors.New("damaged")
	// ErrUnsupported: a true dump, but of a form that is not read.
	ErrUnsupported = errors.New("not supported")
	// ErrTooLarge: a size in the file is beyond a limit of the reader.
	ErrTooLarge = errors.New("larger than the limit")

	// ErrNotInDumpAvail: the address is in none of the dump's ranges of
	// physical memory, so the machine never offered it for dumping.
	ErrNotInDumpAvail = errors.New("not in dump_avail")
	// ErrNotInBitmap: the page is memory, but its bit is clear.
	ErrNotInBitmap = errors.New("not in the page bitmap")
	// ErrBeyondEnd: the page should be in the file, which ends before it.
	ErrBeyondEnd = errors.New("beyond the end of the file")
	// ErrRecordedHole: the dump notes say that the page's content is not there.
	ErrRecordedHole = errors.New("recorded hole")

	// ErrNotKernelAddress: a virtual address below the kernel's window and
	// outside of its direct map.
	ErrNotKernelAddress = errors.New("not a kernel address")
	// ErrNotMapped: a virtual address that the page tables do not map.
	ErrNotMapped = errors.New("not mapped")
	// ErrNoPageTable: a full dump, and no page-table root is known.
	ErrNoPageTable = errors.New("no page-table root is known")
	// ErrNoMessageBuffer: the dump has none that could be found.
	ErrNoMessageBuffer = errors.New("no message buffer")
	// ErrNoNotes: the dump carries no dump notes.
	ErrNoNotes = errors.New("no dump notes")
)

// FormatError is a place in a file where a rule of its format is broken.
type FormatError struct {
	Section Section // the part of the file
	Offset  int64   // in the file
	Field   string  // the field or thing that is wrong
	Value   uint64  // what it holds
	Err     error   // ErrDamaged, ErrTruncated, ErrUnsupported, ErrTooLarge, or an I/O error
	Detail  string  // what was expected, or empty
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("%v at offset %#x: %s %#x: %v", e.Section, e.Offset, e.Field, e.Value, e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap returns the sentinel or the I/O error.
func (e *FormatError) Unwrap() error { return e.Err }

// UnsupportedError is a true dump that this package cannot read, or not in
// full. It is ErrUnsupported.
type UnsupportedError struct {
	Architecture Architecture
	What         string // "version 7", "virtual addresses", ...
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%v minidump: %s: %v", e.Architecture, e.What, ErrUnsupported)
}

// Unwrap returns ErrUnsupported.
func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }

// MissingError is physical memory that a dump does not have, and why.
//
// Err is ErrNotInDumpAvail, ErrNotInBitmap, ErrBeyondEnd or ErrRecordedHole.
// An address that is not in dump_avail is also physmem.ErrOutside.
type MissingError struct {
	Address physmem.Address // the first byte that is missing
	Err     error
	Bit     uint64     // of the page, where it is in dump_avail
	Offset  int64      // in the file, where it should be (ErrBeyondEnd)
	Reason  HoleReason // of the hole (ErrRecordedHole, ErrBeyondEnd), or 0
}

func (e *MissingError) Error() string {
	switch e.Err {
	case ErrNotInBitmap:
		return fmt.Sprintf("page of %v (bit %d): %v", e.Address, e.Bit, e.Err)
	case ErrBeyondEnd:
		return fmt.Sprintf("page of %v (bit %d, offset %#x): %v", e.Address, e.Bit, e.Offset, e.Err)
	case ErrRecordedHole:
		return fmt.Sprintf("page of %v: %v: %v", e.Address, e.Err, e.Reason)
	}
	return fmt.Sprintf("page of %v: %v", e.Address, e.Err)
}

// Unwrap returns the sentinel.
func (e *MissingError) Unwrap() error { return e.Err }

// Is makes an address outside of dump_avail an access outside of memory.
func (e *MissingError) Is(target error) bool {
	return target == physmem.ErrOutside && e.Err == ErrNotInDumpAvail
}
