package serial

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Section is something small that is sent ahead of the dump.
type Section struct {
	Kind    uint32
	Address uint64 // of the first byte in the host, where that means something
	Data    []byte
	// Damaged says that a receiver did not get all of it.
	Damaged bool
}

// Writer sends one dump. It holds one frame and allocates nothing once it is
// made. It is for one goroutine; text may go to the line between its calls.
type Writer struct {
	w        io.Writer
	stream   uint32
	sequence uint32
	sections uint32
	offset   uint64
	crc      uint32
	err      error
	buffer   [FrameSize]byte
}

// NewWriter makes a Writer onto a line. Each frame is one Write to it.
func NewWriter(w io.Writer, stream uint32) *Writer { return &Writer{w: w, stream: stream} }

// Written is how many bytes of content have been sent.
func (w *Writer) Written() int64 { return int64(w.offset) }

// send sends a frame with a payload.
func (w *Writer) send(f frame, payload []byte) error {
	if w.err != nil {
		return w.err
	}
	f.length, f.sequence, f.stream = len(payload), w.sequence, w.stream
	f.put(w.buffer[:])
	n := headerSize + copy(w.buffer[headerSize:], payload)
	binary.LittleEndian.PutUint32(w.buffer[n:], crc32.Checksum(payload, castagnoli))
	n += trailerSize
	m, err := w.w.Write(w.buffer[:n])
	if err == nil && m < n {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("serial: frame %d: %w", w.sequence, err)
		return w.err
	}
	w.sequence++
	return nil
}

// Begin sends what is said of the dump, MaxPayload bytes at most, and the
// sections.
func (w *Writer) Begin(header []byte, sections []Section) error {
	if len(header) > MaxPayload {
		return fmt.Errorf("serial: header of %d bytes, at most %d", len(header), MaxPayload)
	}
	for range startCopies {
		if err := w.send(frame{kind: kindStart}, header); err != nil {
			return err
		}
	}
	return w.SendSections(sections)
}

// SendSections sends sections; one of a kind that was sent before replaces it.
func (w *Writer) SendSections(sections []Section) error {
	for i := range sections {
		s := &sections[i]
		var b [sectionSize]byte
		le := binary.LittleEndian
		le.PutUint32(b[:], s.Kind)
		le.PutUint32(b[4:], crc32.Checksum(s.Data, castagnoli))
		le.PutUint64(b[8:], uint64(len(s.Data)))
		le.PutUint64(b[16:], s.Address)
		number := w.sections
		w.sections++
		if err := w.send(frame{kind: kindSection, section: number}, b[:]); err != nil {
			return err
		}
		for at := 0; at < len(s.Data); at += MaxPayload {
			p := s.Data[at:min(at+MaxPayload, len(s.Data))]
			if err := w.send(frame{kind: kindSectionData, offset: uint64(at), section: number}, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// Write sends content.
func (w *Writer) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:min(n+MaxPayload, len(p))]
		if err := w.send(frame{kind: kindData, offset: w.offset}, part); err != nil {
			return n, err
		}
		w.crc = crc32.Update(w.crc, castagnoli, part)
		w.offset += uint64(len(part))
		n += len(part)
	}
	return n, w.err
}

// Close ends the dump and says whether it is whole.
func (w *Writer) Close(whole bool) error {
	var b [endSize]byte
	le := binary.LittleEndian
	le.PutUint64(b[:], w.offset)
	le.PutUint32(b[8:], w.crc)
	if whole {
		le.PutUint32(b[12:], 1)
	}
	for range endCopies {
		if err := w.send(frame{kind: kindEnd, offset: w.offset}, b[:]); err != nil {
			return err
		}
	}
	w.err = ErrClosed
	return nil
}
