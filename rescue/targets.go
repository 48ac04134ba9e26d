package rescue

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
)

// ErrTarget says that a dump could not be written to a target: it comes as a
// *TargetError, and wraps what the label's reading said (package target).
var ErrTarget = errors.New("target cannot take a dump")

// TargetError is a target that Arm refuses.
type TargetError struct {
	Index  int // in Config.Targets
	Target handoff.Target
	Err    error
}

func (e *TargetError) Error() string { return fmt.Sprintf("target %d: %v", e.Index, e.Err) }

// Unwrap returns ErrTarget and the cause.
func (e *TargetError) Unwrap() []error { return []error{ErrTarget, e.Err} }

// Device is a target's disk, as the host's driver has it, for reading its label.
// One that is an io.Closer is closed afterwards.
type Device interface {
	io.ReaderAt
	Size() int64
}

// checkTargets reads the labels of the targets that are disks, and gives the
// targets with what the labels say.
func (a *arming) checkTargets() ([]handoff.Target, error) {
	targets := slices.Clone(a.Targets)
	if a.Devices == nil {
		return targets, nil
	}
	f := &a.facts
	e, err := estimate(a.memory, &f.Host, f.Bitmap, f.MessageBuffer, f.Map.RAM(), f.Architecture)
	if err != nil {
		return nil, err
	}
	for i := range targets {
		t := &targets[i]
		if t.Kind != handoff.TargetBlock {
			continue
		}
		if err := a.checkDisk(t, &e); err != nil {
			return nil, &TargetError{i, *t, err}
		}
	}
	return targets, nil
}

// checkDisk compares a target with its label, or completes it from there.
func (a *arming) checkDisk(t *handoff.Target, e *Estimate) (err error) {
	device, err := a.Devices(*t)
	if err != nil {
		return err
	}
	if c, ok := device.(io.Closer); ok {
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	label, err := target.Read(device, device.Size(), int64(t.Start))
	if err != nil {
		return err
	}
	read := *t
	read.Label, read.Length, read.DeviceSize = label.ID, uint64(label.Length), uint64(label.DeviceSize)
	if t.Label != ([16]byte{}) && t.Label != read.Label || t.Length != 0 && t.Length != read.Length || t.DeviceSize != 0 && t.DeviceSize != read.DeviceSize {
		return fmt.Errorf("label %v of %#x bytes on a device of %#x, want %v of %#x on one of %#x: %w", label.ID, read.Length, read.DeviceSize,
			target.ID(t.Label), t.Length, t.DeviceSize, target.ErrMismatch)
	}
	*t = read
	if room := uint64(label.Capacity()); room < e.Bytes && t.Flags&handoff.TargetTruncate == 0 {
		return fmt.Errorf("room for %d bytes, a dump would have %d now (handoff.TargetTruncate allows to cut it): %w", room, e.Bytes, target.ErrTooSmall)
	}
	return nil
}
