package kerneldump

import (
	"fmt"
	"io"
)

// WriterOptions says where a dump goes and what it is.
type WriterOptions struct {
	Device     Device
	Size       int64 // of the device, in bytes
	SectorSize int   // 0 is 512

	// Reserved is how many bytes at the start of the device are not touched.
	// 0 is ReservedSize, a negative value none.
	Reserved int64

	// Extent is how many bytes to reserve for the dump: the exact length of an
	// uncompressed one. 0 takes all the room there is, for a dump whose length
	// is not known beforehand.
	Extent int64

	// KeyBlock is written between leading header and dump where the dump is
	// encrypted (package ekcd makes it). It is padded to a sector.
	KeyBlock []byte

	// Header has the facts that FreeBSD's header tells: architecture, time,
	// host, version, panic string, compression. Kind, Length, KeySize,
	// BlockSize, Extent and Incomplete are filled in.
	Header Header

	// Buffer stages what does not make up whole sectors and collects small
	// writes. Its length must be a multiple of the sector size; nil is 64 KiB.
	Buffer []byte

	// Checkpoint is after how many bytes of dump the leading header is
	// rewritten with the length so far, still marked incomplete. A cut
	// uncompressed dump is then known to reach there; a compressed one
	// describes itself. 0 is never.
	Checkpoint int64
}

// Writer writes one dump to a device, in the order that the package's
// documentation gives. It is not safe for concurrent use.
type Writer struct {
	device     Device
	layout     Layout
	header     Header
	key        []byte
	buffer     []byte // whole sectors
	sector     []byte // for headers
	buffered   int
	written    int64 // bytes of dump that were given to Write
	flushed    int64 // bytes of dump on the device, a multiple of the sector size
	checkpoint int64
	marked     int64 // length in the leading header
	exact      bool  // the extent is the dump's exact length
	begun      bool
	err        error
}

// NewWriter checks that the dump fits and prepares it. It neither reads nor
// writes the device, and all buffers are allocated here.
func NewWriter(o WriterOptions) (*Writer, error) {
	if o.SectorSize == 0 {
		o.SectorSize = 512
	}
	switch {
	case o.Reserved == 0:
		o.Reserved = ReservedSize
	case o.Reserved < 0:
		o.Reserved = 0
	}
	if !isSectorSize(o.SectorSize) {
		return nil, fmt.Errorf("sector size %d: must be a power of two from 512 to 64 KiB", o.SectorSize)
	}
	sector := int64(o.SectorSize)
	keySize := roundUp(int64(len(o.KeyBlock)), sector)
	if keySize > maxKeySize {
		return nil, fmt.Errorf("key block of %d bytes: %w", len(o.KeyBlock), ErrHeaderBounds)
	}
	layout, err := NewLayout(o.Size, o.SectorSize, o.Reserved, keySize, o.Extent)
	if err != nil {
		return nil, err
	}
	if o.Buffer == nil {
		o.Buffer = make([]byte, 64<<10)
	}
	if len(o.Buffer) == 0 || len(o.Buffer)%o.SectorSize != 0 {
		return nil, fmt.Errorf("buffer of %d bytes: not a multiple of the sector size %d", len(o.Buffer), o.SectorSize)
	}
	w := &Writer{device: o.Device, layout: layout, header: o.Header, buffer: o.Buffer, checkpoint: o.Checkpoint, exact: o.Extent != 0}
	w.key = make([]byte, keySize)
	w.sector = make([]byte, o.SectorSize)
	copy(w.key, o.KeyBlock)
	w.header.Kind = KindKernel
	w.header.Version = HeaderVersion
	w.header.KeySize = uint32(keySize)
	w.header.BlockSize = uint32(o.SectorSize)
	w.header.Extent = uint64(layout.Extent)
	return w, nil
}

// Layout is where the dump will lie.
func (w *Writer) Layout() Layout { return w.layout }

// Remaining is how many bytes Write can still take.
func (w *Writer) Remaining() int64 { return w.layout.Extent - w.written }

// Written is how many bytes of dump Write has taken.
func (w *Writer) Written() int64 { return w.written }

// Identity is the number of this dump, for the compressor's stream.
func (w *Writer) Identity() uint32 { return w.header.Identity() }

// Begin invalidates an older dump and writes the leading header and the key
// block. The first Write does it too.
func (w *Writer) Begin() error {
	if w.err != nil || w.begun {
		return w.err
	}
	w.begun = true
	old, oldErr := findTrailing(w.device, w.layout.Trailing+int64(w.layout.SectorSize), w.layout.SectorSize)
	clear(w.sector)
	if err := writeFull(w.device, w.sector, w.layout.Trailing, "invalidate old trailing header"); err != nil {
		return w.fail(err)
	}
	// An older dump whose data begins in the same place has to lose its head
	// before the new header vouches for what lies there.
	if err := writeFull(w.device, w.sector, w.layout.Data, "invalidate old dump"); err != nil {
		return w.fail(err)
	}
	if err := w.writeHeader(w.layout.Leading, "write leading header", 0, true); err != nil {
		return w.fail(err)
	}
	if oldErr == nil {
		if err := w.forget(old.Layout.Leading); err != nil {
			return w.fail(err)
		}
	}
	if err := w.forget(ReservedSize); err != nil { // of a cut dump that had all the room
		return w.fail(err)
	}
	if len(w.key) > 0 {
		if err := writeFull(w.device, w.key, w.layout.Key, "write key block"); err != nil {
			return w.fail(err)
		}
	}
	return nil
}

// forget overwrites a leading header of an older dump that the new one leaves
// alone, so that it is not found when the new dump is cut. It does nothing
// where there is none.
func (w *Writer) forget(at int64) error {
	if at < 0 || at >= w.layout.Trailing || at%int64(len(w.sector)) != 0 || at == w.layout.Leading {
		return nil
	}
	if readFull(w.device, w.sector, at, "read old leading header") != nil {
		return nil
	}
	h, err := ParseHeader(w.sector)
	if err != nil {
		return nil
	}
	size := w.layout.Trailing + int64(len(w.sector))
	if l, err := layoutOf(&h, size, len(w.sector)); err != nil || l.Leading != at {
		return nil // somebody else's bytes: Find does not take them for a dump either
	}
	clear(w.sector)
	return writeFull(w.device, w.sector, at, "invalidate old leading header")
}

// Write appends p to the dump. A p that does not fit any more is refused as a
// whole, so that what has been written ends where an earlier Write ended: with
// ErrNoSpace where the extent was given, and ErrTooBig where all the room was
// taken. Such a refusal does not end the Writer; a device's error does.
func (w *Writer) Write(p []byte) (n int, err error) {
	if err := w.Begin(); err != nil {
		return 0, err
	}
	if int64(len(p)) > w.Remaining() {
		reason := ErrTooBig
		if w.exact {
			reason = ErrNoSpace
		}
		return 0, &SpaceError{Need: uint64(w.written) + uint64(len(p)), Have: uint64(w.layout.Extent), Err: reason}
	}
	for n < len(p) {
		m, err := w.stage(p[n:])
		if err != nil {
			return n, w.fail(err)
		}
		n += m
		w.written += int64(m)
	}
	if w.checkpoint > 0 && w.flushed-w.marked >= w.checkpoint {
		if err := w.writeHeader(w.layout.Leading, "write checkpoint", w.flushed, true); err != nil {
			return n, w.fail(err)
		}
		w.marked = w.flushed
	}
	return n, nil
}

// stage takes some of p: whole sectors go to the device directly where nothing
// is staged, the rest by way of the buffer.
func (w *Writer) stage(p []byte) (n int, err error) {
	sector := w.layout.SectorSize
	if w.buffered == 0 && len(p) >= len(w.buffer) {
		n = len(p) / sector * sector
		err = w.writeBlocks(p[:n])
		return n, err
	}
	n = copy(w.buffer[w.buffered:], p)
	w.buffered += n
	if w.buffered == len(w.buffer) {
		err = w.writeBlocks(w.buffer)
		w.buffered = 0
	}
	return n, err
}

func (w *Writer) writeBlocks(b []byte) error {
	if err := writeFull(w.device, b, w.layout.Data+w.flushed, "write dump"); err != nil {
		return err
	}
	w.flushed += int64(len(b))
	return nil
}

// Flush writes what is staged, padded with zeros to a sector. The last,
// partial sector stays staged and is written again.
func (w *Writer) Flush() error {
	if err := w.Begin(); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *Writer) flush() error {
	sector := w.layout.SectorSize
	whole := w.buffered / sector * sector
	padded := int(roundUp(int64(w.buffered), int64(sector)))
	clear(w.buffer[w.buffered:padded])
	if padded == 0 {
		return nil
	}
	if err := writeFull(w.device, w.buffer[:padded], w.layout.Data+w.flushed, "write dump"); err != nil {
		return err
	}
	w.flushed += int64(whole)
	w.buffered = copy(w.buffer, w.buffer[whole:w.buffered])
	return nil
}

// Close writes what is staged, then the final leading header, and last the
// trailing header that makes the dump whole.
func (w *Writer) Close() error {
	if err := w.finish(false); err != nil {
		return err
	}
	if err := w.writeHeader(w.layout.Trailing, "write trailing header", w.written, false); err != nil {
		return w.fail(err)
	}
	w.err = ErrClosed
	return nil
}

// CloseIncomplete ends a dump that is not all there: the leading header tells
// its length and is marked incomplete, and no trailing header is written.
func (w *Writer) CloseIncomplete() error {
	if err := w.finish(true); err != nil {
		return err
	}
	w.err = ErrClosed
	return nil
}

// finish writes what is staged and the leading header.
func (w *Writer) finish(incomplete bool) error {
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.writeHeader(w.layout.Leading, "write leading header", w.written, incomplete); err != nil {
		return w.fail(err)
	}
	return nil
}

// writeHeader writes a header, padded to a sector.
func (w *Writer) writeHeader(at int64, operation string, length int64, incomplete bool) error {
	h := w.header
	h.Length, h.Incomplete = uint64(length), incomplete
	clear(w.sector)
	if _, err := h.AppendBinary(w.sector[:0]); err != nil {
		return err
	}
	return writeFull(w.device, w.sector, at, operation)
}

// fail keeps the first error: after it the device is in no known state.
func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

var _ io.Writer = (*Writer)(nil)
