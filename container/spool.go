package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sync"
)

// SpoolOptions bounds a Spool. The zero value is right for most.
type SpoolOptions struct {
	Directory string // for the temporary file; "" is the system's
	Memory    int64  // bytes kept in memory before there is a file; 0 is 64 MiB
	Limit     int64  // the most that is decompressed; 0 is 1 TiB
}

// The defaults of SpoolOptions.
const (
	DefaultSpoolMemory = 64 << 20
	DefaultSpoolLimit  = 1 << 40
)

// ErrSpoolLimit says that a file decompresses to more than SpoolOptions.Limit.
var ErrSpoolLimit = errors.New("decompressed size exceeds the limit of the spool")

// spoolError is a temporary file that cannot be written or read.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return "spool: " + e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

func isSpoolError(err error) bool {
	var e *spoolError
	return errors.As(err, &e)
}

// Spool gives random access to a stream that can only be read from its start:
// it keeps what was read, in memory and beyond that in a temporary file, in
// which zero pages are holes. It reads as far as is asked for. It is safe for
// concurrent use.
type Spool struct {
	o    SpoolOptions
	ctx  context.Context
	mu   sync.Mutex
	r    io.Reader
	done func() // ends the decompressor, once

	memory []byte
	file   *os.File
	size   int64 // read so far
	buffer []byte
	err    error // io.EOF, or why the stream cannot be read on
}

// NewSpool makes a Spool of r. done, which may be nil, is called when r has
// been read to its end, or by Close.
func NewSpool(ctx context.Context, r io.Reader, done func(), o SpoolOptions) *Spool {
	if o.Memory == 0 {
		o.Memory = DefaultSpoolMemory
	}
	if o.Limit == 0 {
		o.Limit = DefaultSpoolLimit
	}
	if ctx == nil {
		ctx = context.Background()
	}
	return &Spool{o: o, ctx: ctx, r: r, done: done, buffer: make([]byte, 256<<10)}
}

// ReadAt reads bytes of the stream. Where it ends it gives io.EOF, and where it
// cannot be read on, why; what is before that stays readable.
func (s *Spool) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("spool: read %d bytes at offset %d", len(p), off)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.fill(off + int64(len(p)))
	if n = int(max(min(end-off, int64(len(p))), 0)); n > 0 {
		if s.file == nil {
			copy(p[:n], s.memory[off:])
		} else if m, err := s.readFile(p[:n], off); err != nil {
			return m, err
		}
	}
	if n < len(p) {
		return n, s.err
	}
	return n, nil
}

// readFile reads what has been written to the file; behind its end are zeros.
func (s *Spool) readFile(p []byte, off int64) (int, error) {
	n, err := s.file.ReadAt(p, off)
	if err == io.EOF {
		clear(p[n:])
		return len(p), nil
	}
	if err != nil {
		return n, &spoolError{err}
	}
	return n, nil
}

// ReadAll reads the stream to its end. The size is that of what could be read;
// the error is nil at the stream's own end.
func (s *Spool) ReadAll() (size int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size = s.fill(math.MaxInt64)
	if s.err == io.EOF {
		return size, nil
	}
	return size, s.err
}

// fill reads on until end, or to the end of the stream, and gives how far it is.
func (s *Spool) fill(end int64) int64 {
	for s.size < end && s.err == nil {
		if err := s.ctx.Err(); err != nil {
			s.fail(err)
			break
		}
		n, err := s.readPiece()
		if n > 0 && s.size+int64(n) > s.o.Limit {
			s.fail(fmt.Errorf("%w of %d bytes", ErrSpoolLimit, s.o.Limit))
			break
		}
		if keepErr := s.keep(s.buffer[:n]); keepErr != nil {
			s.fail(keepErr)
			break
		}
		if err != nil {
			s.fail(err)
		}
	}
	return s.size
}

// readPiece fills the buffer. Unlike io.ReadFull it leaves the stream's own
// io.ErrUnexpectedEOF apart from its end.
func (s *Spool) readPiece() (n int, err error) {
	for tries := 0; n < len(s.buffer) && err == nil; tries++ {
		var m int
		m, err = s.r.Read(s.buffer[n:])
		n += m
		if m > 0 {
			tries = 0
		} else if tries > 100 {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// fail ends reading.
func (s *Spool) fail(err error) {
	s.err = err
	s.buffer = nil
	if s.done != nil {
		s.done()
		s.done = nil
	}
}

// keep appends b.
func (s *Spool) keep(b []byte) error {
	if s.file == nil && s.size+int64(len(b)) <= s.o.Memory {
		s.memory = append(s.memory, b...)
		s.size += int64(len(b))
		return nil
	}
	if s.file == nil {
		if err := s.createFile(); err != nil {
			return err
		}
	}
	if err := s.writePages(b, s.size); err != nil {
		return err
	}
	s.size += int64(len(b))
	return nil
}

func (s *Spool) createFile() error {
	file, err := os.CreateTemp(s.o.Directory, "dump-*.spool")
	if err != nil {
		return &spoolError{err}
	}
	if runtime.GOOS != "windows" { // there an open file cannot be removed; Close does it
		_ = os.Remove(file.Name())
	}
	s.file = file
	if err := s.writePages(s.memory, 0); err != nil {
		return err
	}
	s.memory = nil
	return nil
}

// writePages writes b at off, but for pages of zeros.
func (s *Spool) writePages(b []byte, off int64) error {
	const page = 4096
	var zeros [page]byte
	for start, at := 0, 0; at < len(b); {
		end := min(at+page, len(b))
		zero := bytes.Equal(b[at:end], zeros[:end-at])
		if !zero {
			at = end
		}
		if (zero || at == len(b)) && start < at {
			if _, err := s.file.WriteAt(b[start:at], off+int64(start)); err != nil {
				return &spoolError{err}
			}
		}
		if zero {
			at = end
			start = at
		}
	}
	return nil
}

// Close drops what was kept.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(os.ErrClosed)
	s.memory, s.size = nil, 0
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if runtime.GOOS == "windows" {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	s.file = nil
	return err
}
