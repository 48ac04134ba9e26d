package seekable

import (
	"encoding/binary"
	"fmt"
	"io"
)

// minCompressedSize is the least that a frame with content takes: magic,
// descriptor, content size, and a run-length block.
const minCompressedSize = 4 + 1 + 1 + 4

// openTable builds the index from the seek table. The error says why it cannot
// be used; the frames are then to be scanned.
func (s *Reader) openTable() error {
	var footer [footerSize]byte
	if err := s.readAt(footer[:], s.size-footerSize); err != nil {
		return fmt.Errorf("%w: %w", ErrSeekTable, err)
	}
	le := binary.LittleEndian
	if le.Uint32(footer[5:]) != seekTableFooter {
		return fmt.Errorf("%w: no footer", ErrSeekTable)
	}
	n, descriptor := int64(le.Uint32(footer[:])), footer[4]
	if n > seekTableMaxCount || descriptor&0x7C != 0 {
		return fmt.Errorf("%w: %d entries, descriptor %#x", ErrSeekTable, n, descriptor)
	}
	entry := int64(8)
	if descriptor&0x80 != 0 {
		entry = 12 // with a checksum; the frame has its own
	}
	start := s.size - footerSize - n*entry - skippableHeader
	if start < 0 {
		return fmt.Errorf("%w: %d entries in %d bytes", ErrSeekTable, n, s.size)
	}
	t := tableReader{s: s, entry: entry, start: start, sum: checksum(nil)}
	if err := t.read(n, footer[:]); err != nil {
		return err
	}
	return s.checkTableRecord(start, t.sum)
}

// checkTableRecord checks the table's CRC-32C against the record before it.
// Another writer's file has none, and its table has to do without.
func (s *Reader) checkTableRecord(start int64, sum uint32) error {
	var first, b [RecordSize]byte
	if s.readAt(first[:], 0) == nil && !s.ours {
		if r, ok := parseRecord(first[:]); ok {
			s.ours, s.stream = true, r.stream
		}
	}
	if err := s.readAt(b[:], start-RecordSize); err == nil {
		if r, ok := parseRecord(b[:]); ok {
			if s.ours && r.stream != s.stream {
				return fmt.Errorf("%w: it is another stream's", ErrSeekTable)
			}
			s.ours, s.stream = true, r.stream
			if int64(r.compressedSize) != s.size-start || r.checksum != sum || int64(r.contentOffset) != s.content || r.contentSize != 0 {
				return fmt.Errorf("%w: CRC-32C is wrong", ErrSeekTable)
			}
			return nil
		}
	}
	if s.ours {
		return fmt.Errorf("%w: the record before it is damaged", ErrSeekTable)
	}
	for i := range s.frames {
		s.frames[i].record = false // 40 bytes there were a coincidence
	}
	return nil
}

// tableReader reads a seek table piece by piece.
type tableReader struct {
	s     *Reader
	entry int64
	start int64 // of the table in the file
	sum   uint32
}

// read reads the header and n entries; footer is what comes after them.
func (t *tableReader) read(n int64, footer []byte) error {
	le := binary.LittleEndian
	var header [skippableHeader]byte
	if err := t.s.readAt(header[:], t.start); err != nil {
		return fmt.Errorf("%w: %w", ErrSeekTable, err)
	}
	if le.Uint32(header[:]) != seekTableMagic || int64(le.Uint32(header[4:])) != n*t.entry+footerSize {
		return fmt.Errorf("%w: header %#x for %d entries", ErrSeekTable, header, n)
	}
	t.sum = updateChecksum(0, header[:])
	buf := make([]byte, min(n*t.entry, 4096*t.entry))
	at, offset, before := t.start+skippableHeader, int64(0), int64(0)
	for left := n * t.entry; left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		if err := t.s.readAt(b, at); err != nil {
			return fmt.Errorf("%w: %w", ErrSeekTable, err)
		}
		t.sum = updateChecksum(t.sum, b)
		for i := int64(0); i < int64(len(b)); i += t.entry {
			compressed, content := le.Uint32(b[i:]), le.Uint32(b[i+4:])
			if content > 0 {
				if compressed < minCompressedSize || offset+int64(compressed) > t.start {
					return fmt.Errorf("%w: entry of %d bytes at %#x", ErrSeekTable, compressed, offset)
				}
				t.s.add(frame{offset, t.s.content, compressed, content, before == RecordSize})
				before = 0
			} else {
				before = int64(compressed)
			}
			offset += int64(compressed)
		}
		left -= int64(len(b))
		at += int64(len(b))
	}
	if offset > t.start {
		return fmt.Errorf("%w: entries end at %#x, behind the table at %#x", ErrSeekTable, offset, t.start)
	}
	t.sum = updateChecksum(t.sum, footer)
	return nil
}

// readAt reads all of b from the file.
func (s *Reader) readAt(b []byte, off int64) error {
	if off < 0 || off > s.size-int64(len(b)) {
		return io.ErrUnexpectedEOF
	}
	n, err := s.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
