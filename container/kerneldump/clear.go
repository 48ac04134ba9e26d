package kerneldump

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Device is what a dump is written to: a disk, an image, or an extent of one.
type Device interface {
	io.ReaderAt
	io.WriterAt
}

// Clear marks d as saved, as savecore does: the magic of its trailing header
// becomes "Cleared Kernel Dump", and nothing else changes. Of a dump that was
// salvaged by its leading header it is that one, so that it is not found again.
func Clear(device Device, d *Dump) error {
	at := d.Layout.Trailing
	if d.Problem != nil && d.Layout.Leading >= 0 {
		if ok, err := hasHeader(device, at); err != nil {
			return err
		} else if !ok {
			at = d.Layout.Leading
		}
	}
	sector := make([]byte, d.Layout.SectorSize) // devices take whole sectors only
	if err := readFull(device, sector, at, "read header to clear"); err != nil {
		return err
	}
	h, err := ParseHeader(sector)
	if err != nil {
		return fmt.Errorf("clear kernel dump: header at %#x: %w", at, err)
	}
	if h.Kind == KindCleared {
		return nil
	}
	clear(sector[:magicSize])
	putText(sector[:magicSize], magics[KindCleared])
	binary.BigEndian.PutUint32(sector[offsetParity:], 0)
	binary.BigEndian.PutUint32(sector[offsetParity:], parity(sector))
	return writeFull(device, sector, at, "clear header")
}

func hasHeader(r io.ReaderAt, at int64) (bool, error) {
	var b [HeaderSize]byte
	if err := readFull(r, b[:], at, "read trailing header"); err != nil {
		return false, err
	}
	_, err := ParseHeader(b[:])
	return err == nil, nil
}

// writeFull writes all of b, or says what it could not write.
func writeFull(w io.WriterAt, b []byte, off int64, operation string) error {
	n, err := w.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return &DeviceError{Operation: operation, Offset: off, Size: len(b), Err: err}
	}
	return nil
}
