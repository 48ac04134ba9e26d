package target

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// ErrEarlyFull says that the early record has no room for a section.
var ErrEarlyFull = errors.New("no room in the early record")

// WriterOptions says where a dump goes and what it is.
type WriterOptions struct {
	Device Device
	// Label is the extent's, as Read or a hand-off block told it.
	Label *Label
	// Header has the dump's facts, as kerneldump.WriterOptions wants them.
	Header kerneldump.Header
	// Time goes into the early record: nanoseconds since 1970 UTC.
	Time int64
	// Buffer stages the dump, see kerneldump.WriterOptions; nil is 64 KiB.
	Buffer []byte
	// Checkpoint is kerneldump.WriterOptions'.
	Checkpoint int64
}

// Writer writes one dump into a labelled extent, in the order that the package
// documentation gives. All is allocated by NewWriter. It is for one goroutine.
type Writer struct {
	device Device // the extent
	label  Label
	dump   *kerneldump.Writer
	head   earlyHead
	next   int64  // free place in the early record
	block  []byte // for the early record
	onDisk Device // the whole device
}

// NewWriter prepares a dump. It neither reads nor writes the device.
func NewWriter(o WriterOptions) (*Writer, error) {
	if err := o.Label.check(); err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if size := o.Device.Size(); size != o.Label.DeviceSize {
		return nil, fmt.Errorf("target: device of %#x, the label says %#x: %w", size, o.Label.DeviceSize, ErrMismatch)
	}
	if s := o.Device.SectorSize(); s < 1 || o.Label.SectorSize%s != 0 {
		return nil, fmt.Errorf("target: device with sectors of %d, the label says %d: %w", s, o.Label.SectorSize, ErrMismatch)
	}
	w := &Writer{onDisk: o.Device, label: *o.Label, device: o.Label.Extent(o.Device)}
	var err error
	w.dump, err = kerneldump.NewWriter(kerneldump.WriterOptions{
		Device: w.device, Size: w.label.Length, SectorSize: w.label.SectorSize, Reserved: w.label.DumpOffset(),
		Header: o.Header, Buffer: o.Buffer, Checkpoint: o.Checkpoint,
	})
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	w.block = make([]byte, blockSize)
	w.next = int64(len(w.block))
	w.head = earlyHead{stream: w.dump.Identity(), time: o.Time, label: w.label.ID}
	return w, nil
}

// Stream is the dump's number, for the compressor's stream.
func (w *Writer) Stream() uint32 { return w.dump.Identity() }

// Room is how many bytes Write can still take.
func (w *Writer) Room() int64 { return w.dump.Remaining() }

// Written is how many bytes of dump Write has taken.
func (w *Writer) Written() int64 { return w.dump.Written() }

// Begin checks that the label is still there, writes the early record's fault
// record, takes an older dump away, writes the leading header and the rest of the
// early record, and flushes: the fault record is there before anything of the dump
// is tried. After ErrNoLabel, ErrDamaged and ErrMismatch nothing was written.
func (w *Writer) Begin(early []Section) error {
	if err := w.checkLabel(); err != nil {
		return err
	}
	if len(early) > 0 && early[0].Kind == KindRecord {
		if err := w.WriteEarly(early[:1]); err != nil && !errors.Is(err, ErrEarlyFull) {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
		early = early[1:]
	}
	if err := w.dump.Begin(); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if err := w.WriteEarly(early); err != nil && !errors.Is(err, ErrEarlyFull) {
		return err
	}
	return w.flush()
}

// checkLabel compares the label on the device with the one that is expected.
func (w *Writer) checkLabel() error {
	l, err := Read(w.onDisk, w.label.DeviceSize, w.label.Start)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if l.ID != w.label.ID || l.Length != w.label.Length || l.SectorSize != w.label.SectorSize || l.EarlySize != w.label.EarlySize {
		return fmt.Errorf("target: label %v of %#x bytes, want %v of %#x: %w", l.ID, l.Length, w.label.ID, w.label.Length, ErrMismatch)
	}
	return nil
}

// WriteEarly adds sections to the early record, or replaces those of the same
// kind. A section that does not fit is left out: the error is then ErrEarlyFull,
// and the others are written.
func (w *Writer) WriteEarly(sections []Section) error {
	var full error
	for i := range sections {
		s := &sections[i]
		if int64(len(s.Data)) > w.label.EarlySize-w.next || len(w.head.entries) == MaxSections && w.head.find(s.Kind) < 0 {
			full = fmt.Errorf("target: %v of %d bytes, %d left: %w", s.Kind, len(s.Data), w.label.EarlySize-w.next, ErrEarlyFull)
			continue
		}
		if err := w.writeSection(s); err != nil {
			return fmt.Errorf("target: early record: %w", err)
		}
	}
	w.head.put(w.block)
	if err := writeFull(w.device, w.block[:w.label.SectorSize], w.label.EarlyOffset); err != nil {
		return fmt.Errorf("target: early record: %w", err)
	}
	return full
}

// find is the index of a kind's entry, or -1.
func (h *earlyHead) find(kind Kind) int {
	for i := range h.entries {
		if h.entries[i].kind == kind {
			return i
		}
	}
	return -1
}

// writeSection writes a section to the next free place.
func (w *Writer) writeSection(s *Section) error {
	e := entry{kind: s.Kind, crc: crc32.Checksum(s.Data, castagnoli), offset: w.next, length: int64(len(s.Data)), address: s.Address}
	whole := len(s.Data) / len(w.block) * len(w.block)
	if whole > 0 {
		if err := writeFull(w.device, s.Data[:whole], w.label.EarlyOffset+w.next); err != nil {
			return err
		}
	}
	if rest := s.Data[whole:]; len(rest) > 0 {
		clear(w.block[copy(w.block, rest):])
		if err := writeFull(w.device, w.block, w.label.EarlyOffset+w.next+int64(whole)); err != nil {
			return err
		}
	}
	w.next += roundUp(int64(len(s.Data)), int64(len(w.block)))
	if i := w.head.find(s.Kind); i >= 0 {
		w.head.entries[i] = e
	} else {
		w.head.entries = append(w.head.entries, e)
	}
	return nil
}

// Write appends p to the dump. One that does not fit is refused as a whole with
// kerneldump.ErrTooBig.
func (w *Writer) Write(p []byte) (int, error) { return w.dump.Write(p) }

// Flush writes what is staged.
func (w *Writer) Flush() error { return w.dump.Flush() }

func (w *Writer) flush() error {
	if err := w.device.Flush(); err != nil {
		return fmt.Errorf("target: flush: %w", err)
	}
	return nil
}

// Close makes the dump whole: all of it is on the medium before its final
// headers are.
func (w *Writer) Close() error {
	if err := w.settle(); err != nil {
		return err
	}
	if err := w.dump.Close(); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	return w.flush()
}

// CloseIncomplete ends a dump that is not all there: found by its leading
// header, which tells its length, and marked. The sections, notes that tell of
// the cut, replace those of the early record.
func (w *Writer) CloseIncomplete(early []Section) error {
	if err := w.settle(); err != nil {
		return err
	}
	if err := w.WriteEarly(early); err != nil && !errors.Is(err, ErrEarlyFull) {
		return err
	}
	if err := w.dump.CloseIncomplete(); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	return w.flush()
}

func (w *Writer) settle() error {
	if err := w.dump.Flush(); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	return w.flush()
}
