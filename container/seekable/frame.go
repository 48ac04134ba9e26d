package seekable

import (
	"encoding/binary"
	"fmt"
	"io"
)

// decoded is the content of a frame: bytes, or size times one byte.
type decoded struct {
	data []byte
	fill byte
	size int64
}

// memory is what it takes in a cache.
func (d *decoded) memory() int64 { return int64(len(d.data)) + 64 }

func (d *decoded) copy(p []byte, within int64) int {
	if d.data != nil {
		return copy(p, d.data[within:])
	}
	p = p[:min(int64(len(p)), d.size-within)]
	if d.fill == 0 {
		clear(p)
		return len(p)
	}
	for i := range p {
		p[i] = d.fill
	}
	return len(p)
}

// isAt reports whether the bytes are those of p already.
func (d *decoded) isAt(p []byte) bool {
	return len(p) > 0 && len(d.data) == len(p) && &d.data[0] == &p[0]
}

// load reads, checks and decodes frame i, into memory that room gives.
func (s *Reader) load(i int, room func(n int) []byte) (decoded, error) {
	d, _, err := s.loadChecked(i, room)
	return d, err
}

// loadChecked also reports whether the frame's record is whole; the content is
// checked without it, by the frame's own checksum.
func (s *Reader) loadChecked(i int, room func(n int) []byte) (d decoded, recordOK bool, err error) {
	f := &s.frames[i]
	if int64(f.contentSize) > s.o.MaxFrame || int64(f.compressedSize) > s.o.MaxFrame+s.o.MaxFrame/8+1<<16 {
		return d, true, s.frameError(i, ErrFrameTooLarge)
	}
	scratch := s.scratch.Get().(*[]byte)
	defer s.scratch.Put(scratch)
	before := 0
	if f.record {
		before = RecordSize
	}
	b := grow(scratch, before+int(f.compressedSize))
	if n, err := s.r.ReadAt(b, f.offset-int64(before)); n < len(b) {
		if err == nil || err == io.EOF {
			err = ErrCut
		}
		return d, true, s.frameError(i, err)
	}
	compressed := b[before:]
	recordOK = true
	if f.record {
		var r record
		r, recordOK = parseRecord(b)
		if recordOK && (r.stream != s.stream || int64(r.contentOffset) != f.start || r.contentSize != f.contentSize || r.compressedSize != f.compressedSize) {
			return d, true, s.frameError(i, fmt.Errorf("%w: its record is that of another frame", ErrDamaged))
		}
		if recordOK && r.checksum != checksum(compressed) {
			return d, true, s.frameError(i, fmt.Errorf("%w: CRC-32C of the compressed frame is wrong", ErrDamaged))
		}
	}
	h, err := parseFrameHeader(compressed)
	if err != nil {
		return d, recordOK, s.frameError(i, fmt.Errorf("%w: %w", ErrDamaged, err))
	}
	if f.record && recordOK {
		if fill, ok := runLength(compressed[h.size:], h.checksum, int64(f.contentSize)); ok {
			return decoded{fill: fill, size: int64(f.contentSize)}, true, nil
		}
	}
	if s.ours && !recordOK && !h.checksum {
		return d, false, s.frameError(i, fmt.Errorf("%w: neither record nor content checksum", ErrDamaged))
	}
	data, err := s.decoder.DecodeAll(compressed, room(int(f.contentSize))[:0])
	if err == nil && len(data) != int(f.contentSize) {
		err = fmt.Errorf("%d bytes of content", len(data))
	}
	if err != nil {
		return d, recordOK, s.frameError(i, fmt.Errorf("%w: %w", ErrDamaged, err))
	}
	return decoded{data: data, size: int64(len(data))}, recordOK, nil
}

// frameError names frame i and its content.
func (s *Reader) frameError(i int, err error) *FrameError {
	f := &s.frames[i]
	return &FrameError{Frame: i, Offset: f.offset, Start: f.start, End: f.start + int64(f.contentSize), Err: err}
}

func newRoom(n int) []byte { return make([]byte, n) }

func grow(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n]
}

// frameHeader is what the header of a zstd frame says (RFC 8878 3.1.1.1).
type frameHeader struct {
	size        int // of the header, magic included
	contentSize int64
	hasContent  bool // the content size is told
	checksum    bool
}

// maxFrameHeader is the largest frame header.
const maxFrameHeader = 18

// parseFrameHeader parses the frame header at the start of b.
func parseFrameHeader(b []byte) (h frameHeader, err error) {
	if len(b) < 5 {
		return h, io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(b) != frameMagic {
		return h, fmt.Errorf("no zstd frame but %#x", b[:4])
	}
	descriptor := b[4]
	if descriptor&(1<<3) != 0 {
		return h, fmt.Errorf("reserved bit in frame header %#x", descriptor)
	}
	h.checksum = descriptor&(1<<2) != 0
	single := descriptor&(1<<5) != 0
	h.size = 5
	if !single {
		h.size++ // Window_Descriptor
	}
	h.size += [...]int{0, 1, 2, 4}[descriptor&3] // Dictionary_ID
	n := [...]int{0, 2, 4, 8}[descriptor>>6]
	if n == 0 && single {
		n = 1
	}
	if len(b) < h.size+n {
		return h, io.ErrUnexpectedEOF
	}
	var field [8]byte
	copy(field[:], b[h.size:h.size+n])
	v := binary.LittleEndian.Uint64(field[:])
	if n == 2 {
		v += 256
	}
	h.size += n
	h.hasContent = n > 0
	if v >= 1<<62 {
		return h, fmt.Errorf("content size %#x", v)
	}
	h.contentSize = int64(v)
	return h, nil
}

// Block types of RFC 8878 3.1.1.2.
const (
	blockRaw = iota
	blockRunLength
	blockCompressed
)

// blockHeader takes a block header apart. size is that of the block in the file.
func blockHeader(b []byte) (last bool, kind int, size, regenerated int64) {
	v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	last, kind, size = v&1 != 0, int(v>>1&3), int64(v>>3)
	regenerated = size
	if kind == blockRunLength {
		size = 1
	}
	return last, kind, size, regenerated
}

// runLength reports whether the blocks in b are all run-length blocks of one
// byte that make size bytes together, and which byte.
func runLength(b []byte, hasChecksum bool, size int64) (fill byte, ok bool) {
	first := true
	for {
		if len(b) < 4 {
			return 0, false
		}
		last, kind, _, n := blockHeader(b)
		if kind != blockRunLength || !first && b[3] != fill {
			return 0, false
		}
		fill, first = b[3], false
		size -= n
		b = b[4:]
		if last {
			break
		}
	}
	tail := 0
	if hasChecksum {
		tail = 4
	}
	return fill, size == 0 && len(b) == tail
}
