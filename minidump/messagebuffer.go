package minidump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Layout of FreeBSD's struct msgbuf on 64-bit machines (sys/msgbuf.h), which
// follows the ring of text directly. All numbers are the machine's:
//
//	 0 u64 pointer to the ring
//	 8 u32 magic 0x063062
//	12 u32 size of the ring
//	16 u32 write sequence number: the next byte goes to this modulo size
//	20 u32 read sequence number
//	24 u32 checksum: the sum of the ring's bytes
//	28 u32 modulus of the sequence numbers, 16 times size
//	32 i32 priority of the last message
//	36 u32 flags
//	40 a mutex of 32 bytes
//
// A host of ours has the same, so that one reader does for both.
const (
	MessageBufferMagic      = 0x063062
	MessageBufferStructSize = 72 // of struct msgbuf on 64-bit machines
	messageBufferFields     = 40 // before the mutex
	sequenceRounds          = 16
)

// maxMessageBuffer caps the ring that is read into memory.
const maxMessageBuffer = 64 << 20

// MessageBufferState is struct msgbuf without the pointer and the mutex.
type MessageBufferState struct {
	Size          uint32
	WriteSequence uint32
	ReadSequence  uint32
	Checksum      uint32
	Modulus       uint32
	LastPriority  int32
	Flags         uint32
}

// AppendBinary appends struct msgbuf of a little-endian 64-bit machine, whose
// ring is at the virtual address ring, to b.
func (s *MessageBufferState) AppendBinary(b []byte, ring uint64) []byte {
	b = binary.LittleEndian.AppendUint64(b, ring)
	for _, v := range []uint32{MessageBufferMagic, s.Size, s.WriteSequence, s.ReadSequence, s.Checksum, s.Modulus,
		uint32(s.LastPriority), s.Flags} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, make([]byte, MessageBufferStructSize-messageBufferFields)...)
}

// parseMessageBufferState parses a struct msgbuf whose pointer has width
// bytes; false where there is none.
func parseMessageBufferState(b []byte, order binary.ByteOrder, width int) (s MessageBufferState, ok bool) {
	if len(b) < width+32 || order.Uint32(b[width:]) != MessageBufferMagic {
		return s, false
	}
	field := func(i int) uint32 { return order.Uint32(b[width+4*i:]) }
	s = MessageBufferState{Size: field(1), WriteSequence: field(2), ReadSequence: field(3), Checksum: field(4),
		Modulus: field(5), LastPriority: int32(field(6)), Flags: field(7)}
	return s, s.Size > 0
}

// MessageOrder says how the reading order of a message buffer was found.
type MessageOrder uint8

const (
	// OrderKnown: struct msgbuf was found behind the ring, and tells.
	OrderKnown MessageOrder = iota + 1
	// OrderFromGap: no structure; text begins after the longest run of NUL
	// bytes, since the kernel clears the ring and writes from its start.
	OrderFromGap
	// OrderUnknown: no structure and no NUL, so the ring has gone round and
	// the text is as it lies in memory.
	OrderUnknown
)

// String returns the order in words.
func (o MessageOrder) String() string {
	switch o {
	case OrderKnown:
		return "known"
	case OrderFromGap:
		return "guessed from a gap"
	}
	return "unknown"
}

// Messages is the content of a message buffer.
type Messages struct {
	Text  []byte // oldest first, without NUL bytes; lines may begin with "<priority>"
	Ring  []byte // as in memory
	Order MessageOrder
	State MessageBufferState // if Order is OrderKnown
}

// newMessages brings ring into reading order by the structure, or by guess.
func newMessages(ring []byte, state MessageBufferState, known bool) *Messages {
	m := &Messages{Ring: ring, Order: OrderUnknown}
	start := 0
	if known {
		m.Order, m.State = OrderKnown, state
		start = int(uint64(state.WriteSequence) % uint64(len(ring)))
	} else if after, ok := afterGap(ring); ok {
		m.Order = OrderFromGap
		start = after
	}
	m.Text = make([]byte, 0, len(ring))
	for _, part := range [][]byte{ring[start:], ring[:start]} {
		for _, b := range part {
			if b != 0 {
				m.Text = append(m.Text, b)
			}
		}
	}
	m.Text = bytes.Clone(m.Text)
	return m
}

// afterGap returns the index after the longest run of NUL bytes in the ring,
// which is taken as a circle.
func afterGap(ring []byte) (after int, ok bool) {
	longest, run := 0, 0
	for i := range 2 * len(ring) {
		if ring[i%len(ring)] != 0 {
			run = 0
			continue
		}
		if run++; run > longest && run <= len(ring) {
			longest, after = run, (i+1)%len(ring)
		}
	}
	return after, longest > 0
}

// Checksum is the sum of the ring's bytes, as FreeBSD's msgbuf_cksum makes it.
func (m *Messages) Checksum() (sum uint32) {
	for _, b := range m.Ring {
		sum += uint32(b)
	}
	return sum
}

// findMessageBuffer finds the ring and its structure in a section. FreeBSD's
// own dumps say the ring's true size and the structure follows in the page's
// rest; the rescue kernel's rounded size has the structure inside. A structure
// is believed if it says the size that its place gives.
func findMessageBuffer(section []byte, size int, order binary.ByteOrder, width int) *Messages {
	known := func(at int) (MessageBufferState, bool) {
		s, ok := parseMessageBufferState(section[at:], order, width)
		return s, ok && uint64(s.Size) == uint64(at)
	}
	if size <= len(section) && size > 0 {
		if s, ok := known(size); ok {
			return newMessages(section[:size], s, true)
		}
	}
	for at := (len(section) - width - 32) &^ 7; at > 0 && at > len(section)-2*PageSize16K; at -= 8 {
		if s, ok := known(at); ok {
			return newMessages(section[:at], s, true)
		}
	}
	return newMessages(section[:min(size, len(section))], MessageBufferState{}, false)
}

// MessageBuffer returns the kernel's messages in reading order. Of a full dump
// it needs the kernel's symbols (WithSymbols) and its page tables.
//
// Of a file that was cut inside of the buffer it returns what there is,
// together with an error that is ErrTruncated. The error is ErrNoMessageBuffer
// where the dump has none.
func (r *Reader) MessageBuffer() (*Messages, error) {
	if r.format == FormatFull {
		return r.fullMessageBuffer()
	}
	e := r.layout.Sections[SectionMessageBuffer]
	if e.Used == 0 {
		return nil, ErrNoMessageBuffer
	}
	if e.Used > maxMessageBuffer {
		return nil, &FormatError{Section: SectionMessageBuffer, Offset: e.Offset, Field: "msgbufsize", Value: uint64(e.Used), Err: ErrTooLarge,
			Detail: fmt.Sprintf("the limit is %d", maxMessageBuffer)}
	}
	section := make([]byte, max(0, min(e.Length, r.size-e.Offset)))
	n, err := r.file.ReadAt(section, e.Offset)
	if n == len(section) || err == nil || errors.Is(err, io.EOF) {
		err = ErrTruncated // if anything is wrong
	}
	failed := &FormatError{Section: SectionMessageBuffer, Offset: e.Offset + int64(n), Field: "msgbufsize", Value: uint64(e.Used), Err: err,
		Detail: fmt.Sprintf("%d bytes are there", n)}
	if n == 0 {
		return nil, failed
	}
	width := 8
	if a := r.header.Architecture; a == I386 || a == ARM {
		width = 4
	}
	m := findMessageBuffer(section[:n], int(e.Used), r.header.ByteOrder(), width)
	if n == len(section) && n >= int(e.Used) {
		return m, nil
	}
	return m, failed
}
