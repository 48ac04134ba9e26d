package seekable

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// DefaultFrameSize is what is decoded for a random access. Of what the
// benchmarks say (one core of an AMD EPYC, content like a dump's), a page that
// is not in the cache takes 65 µs with frames of 64 KiB, 240 µs with 256 KiB
// and 850 µs with 1 MiB; the ratio is 3.60, 3.62 and 3.64, and the rate is the
// same within 5 %.
const DefaultFrameSize = 256 << 10

// MaxZeroRun is the most content that one frame of zeros holds, and the
// largest FrameSize.
const MaxZeroRun = 16 << 20

const minFrameSize = 4 << 10

// Level is how hard the encoder tries.
type Level int

// The levels of klauspost/compress, about zstd's 1, 3, 7 and 11.
const (
	LevelFastest Level = iota
	LevelDefault
	LevelBetter
	LevelBest
)

func (l Level) encoderLevel() zstd.EncoderLevel {
	return zstd.SpeedFastest + zstd.EncoderLevel(l)
}

// WriterOptions says how to compress. The zero value is right for a program
// with memory to spare and one core.
type WriterOptions struct {
	// FrameSize is how much content goes into a frame: a multiple of 4096 from
	// 4 KiB to MaxZeroRun. 0 is DefaultFrameSize.
	FrameSize int

	// Workers is how many frames are compressed at once. 0 and 1 compress in
	// the goroutine that calls, without any other. The bytes are the same.
	Workers int

	Level Level

	// WindowSize is how far back in a frame the encoder looks for matches: a
	// power of two from 1 KiB. 0 is the whole frame. Less takes less memory.
	WindowSize int

	// LowMemory lets the encoder's buffers grow from small ones. The bytes are
	// the same.
	LowMemory bool

	// Stream goes into each record. A writer onto a disk where an older stream
	// may lie gives each dump another number, or a reader of a dump that was
	// cut could take the older one's frames for its end.
	Stream uint32

	// Limit is how many bytes the compressed stream may have, seek table
	// included. Write then ends at a frame's end with ErrLimit. 0 is no limit.
	Limit int64

	// TableLimit is how many bytes the seek table may take in memory until
	// Close; it is about three for a frame. Where they do not do, the stream
	// ends without one, and readers go from record to record. 0 is no limit.
	TableLimit int
}

// fill puts the defaults in and checks.
func (o *WriterOptions) fill() error {
	if o.FrameSize == 0 {
		o.FrameSize = DefaultFrameSize
	}
	if o.FrameSize < minFrameSize || o.FrameSize > MaxZeroRun || o.FrameSize%minFrameSize != 0 {
		return fmt.Errorf("seekable zstd: frame size %d: must be a multiple of 4096 up to %d", o.FrameSize, MaxZeroRun)
	}
	if o.WindowSize == 0 {
		o.WindowSize = minFrameSize
		for o.WindowSize < o.FrameSize {
			o.WindowSize *= 2
		}
	}
	if o.Level < LevelFastest || o.Level > LevelBest {
		return fmt.Errorf("seekable zstd: unknown level %d", o.Level)
	}
	if o.Workers < 0 || o.Workers > 1024 {
		return fmt.Errorf("seekable zstd: %d workers", o.Workers)
	}
	if o.Limit < 0 || o.TableLimit < 0 {
		return fmt.Errorf("seekable zstd: negative limit")
	}
	o.Workers = max(o.Workers, 1)
	return nil
}

// maxCompressedSize is the most that n bytes of content take in a frame: they
// are then stored in blocks of 64 KiB at most, or 1 KiB with the smallest
// window, each with a header of three bytes.
func (o *WriterOptions) maxCompressedSize(n int) int {
	block := min(o.WindowSize, 64<<10)
	return n + (n/block+1)*3 + 32
}
