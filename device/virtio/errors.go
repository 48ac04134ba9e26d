package virtio

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
)

// Errors of a block device. They come wrapped, those of requests in a
// *RequestError.
var (
	// ErrMemory says that Options.Memory is too small or badly placed.
	ErrMemory = device.ErrRegion

	// ErrConfigChanges says that the device's configuration does not hold still.
	ErrConfigChanges = errors.New("the configuration changes while it is read")

	// ErrIO says that the device could not read or write its medium.
	ErrIO = errors.New("input/output error of the device")

	// ErrUnsupported says that the device does not know the request.
	ErrUnsupported = errors.New("not supported by the device")

	// ErrProtocol says that the device broke the rules of its rings. It is
	// reset and not used any more.
	ErrProtocol = errors.New("the device broke the protocol")

	// ErrNeedsReset says that the device has given up until it is reset.
	ErrNeedsReset = errors.New("the device needs a reset")

	// ErrReadOnly says that the device cannot be written.
	ErrReadOnly = errors.New("the device is read-only")

	// ErrAlignment says that a request is not of whole sectors.
	ErrAlignment = errors.New("not a multiple of the sector size")

	// ErrOutside says that a request goes beyond the device's end.
	ErrOutside = errors.New("beyond the end of the device")

	// ErrTooLarge says that Submit was given more than one request can hold.
	ErrTooLarge = errors.New("larger than one request can be")

	// ErrQueueFull says that all requests are in use: wait for one.
	ErrQueueFull = errors.New("as many requests as there can be")

	// ErrHandle says that a handle was waited for already, or never given.
	ErrHandle = errors.New("no such request")

	// ErrClosed says that the device was closed.
	ErrClosed = errors.New("the device is closed")
)

// Operation is what a request does.
type Operation uint32

// Operations.
const (
	Read  Operation = BlockTypeRead
	Write Operation = BlockTypeWrite
	Flush Operation = BlockTypeFlush
	GetID Operation = BlockTypeGetID
)

// String is the operation's name.
func (o Operation) String() string {
	switch o {
	case Read:
		return "read"
	case Write:
		return "write"
	case Flush:
		return "flush"
	case GetID:
		return "get id"
	}
	return fmt.Sprintf("operation %d", uint32(o))
}

// RequestError is a request that failed, or that could not be made.
type RequestError struct {
	Operation Operation
	Offset    int64 // bytes; of the one request that failed, where there were several
	Length    int64 // bytes
	Err       error
}

// Sectors are the sectors of 512 bytes that the request was for: the first, and
// the one behind the last.
func (e *RequestError) Sectors() (first, end int64) {
	return e.Offset / SectorUnit, (e.Offset + e.Length + SectorUnit - 1) / SectorUnit
}

func (e *RequestError) Error() string {
	if e.Operation != Read && e.Operation != Write {
		return fmt.Sprintf("virtio disk: %v: %v", e.Operation, e.Err)
	}
	first, end := e.Sectors()
	return fmt.Sprintf("virtio disk: %v sectors [%d, %d): %v", e.Operation, first, end, e.Err)
}

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }
