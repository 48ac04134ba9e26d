package capture

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/serial"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
)

// sink is a target as the stream sees it.
type sink interface {
	io.Writer
	// begin makes it ready, sections first.
	begin(early []target.Section) error
	// room is how many bytes it takes, stream their number.
	room() int64
	stream() uint32
	// flush passes on what is staged.
	flush() error
	// finish ends the dump. The sections of one that is not whole tell so.
	finish(whole bool, early []target.Section) error
}

// unlimited is the room of a target that has no end.
const unlimited = 1 << 62

// openSink opens the target t.
func (r *run) openSink(t handoff.Target) (sink, error) {
	switch t.Kind {
	case handoff.TargetBlock:
		return r.openDisk(t)
	case handoff.TargetSerial:
		if r.o.Serial == nil {
			return nil, ErrNoDriver
		}
		line, err := r.o.Serial(t)
		if err != nil {
			return nil, err
		}
		header := r.host.Header()
		return &serialSink{w: serial.NewWriter(line, header.Identity()), header: header}, nil
	}
	return nil, fmt.Errorf("target of kind %d: %w", t.Kind, ErrNoDriver)
}

func (r *run) openDisk(t handoff.Target) (sink, error) {
	if r.o.Disk == nil {
		return nil, ErrNoDriver
	}
	device, err := r.o.Disk(t)
	if err != nil {
		return nil, err
	}
	if t.Label == ([16]byte{}) {
		return nil, fmt.Errorf("no label was fixed when arming: %w", target.ErrNoLabel)
	}
	label, err := target.Read(device, device.Size(), int64(t.Start))
	if err != nil {
		return nil, err
	}
	if label.ID != t.Label || uint64(label.Length) != t.Length || uint64(label.DeviceSize) != t.DeviceSize {
		return nil, fmt.Errorf("label %v of %#x bytes on a device of %#x, fixed when arming was %v of %#x on one of %#x: %w",
			label.ID, label.Length, label.DeviceSize, target.ID(t.Label), t.Length, t.DeviceSize, target.ErrMismatch)
	}
	o := target.WriterOptions{Device: device, Label: label, Header: r.host.Header(), Time: r.host.PanicTime()}
	if r.host.Settings.Raw {
		o.Checkpoint = rawCheckpoint
	}
	w, err := target.NewWriter(o)
	if err != nil {
		return nil, err
	}
	return &diskSink{w}, nil
}

// rawCheckpoint is after how much of an uncompressed dump its header is told how
// far it has come: an uncompressed dump does not tell it itself.
const rawCheckpoint = 4 << 20

type diskSink struct{ *target.Writer }

func (s *diskSink) begin(early []target.Section) error { return s.Begin(early) }
func (s *diskSink) room() int64                        { return s.Room() }
func (s *diskSink) stream() uint32                     { return s.Stream() }
func (s *diskSink) flush() error                       { return s.Flush() }

func (s *diskSink) finish(whole bool, early []target.Section) error {
	if !whole {
		return s.CloseIncomplete(early)
	}
	if len(early) > 0 {
		if err := s.WriteEarly(early); err != nil && !errors.Is(err, target.ErrEarlyFull) {
			return err
		}
	}
	return s.Close()
}

type serialSink struct {
	w      *serial.Writer
	header kerneldump.Header
}

func (s *serialSink) Write(p []byte) (int, error) { return s.w.Write(p) }

func (s *serialSink) begin(early []target.Section) error {
	header, err := s.header.AppendBinary(nil)
	if err != nil {
		return err
	}
	return s.w.Begin(header, serialSections(early))
}

func serialSections(early []target.Section) []serial.Section {
	list := make([]serial.Section, 0, len(early))
	for _, e := range early {
		list = append(list, serial.Section{Kind: uint32(e.Kind), Address: e.Address, Data: e.Data})
	}
	return list
}

func (s *serialSink) room() int64    { return unlimited }
func (s *serialSink) stream() uint32 { return s.header.Identity() }
func (s *serialSink) flush() error   { return nil }

func (s *serialSink) finish(whole bool, early []target.Section) error {
	if err := s.w.SendSections(serialSections(early)); err != nil {
		return err
	}
	return s.w.Close(whole)
}
