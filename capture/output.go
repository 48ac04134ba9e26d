package capture

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container/seekable"
	"github.com/seed64aab995/rescuekernel/minidump"
)

const (
	minWindow = 32 << 10
	minFrame  = 64 << 10
	maxFrame  = 256 << 10
	// tableLimit is the memory that a seek table may take: that of 16 GiB of
	// content at the least. Beyond it readers go from record to record.
	tableLimit = 384 << 10
	// firstPages is how much of the host's pages the first block must hold to
	// count as such.
	firstPages = 64 << 10
)

// encoder is what stands between the dump and the sink.
type encoder interface {
	io.Writer
	Close() error
	ContentSize() int64
	CompressedSize() int64
}

// output is a dump on its way to one target.
type output struct {
	run     *run
	sink    sink
	attempt *Attempt
	encoder encoder
	frame   int64 // size of a frame
	offset  int64 // of the dump, given to the encoder
	pages   int64 // where the pages section begins
}

// stream writes the whole dump and ends it.
func (o *output) stream() error {
	d := o.run.dumper
	layout := d.Layout()
	o.pages = layout.Sections[minidump.SectionPages].Offset
	if err := o.open(); err != nil {
		return err
	}
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := d.WriteTo(o)
	closeErr := o.encoder.Close()
	if err == nil {
		err = closeErr
	}
	o.count(&layout)
	if err != nil && !isFull(err) {
		return err
	}
	if err := o.first(true); err != nil {
		return err
	}
	if err == nil {
		return o.sink.finish(true, o.run.update())
	}
	o.attempt.Cut = &minidump.Cut{Reason: minidump.CutSize, Pages: layout.Pages - o.attempt.Pages, Detail: "the target has no room for more"}
	return o.sink.finish(false, o.run.notes(o.attempt.Cut))
}

func isFull(err error) bool { return errors.Is(err, seekable.ErrLimit) }

// open makes the encoder.
func (o *output) open() error {
	room := o.sink.room()
	if o.run.host.Settings.Raw {
		o.frame = maxFrame
		page := int64(o.run.dumper.Header().PageSize)
		o.encoder = &rawEncoder{w: o.sink, room: room / page * page}
		return nil
	}
	window := int(o.run.host.Block.Limits.ZstdWindow)
	for window&(window-1) != 0 { // a power of two: drop the lower bits
		window &= window - 1
	}
	window = min(max(window, minWindow), 8<<20)
	frame := min(max(2*window, minFrame), maxFrame)
	options := seekable.WriterOptions{
		FrameSize: frame, WindowSize: min(window, frame), LowMemory: true,
		Stream: o.sink.stream(), TableLimit: tableLimit,
	}
	if memory := o.run.host.Block.Limits.Memory; memory != 0 {
		options.TableLimit = int(min(tableLimit, memory/16)) // of a small memory not too much
	}
	if room < unlimited {
		options.Limit = room
	}
	z, err := seekable.NewWriter(o.sink, options)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	o.encoder, o.frame = z, int64(frame)
	return nil
}

// Write takes the dump, a frame at a time.
func (o *output) Write(p []byte) (n int, err error) {
	for n < len(p) {
		piece := p[n:min(int64(len(p)), int64(n)+o.frame-o.offset%o.frame)]
		m, err := o.encoder.Write(piece)
		n += m
		o.offset += int64(m)
		if err != nil {
			return n, err
		}
		if err := o.progress(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// progress tells how far it is, when something was written.
func (o *output) progress() error {
	a := o.attempt
	content := o.encoder.ContentSize()
	if content == a.Content {
		return nil
	}
	a.Content, a.Compressed = content, o.encoder.CompressedSize()
	if err := o.first(false); err != nil {
		return err
	}
	if o.run.written && o.run.o.Progress != nil {
		o.run.o.Progress(a.Progress)
	}
	return nil
}

// first passes the first block with pages on without waiting for more.
func (o *output) first(end bool) error {
	if o.run.written || !end && o.attempt.Content < o.pages+firstPages {
		return nil
	}
	o.run.written = true
	if err := o.sink.flush(); err != nil {
		return err
	}
	if o.run.o.FirstWrite != nil {
		o.run.o.FirstWrite()
	}
	return nil
}

// count says what is in the target.
func (o *output) count(layout *minidump.Layout) {
	a := o.attempt
	a.Content, a.Compressed = o.encoder.ContentSize(), o.encoder.CompressedSize()
	a.Pages = min(uint64(max(a.Content-o.pages, 0)/layout.PageSize), layout.Pages)
}

// rawEncoder passes the dump on as it is, up to the room there is.
type rawEncoder struct {
	w       io.Writer
	room    int64
	written int64
}

func (r *rawEncoder) Write(p []byte) (int, error) {
	full := false
	if left := r.room - r.written; int64(len(p)) > left {
		p, full = p[:left], true
	}
	n, err := r.w.Write(p)
	r.written += int64(n)
	if err == nil && full {
		err = fmt.Errorf("%d bytes: %w", r.room, seekable.ErrLimit)
	}
	return n, err
}

func (r *rawEncoder) Close() error          { return nil }
func (r *rawEncoder) ContentSize() int64    { return r.written }
func (r *rawEncoder) CompressedSize() int64 { return r.written }
