package kerneldump

import (
	"errors"
	"fmt"
)

var (
	// ErrNoDump says that a device holds no kernel dump, whole or cut.
	ErrNoDump = errors.New("no kernel dump")

	// ErrNotHeader says that bytes are not a kernel dump header at all: the
	// magic is none that FreeBSD writes.
	ErrNotHeader = errors.New("not a kernel dump header")

	// ErrParity says that a header's words do not XOR to zero: it is damaged.
	ErrParity = errors.New("parity of the kernel dump header is wrong")

	// ErrVersion says that a header has a version that is not 1 to 4.
	ErrVersion = errors.New("unknown version of the kernel dump header")

	// ErrHeaderBounds says that a header's sizes do not fit its device.
	ErrHeaderBounds = errors.New("kernel dump header does not fit the device")

	// ErrHeadersDiffer says that the leading header is not the twin of the
	// trailing one. savecore calls such a dump bad.
	ErrHeadersDiffer = errors.New("leading and trailing header differ")

	// ErrNoTrailingHeader says that only the leading header is there: the dump
	// was cut before it was finished, or its end was overwritten.
	ErrNoTrailingHeader = errors.New("no trailing header: the dump was cut")

	// ErrTooBig is FreeBSD's E2BIG: the dump does not fit the device, or a
	// compressed dump overran it.
	ErrTooBig = errors.New("dump does not fit the device")

	// ErrNoSpace is FreeBSD's ENOSPC: an uncompressed dump overran the extent
	// that was reserved for it.
	ErrNoSpace = errors.New("dump overran its extent")

	// ErrClosed says that a Writer was used after it was closed.
	ErrClosed = errors.New("kernel dump is closed")
)

// SpaceError is a dump that does not fit: ErrTooBig or ErrNoSpace with figures.
type SpaceError struct {
	Need uint64 // bytes that it would take
	Have uint64 // bytes that there are
	Err  error
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%v: %d bytes needed, %d there", e.Err, e.Need, e.Have)
}

// Unwrap returns ErrTooBig or ErrNoSpace.
func (e *SpaceError) Unwrap() error { return e.Err }

// DeviceError is a failed access to the device.
type DeviceError struct {
	Operation string // what was read or written: "write leading header"
	Offset    int64  // where on the device
	Size      int    // bytes
	Err       error
}

func (e *DeviceError) Error() string {
	return fmt.Sprintf("%s: %d bytes at offset %#x of the device: %v", e.Operation, e.Size, e.Offset, e.Err)
}

// Unwrap returns the device's own error.
func (e *DeviceError) Unwrap() error { return e.Err }
