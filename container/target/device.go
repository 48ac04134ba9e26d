package target

import (
	"errors"
	"fmt"
	"io"
)

// Device is a disk as a driver gives it. Accesses are whole sectors at
// multiples of the sector size.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Size() int64
	SectorSize() int
	// Flush returns when all that was written is on the medium.
	Flush() error
}

// errBounds is an access that leaves the extent: nothing is written outside.
var errBounds = errors.New("outside of the extent")

// extent is the part of a device that a label names.
type extent struct {
	Device
	start, length int64
}

func (e *extent) Size() int64 { return e.length }

func (e *extent) check(operation string, n int, off int64) error {
	if off < 0 || off > e.length-int64(n) {
		return fmt.Errorf("%s %d bytes at %#x of an extent of %#x: %w", operation, n, off, e.length, errBounds)
	}
	return nil
}

func (e *extent) ReadAt(p []byte, off int64) (int, error) {
	if err := e.check("read", len(p), off); err != nil {
		return 0, err
	}
	return e.Device.ReadAt(p, e.start+off)
}

func (e *extent) WriteAt(p []byte, off int64) (int, error) {
	if err := e.check("write", len(p), off); err != nil {
		return 0, err
	}
	return e.Device.WriteAt(p, e.start+off)
}

// readFull reads all of p, or says why not.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %#x: %w", len(p), off, err)
}

// writeFull writes all of p, or says why not.
func writeFull(w io.WriterAt, p []byte, off int64) error {
	n, err := w.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write %d bytes at %#x: %w", len(p), off, err)
	}
	return nil
}
