package target

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

var (
	// ErrInUse says that a device holds something of others. It comes as an
	// *InUseError.
	ErrInUse = errors.New("the device is in use")
	// ErrTooSmall says that an extent has no room for a dump, or is not on its
	// device.
	ErrTooSmall = errors.New("the extent is too small")
)

// InUseError is what keeps Prepare from writing.
type InUseError struct {
	Content string // "an XFS file system"
	Start   int64  // where on the device it begins
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("there is %s at %#x: %v", e.Content, e.Start, ErrInUse)
}

// Unwrap returns ErrInUse.
func (e *InUseError) Unwrap() error { return ErrInUse }

// PrepareOptions says which extent becomes a dump target.
type PrepareOptions struct {
	ID         ID    // random, never twice the same. Required
	Size       int64 // of the device. Required
	SectorSize int   // 0 is 512
	// Start and Length are the extent; Length 0 is all that follows Start. Both
	// are taken to whole sectors, inward.
	Start, Length int64
	// Force writes whatever is there.
	Force bool
	Time  time.Time
}

// layOut is the label that o asks for.
func (o *PrepareOptions) layOut() (*Label, error) {
	if o.ID == (ID{}) {
		return nil, errors.New("prepare: no identity was given")
	}
	sector := int64(o.SectorSize)
	if sector == 0 {
		sector = 512
	}
	if sector < 512 || sector > blockSize || sector&(sector-1) != 0 {
		return nil, fmt.Errorf("prepare: sector size %d: must be a power of two from 512 to %d", sector, blockSize)
	}
	if o.Start < 0 || o.Length < 0 || o.Start > o.Size || o.Length > o.Size-o.Start {
		return nil, fmt.Errorf("prepare: extent %#x+%#x on a device of %#x: %w", o.Start, o.Length, o.Size, ErrTooSmall)
	}
	end := o.Size
	if o.Length > 0 {
		end = o.Start + o.Length
	}
	start := roundUp(o.Start, sector)
	length := end/sector*sector - start
	if length < MinimumSize {
		return nil, fmt.Errorf("prepare: extent of %#x bytes, at least %#x: %w", max(length, 0), MinimumSize, ErrTooSmall)
	}
	l := &Label{
		ID: o.ID, SectorSize: int(sector), Start: start, Length: length, DeviceSize: o.Size,
		EarlyOffset: LabelOffset + blockSize, EarlySize: EarlySize, Prepared: o.Time,
	}
	return l, l.check()
}

// Prepare makes an extent of a device a dump target: it writes the label, takes
// away what an older dump or early record left, and reads the label back. It
// refuses, with an *InUseError, a device or an extent that holds something
// (Content) unless it is forced to.
func Prepare(device kerneldump.Device, o PrepareOptions) (*Label, error) {
	l, err := o.layOut()
	if err != nil {
		return nil, err
	}
	if !o.Force {
		if err := checkUnused(device, l); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	empty := make([]byte, blockSize)
	label := make([]byte, 0, len(empty))
	if label, err = l.AppendBinary(label); err != nil {
		return nil, err
	}
	// The last sector goes first: a device that is shorter than it says fails
	// before anything was promised.
	for _, w := range []struct {
		p  []byte
		at int64
	}{
		{empty[:l.SectorSize], l.Start + l.Length - int64(l.SectorSize)},
		{empty, l.Leading()},
		{empty, l.Start + l.EarlyOffset},
		{label[:cap(label)], l.Start + LabelOffset},
	} {
		if err := writeFull(device, w.p, w.at); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	written, err := Read(device, o.Size, l.Start)
	if err != nil {
		return nil, fmt.Errorf("prepare: read back: %w", err)
	}
	if written.ID != l.ID {
		return nil, fmt.Errorf("prepare: read back %v, wrote %v: %w", written.ID, l.ID, ErrMismatch)
	}
	return written, nil
}

// checkUnused looks at the device and at the extent in it.
func checkUnused(r io.ReaderAt, l *Label) error {
	for _, part := range [][2]int64{{0, l.DeviceSize}, {l.Start, l.Length}} {
		found, err := Content(io.NewSectionReader(r, part[0], part[1]), part[1])
		if err != nil {
			return err
		}
		if found != "" {
			return &InUseError{Content: found, Start: part[0]}
		}
	}
	return nil
}
