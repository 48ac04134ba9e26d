package handoff

import (
	"errors"
	"fmt"
)

// Reasons why a block, a panic area or an environment is not accepted.
var (
	ErrMagic     = errors.New("not the magic number")
	ErrVersion   = errors.New("version not supported")
	ErrTruncated = errors.New("truncated")
	ErrChecksum  = errors.New("checksum does not match")
	ErrInvalid   = errors.New("invalid value")
	ErrTooLarge  = errors.New("too large")
)

// BlockError says what in a block is wrong.
type BlockError struct {
	Field string // the header field, section or list entry
	Err   error
}

func (e *BlockError) Error() string { return "hand-off block: " + e.Field + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *BlockError) Unwrap() error { return e.Err }

// invalid makes a *BlockError about a value that cannot be.
func invalid(field, format string, args ...any) error {
	return &BlockError{field, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)}
}
