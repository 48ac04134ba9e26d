package seekable

import (
	"encoding/binary"
	"hash/crc32"
)

// Magics of RFC 8878 and of zstd's contrib/seekable_format.
const (
	frameMagic        = 0xFD2FB528
	skippableMagic    = 0x184D2A50 // and the 15 numbers after it
	skippableMask     = 0xFFFFFFF0
	seekTableMagic    = 0x184D2A5E // skippable frame 14
	seekTableFooter   = 0x8F92EAB1
	seekTableMaxCount = 0x8000000 // number of entries, by the specification
	skippableHeader   = 8
	footerSize        = 9
)

// Ours.
const (
	recordMagic = 0x184D2A5C // skippable frame 12
	recordTag   = 0x31464B53 // "SKF1"

	// RecordSize is the size of the record before each frame.
	RecordSize = 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// record describes the frame that follows it. The package's documentation has
// its layout.
type record struct {
	stream         uint32
	contentOffset  uint64
	contentSize    uint32
	compressedSize uint32
	checksum       uint32 // CRC-32C of the compressed frame
}

// put writes the record into the first RecordSize bytes of b.
func (r *record) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], recordMagic)
	le.PutUint32(b[4:], RecordSize-skippableHeader)
	le.PutUint32(b[8:], recordTag)
	le.PutUint32(b[12:], r.stream)
	le.PutUint64(b[16:], r.contentOffset)
	le.PutUint32(b[24:], r.contentSize)
	le.PutUint32(b[28:], r.compressedSize)
	le.PutUint32(b[32:], r.checksum)
	le.PutUint32(b[36:], checksum(b[:36]))
}

// parseRecord parses the record at the start of b. It reports false for
// anything that is not a whole record with its checksum, or whose content
// would end beyond what an int64 holds.
func parseRecord(b []byte) (record, bool) {
	le := binary.LittleEndian
	if len(b) < RecordSize || le.Uint32(b) != recordMagic || le.Uint32(b[4:]) != RecordSize-skippableHeader ||
		le.Uint32(b[8:]) != recordTag || le.Uint32(b[36:]) != checksum(b[:36]) {
		return record{}, false
	}
	r := record{
		stream:         le.Uint32(b[12:]),
		contentOffset:  le.Uint64(b[16:]),
		contentSize:    le.Uint32(b[24:]),
		compressedSize: le.Uint32(b[28:]),
		checksum:       le.Uint32(b[32:]),
	}
	return r, r.contentOffset < 1<<62
}

// seekTableSize is the size of a seek table of n frames and their records, the
// record before the table included, but not that record itself.
func seekTableSize(n int64) int64 { return skippableHeader + (2*n+1)*8 + footerSize }

func updateChecksum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }
