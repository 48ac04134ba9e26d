package kernel

// FreeBSD's message buffer (sys/msgbuf.h): a ring, and behind it struct
// msgbuf. Offsets of a 64-bit machine.
const (
	messageMagic   = 0x063062
	messageArea    = 96 << 10                  // what the buffer takes in all
	messageRing    = messageArea - messageSize // 0x17fb8, as in FreeBSD's kernels
	messageSize    = 72
	messagePointer = 0  // of the ring, virtual
	messageMagicAt = 8  // u32
	messageLength  = 12 // u32
	messageWrite   = 16 // u32, counts up to 16 * length and wraps
	messageRead    = 20 // u32
	messageSum     = 24 // u32, of the ring's bytes
	messageModulus = 28 // u32
)

// messageBuffer is the host's log. It is written byte by byte, whole at every
// moment: ring, then sum, then position.
type messageBuffer struct {
	ring     uintptr // virtual address, 0: there is none
	physical uintptr
	length   uintptr
	written  uintptr // bytes ever
}

// init lays the buffer out in messageArea bytes at ring.
//
//go:nosplit
func (m *messageBuffer) init(ring, physical uintptr) {
	m.ring, m.physical, m.length = ring, physical, messageRing
	head := ring + messageRing
	store64(head+messagePointer, ring)
	store32(head+messageMagicAt, messageMagic)
	store32(head+messageLength, messageRing)
	store32(head+messageModulus, 16*messageRing)
}

//go:nosplit
func (m *messageBuffer) put(c byte) {
	if m.ring != 0 {
		m.store(c)
		m.written++
	}
}

// store writes a byte into the buffer, and to no other memory.
//
//go:nosplit
func (m *messageBuffer) store(c byte) {
	if m.ring == 0 {
		return
	}
	head := m.ring + m.length
	position := uintptr(load32(head + messageWrite))
	p := m.ring + position%m.length
	sum := load32(head+messageSum) + uint32(c) - uint32(load8(p))
	store8(p, c)
	store32(head+messageSum, sum)
	position++
	if position >= 16*m.length {
		position = 0
	}
	store32(head+messageWrite, uint32(position))
}
