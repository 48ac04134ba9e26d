package kernel

import (
	"errors"
	"fmt"
)

// ErrNoEFI says that the machine was not booted by EFI.
var ErrNoEFI = errors.New("the machine was not booted by EFI")

var errEFIName = errors.New("too long")

// MaxEFIVariable is the most data of a variable. Firmware takes less.
const MaxEFIVariable = 64 << 10

// Attributes of variables (UEFI 2.10, 8.2.1).
const (
	EFIVariableNonVolatile = 1 << 0
	EFIVariableBoot        = 1 << 1 // boot services may access it; needed with the next
	EFIVariableRuntime     = 1 << 2

	EFIVariableDurable = EFIVariableNonVolatile | EFIVariableBoot | EFIVariableRuntime
)

// EFIStatus is what a runtime service returned (UEFI 2.10, appendix D). It is an
// error.
type EFIStatus uint64

// Statuses that callers may care for.
const (
	efiError = 1 << 63

	EFIInvalidParameter EFIStatus = efiError | 2
	EFIBufferTooSmall   EFIStatus = efiError | 5
	EFIWriteProtected   EFIStatus = efiError | 8
	EFIOutOfResources   EFIStatus = efiError | 9
	EFINotFound         EFIStatus = efiError | 14
)

func (s EFIStatus) Error() string {
	names := map[EFIStatus]string{
		EFIInvalidParameter: "invalid parameter", EFIBufferTooSmall: "buffer too small", EFIWriteProtected: "write protected",
		EFIOutOfResources: "out of resources", EFINotFound: "not found",
	}
	if name, ok := names[s]; ok {
		return "EFI: " + name
	}
	return fmt.Sprintf("EFI status %#x", uint64(s))
}
