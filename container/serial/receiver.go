package serial

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrClosed says that a Writer was used after Close.
var ErrClosed = errors.New("serial writer is closed")

// The most that a receiver believes.
const (
	maxContent  = 1 << 44
	maxSection  = 16 << 20
	maxSections = 64
	maxLost     = 1 << 20
)

// Receiver takes a line apart. It is an io.Writer of all that comes in, in
// pieces of any size; what is content goes to the output at its place. It is
// for one goroutine.
type Receiver struct {
	output  io.WriterAt
	text    textWriter
	buffer  []byte // what has not been decided on
	report  Report
	started bool // the stream is known
	next    int64
	crc     uint32
	inOrder bool // crc is that of all content so far
	section map[uint32]*incoming
	order   []uint32
	err     error
}

// incoming is a section on its way.
type incoming struct {
	Section
	crc  uint32
	bits []bool // which pieces are there
}

// Lost is content that did not arrive: [Start, End).
type Lost struct{ Start, End int64 }

// Report is what a Receiver has found.
type Report struct {
	Stream   uint32
	Header   []byte // what the sender said of the dump; nil if it was lost
	Sections []Section
	// Size of the content: as the sender said, or where EndSeen is false up to
	// the last byte that arrived.
	Size    int64
	EndSeen bool
	Whole   bool // the sender said that the dump is whole
	Lost    []Lost
	// LostOmitted counts ranges that found no room in the list.
	LostOmitted uint64
	// Mismatch says that all content arrived and its checksum is wrong.
	Mismatch bool

	Frames     uint64 // that were good
	LostFrames uint64 // by their sequence numbers
	Damaged    uint64 // frames with a wrong checksum
	Repeated   uint64 // frames that came again
	Others     uint64 // frames of other streams
	Garbage    uint64 // bytes that are neither frames nor text
	nextNumber uint32
}

// Complete reports whether the dump is whole and all of it arrived.
func (r *Report) Complete() bool {
	return r.EndSeen && r.Whole && len(r.Lost) == 0 && r.LostOmitted == 0 && !r.Mismatch
}

// LostBytes is how much content is known to be lost.
func (r *Report) LostBytes() (n int64) {
	for _, l := range r.Lost {
		n += l.End - l.Start
	}
	return n
}

// NewReceiver makes a Receiver. The text between frames goes to text, line by
// line, unless it is nil.
func NewReceiver(output io.WriterAt, text io.Writer) *Receiver {
	return &Receiver{output: output, text: textWriter{w: text}, inOrder: true, section: map[uint32]*incoming{}}
}

// Started reports whether a frame has arrived.
func (r *Receiver) Started() bool { return r.started }

// Done reports whether the end of the dump has arrived.
func (r *Receiver) Done() bool { return r.report.EndSeen }

// Received is how much content has arrived up to the last byte.
func (r *Receiver) Received() int64 { return r.next }

// Write takes bytes in. It fails only where the output does.
func (r *Receiver) Write(p []byte) (int, error) {
	r.buffer = append(r.buffer, p...)
	r.take(false)
	if r.err != nil {
		return 0, r.err
	}
	return len(p), nil
}

// Finish says that nothing more will come, and returns the report.
func (r *Receiver) Finish() (*Report, error) {
	r.take(true)
	r.text.end()
	r.close()
	return &r.report, r.err
}

// take decides on as much of the buffer as it can; at the end on all of it.
func (r *Receiver) take(end bool) {
	b := r.buffer
	for len(b) > 0 && r.err == nil {
		i := bytes.Index(b, []byte(magic))
		if i != 0 {
			n := len(b)
			if i > 0 {
				n = i
			} else if !end {
				n -= partial(b)
			}
			r.text.take(b[:n])
			b = b[n:]
			if i < 0 {
				break
			}
			continue
		}
		n, ok := r.takeFrame(b, end)
		if !ok {
			break
		}
		b = b[n:]
	}
	r.buffer = append(r.buffer[:0], b...)
	r.report.Garbage = r.text.garbage
}

// partial is how many bytes at the end of b may be the start of a frame.
func partial(b []byte) int {
	for n := min(len(magic)-1, len(b)); n > 0; n-- {
		if string(b[len(b)-n:]) == magic[:n] {
			return n
		}
	}
	return 0
}

// takeFrame takes the frame at the start of b, or one byte of what only looks
// like one. It is not ok where more has to come first.
func (r *Receiver) takeFrame(b []byte, end bool) (n int, ok bool) {
	short := func() (int, bool) {
		if end {
			r.report.Damaged++
			r.text.skip(1)
		}
		return 1, end
	}
	if len(b) < headerSize {
		return short()
	}
	f, good := parseFrame(b)
	if !good {
		r.report.Damaged++
		r.text.skip(1)
		return 1, true
	}
	n = headerSize + f.length + trailerSize
	if len(b) < n {
		return short()
	}
	payload := b[headerSize : n-trailerSize]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(b[n-trailerSize:]) {
		// Bytes were lost in it: the next frame may begin within.
		r.report.Damaged++
		r.text.skip(headerSize)
		return headerSize, true
	}
	r.text.resume()
	r.accept(f, payload)
	return n, true
}

// accept takes a good frame.
func (r *Receiver) accept(f frame, payload []byte) {
	if !r.started {
		r.started, r.report.Stream = true, f.stream
		r.report.nextNumber = 0
	}
	if f.stream != r.report.Stream || r.report.EndSeen {
		if f.stream != r.report.Stream {
			r.report.Others++
		}
		return
	}
	r.report.Frames++
	if f.sequence < r.report.nextNumber {
		r.report.Repeated++
		r.report.Frames--
		return
	}
	r.report.LostFrames += uint64(f.sequence - r.report.nextNumber)
	r.report.nextNumber = f.sequence + 1
	switch f.kind {
	case kindStart:
		if r.report.Header == nil {
			r.report.Header = bytes.Clone(payload)
		}
	case kindSection:
		r.acceptSection(f, payload)
	case kindSectionData:
		r.acceptSectionData(f, payload)
	case kindData:
		r.acceptData(f, payload)
	case kindEnd:
		r.acceptEnd(payload)
	}
}

func (r *Receiver) acceptSection(f frame, payload []byte) {
	if len(payload) < sectionSize || len(r.order) >= maxSections || r.section[f.section] != nil {
		return
	}
	le := binary.LittleEndian
	length := le.Uint64(payload[8:])
	if length > maxSection {
		return
	}
	s := &incoming{crc: le.Uint32(payload[4:]), bits: make([]bool, (length+MaxPayload-1)/MaxPayload)}
	s.Kind, s.Address, s.Data = le.Uint32(payload), le.Uint64(payload[16:]), make([]byte, length)
	r.section[f.section] = s
	r.order = append(r.order, f.section)
}

func (r *Receiver) acceptSectionData(f frame, payload []byte) {
	s := r.section[f.section]
	if s == nil || f.offset > uint64(len(s.Data)) || f.offset%MaxPayload != 0 || len(payload) == 0 || uint64(len(payload)) > uint64(len(s.Data))-f.offset {
		return
	}
	copy(s.Data[f.offset:], payload)
	s.bits[f.offset/MaxPayload] = true
}

func (r *Receiver) acceptData(f frame, payload []byte) {
	if f.offset > maxContent || int64(f.offset) < r.next || len(payload) == 0 {
		return
	}
	at := int64(f.offset)
	if n, err := r.output.WriteAt(payload, at); err != nil || n < len(payload) {
		if err == nil {
			err = io.ErrShortWrite
		}
		r.err = fmt.Errorf("write at %#x: %w", at, err)
		return
	}
	r.lose(at)
	r.next = at + int64(len(payload))
	r.crc = crc32.Update(r.crc, castagnoli, payload)
}

// lose records that what lies before at has not come.
func (r *Receiver) lose(at int64) {
	if at <= r.next {
		return
	}
	r.inOrder = false
	if len(r.report.Lost) == maxLost {
		r.report.LostOmitted++
		return
	}
	r.report.Lost = append(r.report.Lost, Lost{r.next, at})
}

func (r *Receiver) acceptEnd(payload []byte) {
	if len(payload) < endSize {
		return
	}
	le := binary.LittleEndian
	size := le.Uint64(payload)
	if size > maxContent || int64(size) < r.next {
		return
	}
	r.report.EndSeen, r.report.Whole = true, le.Uint32(payload[12:])&1 != 0
	r.lose(int64(size))
	r.next = int64(size)
	r.report.Mismatch = r.inOrder && r.crc != le.Uint32(payload[8:])
}

// close puts the sections into the report, the last one of each kind.
func (r *Receiver) close() {
	r.report.Size = r.next
	r.report.Sections = nil
	for _, number := range r.order {
		s := r.section[number]
		s.Damaged = crc32.Checksum(s.Data, castagnoli) != s.crc
		replaced := false
		for i := range r.report.Sections {
			if old := &r.report.Sections[i]; old.Kind == s.Kind {
				replaced = true
				if !s.Damaged || old.Damaged {
					*old = s.Section
				}
			}
		}
		if !replaced {
			r.report.Sections = append(r.report.Sections, s.Section)
		}
	}
}
