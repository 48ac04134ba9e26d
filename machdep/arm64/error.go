package arm64

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Why an address has no translation. A WalkError wraps one of these.
var (
	// ErrNotMapped says that an entry is not valid.
	ErrNotMapped = errors.New("not mapped")
	// ErrReservedBits says that an entry has bits set that must be clear.
	ErrReservedBits = errors.New("reserved bits set")
	// ErrOutsideMemory says that a table or a page is where no memory is, or
	// none that may be read.
	ErrOutsideMemory = errors.New("outside of memory")
	// ErrUnreadable says that a table is in memory but could not be read.
	ErrUnreadable = errors.New("table cannot be read")
	// ErrCycle says that an entry points to a table that the walk came through.
	ErrCycle = errors.New("cycle in page tables")
	// ErrNonCanonical says that an address is none that can be translated.
	ErrNonCanonical = errors.New("not a canonical address")
	// ErrUnsupported says that a kind of paging is not known here.
	ErrUnsupported = errors.New("unsupported paging")
	// ErrTooManyTables says that a Walk met more tables than it may.
	ErrTooManyTables = errors.New("too many page tables")
)

// WalkError says where a walk ended.
type WalkError struct {
	Virtual uint64          // the address that was to be translated
	Level   int             // of the entry
	Table   physmem.Address // in which the entry is; 0 in a minidump's section
	Index   int             // of the entry in the table or section
	Entry   Entry           // what was read; 0 if it could not be
	Err     error           // why
}

func (e *WalkError) Error() string {
	return fmt.Sprintf("translate %#x: %s %d of table %v is %v: %v",
		e.Virtual, LevelName(e.Level), e.Index, e.Table, e.Entry, e.Err)
}

// Unwrap returns the cause.
func (e *WalkError) Unwrap() error { return e.Err }

// unreadable is the cause for a table that err kept from being read.
func unreadable(err error) error {
	switch {
	case err == nil:
		return ErrUnreadable
	case errors.Is(err, physmem.ErrOutside):
		return fmt.Errorf("%w: %w", ErrOutsideMemory, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreadable, err)
}
