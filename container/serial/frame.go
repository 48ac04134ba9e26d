package serial

import (
	"encoding/binary"
	"hash/crc32"
)

// MaxPayload is the most that a frame carries.
const MaxPayload = 4096

const (
	magic       = "\x9eR\xd5F"
	headerSize  = 32
	trailerSize = 4
	// FrameSize is the size of the largest frame.
	FrameSize = headerSize + MaxPayload + trailerSize

	startCopies = 2
	endCopies   = 3
)

type kind uint8

const (
	kindStart       kind = 1
	kindSection     kind = 2
	kindSectionData kind = 3
	kindData        kind = 4
	kindEnd         kind = 5
)

const (
	sectionSize = 24 // payload of kindSection
	endSize     = 16 // payload of kindEnd
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is a frame's header.
type frame struct {
	kind     kind
	length   int
	sequence uint32
	stream   uint32
	offset   uint64
	section  uint32
}

// put writes the header to b.
func (f *frame) put(b []byte) {
	le := binary.LittleEndian
	copy(b, magic)
	b[4], b[5] = byte(f.kind), 0
	le.PutUint16(b[6:], uint16(f.length))
	le.PutUint32(b[8:], f.sequence)
	le.PutUint32(b[12:], f.stream)
	le.PutUint64(b[16:], f.offset)
	le.PutUint32(b[24:], f.section)
	le.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
}

// parseFrame reads the header at the start of b, which begins with the magic
// and has headerSize bytes at least.
func parseFrame(b []byte) (f frame, ok bool) {
	le := binary.LittleEndian
	if crc32.Checksum(b[:28], castagnoli) != le.Uint32(b[28:]) {
		return f, false
	}
	f = frame{
		kind: kind(b[4]), length: int(le.Uint16(b[6:])), sequence: le.Uint32(b[8:]),
		stream: le.Uint32(b[12:]), offset: le.Uint64(b[16:]), section: le.Uint32(b[24:]),
	}
	return f, f.length <= MaxPayload && b[5] == 0
}
