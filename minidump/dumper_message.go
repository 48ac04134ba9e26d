package minidump

import "github.com/seed64aab995/rescuekernel/physmem"

// messageSection is the message buffer as it is dumped.
type messageSection struct {
	content SizedReaderAt
	size    int64          // of content that is dumped
	tail    []byte         // what follows it
	holes   physmem.Ranges // offsets that cannot be read: zeros
}

// openMessageBuffer fixes what is dumped of the message buffer, finds what of
// it cannot be read, and builds struct msgbuf where it has to stand in for the
// host's.
func (d *Dumper) openMessageBuffer() {
	b := &d.source.MessageBuffer
	if b.Content == nil {
		return
	}
	size := max(b.Content.Size(), 0)
	if size > maxMessageBuffer {
		d.marks.add(partMessageBuffer, "%d bytes are more than %d", size, maxMessageBuffer)
		size = maxMessageBuffer
	}
	ring := int64(b.RingSize)
	if ring == 0 || ring > size {
		ring = size
	}
	d.header.MessageBufferSize = uint32(ring)
	section := roundUp(ring, int64(d.source.PageSize))
	m := &d.message
	m.content, m.size = b.Content, min(size, section)
	sum := m.check(ring)
	if !m.holes.IsEmpty() {
		d.marks.add(partMessageBuffer, "%d bytes cannot be read", m.holes.Size())
	}
	if b.Positioned && size == ring && section-ring >= MessageBufferStructSize && ring > 0 {
		m.tail = b.msgbuf(uint64(ring), sum)
	}
}

// check reads all of the content in pieces, notes those that fail, and returns
// the sum of the ring's bytes.
func (m *messageSection) check(ring int64) (sum uint32) {
	var buffer [4096]byte
	var holes []physmem.Range
	for at := int64(0); at < m.size; at += int64(len(buffer)) {
		p := buffer[:min(int64(len(buffer)), m.size-at)]
		n, _ := m.content.ReadAt(p, at)
		if n = min(max(n, 0), len(p)); n < len(p) {
			holes = append(holes, physmem.Range{Start: physmem.Address(at + int64(n)), End: physmem.Address(at + int64(len(p)))})
		}
		for _, c := range p[:max(0, min(int64(n), ring-at))] {
			sum += uint32(c)
		}
	}
	m.holes = physmem.NewRanges(holes...)
	return sum
}

// msgbuf makes the struct msgbuf of a ring of size bytes, the oldest of which
// is the next to be read.
func (b *MessageBuffer) msgbuf(size uint64, sum uint32) []byte {
	modulus := size * sequenceRounds
	oldest := b.Position - min(b.Position, size)
	state := MessageBufferState{
		Size:          uint32(size),
		WriteSequence: uint32(b.Position % modulus),
		ReadSequence:  uint32(oldest % modulus),
		Checksum:      sum,
		Modulus:       uint32(modulus),
		LastPriority:  -1,
	}
	return state.AppendBinary(nil, b.Address)
}

// read fills p with the section from offset on.
func (m *messageSection) read(p []byte, offset int64) {
	for len(p) > 0 {
		if offset >= m.size {
			clear(p)
			if at := offset - m.size; at < int64(len(m.tail)) {
				copy(p, m.tail[at:])
			}
			return
		}
		end, hole := next(m.holes, physmem.Address(offset), physmem.Address(min(m.size, offset+int64(len(p)))))
		part := p[:int64(end)-offset]
		n := 0
		if !hole {
			n, _ = m.content.ReadAt(part, offset)
			n = min(max(n, 0), len(part))
		}
		clear(part[n:])
		p, offset = p[len(part):], int64(end)
	}
}
