package physmem

import (
	"errors"
	"fmt"
)

// ErrOutside says that an access was to addresses where there is no memory.
var ErrOutside = errors.New("outside of physical memory")

// Reader reads physical memory.
//
// ReadPhysical reads len(p) bytes from address on. It returns how many it
// read; fewer than len(p) come with an error, an *AccessError that names the
// range. It must not keep p, and it must be safe to call at the same time
// from several goroutines.
type Reader interface {
	ReadPhysical(p []byte, address Address) (n int, err error)
}

// Writer writes physical memory, under the rules of Reader. What is written
// is seen by every later read.
type Writer interface {
	WritePhysical(p []byte, address Address) (n int, err error)
}

// Memory is physical memory that can be read and written.
type Memory interface {
	Reader
	Writer
}

// Viewer is a Reader that can lend its memory without a copy.
//
// ViewPhysical returns the memory of r, or nil where it cannot be lent as one
// slice. The slice is read-only for the caller and valid for the life of the
// Viewer.
type Viewer interface {
	Reader
	ViewPhysical(r Range) []byte
}

// AccessError is a failed access to physical memory.
type AccessError struct {
	Operation string // "read" or "write"
	Range     Range  // what could not be accessed
	Err       error  // why: ErrOutside, or the error of what holds the memory
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%s physical memory %v: %v", e.Operation, e.Range, e.Err)
}

// Unwrap returns the cause.
func (e *AccessError) Unwrap() error { return e.Err }
