package seekable

import (
	"errors"
	"fmt"
)

var (
	// ErrNotSeekable says that a file cannot be read at random: it is no zstd,
	// or it is one large frame, or a frame does not tell its content size.
	ErrNotSeekable = errors.New("not seekable zstd")

	// ErrDamaged says that a frame's bytes are not those that were written.
	ErrDamaged = errors.New("frame is damaged")

	// ErrRecord says that the record before a frame is damaged. The frame
	// itself may be whole.
	ErrRecord = errors.New("record before the frame is damaged")

	// ErrCut says that the file ends within a frame.
	ErrCut = errors.New("file ends within the frame")

	// ErrMissing says that no frame has these bytes: it was lost with its record.
	ErrMissing = errors.New("no frame has this content")

	// ErrSeekTable says that the seek table is missing or damaged: frames were
	// found by their records.
	ErrSeekTable = errors.New("no valid seek table")

	// ErrFrameTooLarge says that a frame's content is larger than
	// ReaderOptions.MaxFrame.
	ErrFrameTooLarge = errors.New("frame is too large")

	// ErrLimit says that WriterOptions.Limit is reached. What was written
	// before is whole, and Close still writes the seek table.
	ErrLimit = errors.New("limit of the compressed stream is reached")

	// ErrClosed says that a Writer was used after Close.
	ErrClosed = errors.New("seekable writer is closed")
)

// FrameError is a part of the file that is not as it should be, and what
// content it takes away.
type FrameError struct {
	Frame  int   // number of the frame, in the order of the content; -1 where none is known
	Offset int64 // in the file, of the frame, its record, or the seek table
	Start  int64 // content [Start, End) that is lost by it; empty if none is
	End    int64
	Err    error // one of the package's errors, or one of zstd's wrapped in ErrDamaged
}

func (e *FrameError) Error() string {
	name := "seekable zstd"
	if e.Frame >= 0 {
		name = fmt.Sprintf("frame %d", e.Frame)
	}
	if e.End > e.Start {
		return fmt.Sprintf("%s at file offset %#x: content [%#x, %#x): %v", name, e.Offset, e.Start, e.End, e.Err)
	}
	return fmt.Sprintf("%s at file offset %#x: %v", name, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FrameError) Unwrap() error { return e.Err }
