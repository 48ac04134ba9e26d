package savecore

import (
	"errors"
	"fmt"
)

var (
	// ErrCleared says that the dump on the device carries savecore's mark: it
	// was saved before.
	ErrCleared = errors.New("the dump was saved and cleared before")

	// ErrLittleSpace says that the crash directory's file system would be left
	// with less than Options.MinimumFree.
	ErrLittleSpace = errors.New("too little space in the crash directory")
)

// CutError says that a copy ended early. What it copied is kept.
type CutError struct {
	Path string // the file with what was copied
	Kept int64  // bytes of the dump that are in it
	Size int64  // bytes that the dump has
	Err  error  // why it ended
}

func (e *CutError) Error() string {
	return fmt.Sprintf("save to %s: kept the first %d of %d bytes: %v", e.Path, e.Kept, e.Size, e.Err)
}

// Unwrap returns what ended the copy.
func (e *CutError) Unwrap() error { return e.Err }
