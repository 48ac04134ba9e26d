package seekable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// scan builds the index without the seek table: it goes from record to record,
// and from frame to frame where there are no records.
func (s *Reader) scan() error {
	s.content = 0
	c := scanner{s: s}
	for c.pos < s.size && !c.done {
		if err := c.step(); err != nil {
			return err
		}
	}
	if len(s.frames) == 0 && !c.terminated {
		return fmt.Errorf("%w: no whole frame in %d bytes", ErrNotSeekable, s.size)
	}
	for i := range s.frames {
		if s.ours && !s.frames[i].record {
			f := &s.frames[i]
			s.damage = append(s.damage, &FrameError{Frame: i, Offset: f.offset - RecordSize, Start: f.start, End: f.start, Err: ErrRecord})
		}
	}
	s.complete = c.terminated || !s.ours && c.pos == s.size && !c.done
	if !s.complete {
		if !s.dropTorn() {
			s.lose(c.pos, s.content, ErrCut)
		}
	}
	return nil
}

// dropTorn drops the last frame of a stream without an end if it is damaged:
// on a disk the file does not end at the cut, and older bytes complete the
// frame that was being written.
func (s *Reader) dropTorn() bool {
	last := len(s.frames) - 1
	if last < 0 || !s.frames[last].record {
		return false
	}
	if _, _, err := s.loadChecked(last, newRoom); !errors.Is(err, ErrDamaged) {
		return false
	}
	f := s.frames[last]
	s.frames = s.frames[:last]
	s.content = f.start
	s.lose(f.offset, f.start+int64(f.contentSize), ErrCut)
	return true
}

// lose notes that something is wrong at file offset off, with content from the
// end of what is known to end.
func (s *Reader) lose(off, end int64, err error) {
	for _, d := range s.damage {
		if d.Offset == off && err == ErrCut { // told already, and better
			return
		}
	}
	s.damage = append(s.damage, &FrameError{Frame: -1, Offset: off, Start: s.content, End: max(end, s.content), Err: err})
}

// scanner is a position in the file.
type scanner struct {
	s          *Reader
	pos        int64
	terminated bool // the record of the seek table was seen
	done       bool
	window     []byte // for resync
}

// step takes what lies at pos and moves on.
func (c *scanner) step() error {
	var b [RecordSize + maxFrameHeader]byte
	n, err := c.s.r.ReadAt(b[:min(int64(len(b)), c.s.size-c.pos)], c.pos)
	if n == 0 && err != nil && err != io.EOF { // a bad sector: what comes after it may be readable
		c.s.lose(c.pos, c.s.content, err)
	}
	head := b[:n]
	if r, ok := parseRecord(head); ok {
		if c.belongs(&r) {
			c.record(&r)
		} else { // what an older stream left: neither is the frame behind it ours
			c.resync()
		}
		return nil
	}
	magic := uint32(0)
	if n >= skippableHeader {
		magic = binary.LittleEndian.Uint32(head)
	}
	switch {
	case magic == frameMagic:
		return c.frame(head, c.pos, false)
	case magic&skippableMask == skippableMagic && magic != recordMagic:
		if size := skippableHeader + int64(binary.LittleEndian.Uint32(head[4:])); size <= c.s.size-c.pos {
			if magic != seekTableMagic || c.pos+size != c.s.size {
				c.pos += size
				return nil
			}
			c.pos = c.s.size // a seek table that was not believed, at the end where it belongs
			c.terminated = c.terminated || !c.s.ours
			return nil
		}
	}
	// The record is damaged, but the frame behind it may be whole.
	if len(head) > RecordSize+4 && binary.LittleEndian.Uint32(head[RecordSize:]) == frameMagic {
		if c.frame(head[RecordSize:], c.pos+RecordSize, true) == nil {
			return nil
		}
	}
	c.resync()
	return nil
}

// belongs reports whether r can be the next record: of the same stream, and
// not of content that was seen before.
func (c *scanner) belongs(r *record) bool {
	if c.s.ours && r.stream != c.s.stream || int64(r.contentOffset) < c.s.content {
		return false
	}
	return r.contentSize == 0 || r.compressedSize >= minCompressedSize
}

// record takes the frame that r describes.
func (c *scanner) record(r *record) {
	s := c.s
	s.ours, s.stream = true, r.stream
	start, at := int64(r.contentOffset), c.pos+RecordSize
	if start > s.content {
		s.lose(c.pos, start, ErrMissing)
		s.content = start
	}
	if r.contentSize == 0 { // the seek table follows
		c.terminated, c.done = true, true
		c.pos = min(at+int64(r.compressedSize), s.size)
		return
	}
	if int64(r.compressedSize) > s.size-at {
		s.lose(c.pos, start+int64(r.contentSize), ErrCut)
		c.done = true
		return
	}
	s.add(frame{at, start, r.compressedSize, r.contentSize, true})
	c.pos = at + int64(r.compressedSize)
}

// frame takes the zstd frame at file offset at, whose first bytes are head,
// and which has no valid record. Its content follows what is known.
func (c *scanner) frame(head []byte, at int64, lostRecord bool) error {
	s := c.s
	h, err := parseFrameHeader(head)
	end := int64(0)
	if err == nil {
		end, err = s.frameEnd(at + int64(h.size))
		if err == nil && h.checksum {
			end += 4
		}
	}
	if err != nil || end > s.size || end-at > 1<<32-1 {
		if lostRecord {
			return ErrRecord
		}
		c.resync()
		return nil
	}
	if !h.hasContent || h.contentSize > s.o.MaxFrame {
		if lostRecord {
			return ErrRecord
		}
		return fmt.Errorf("%w: frame at %#x of %d bytes, content size %d (0: not told)", ErrNotSeekable, at, end-at, h.contentSize)
	}
	if s.o.Stream != nil && !c.continued(end, s.content+h.contentSize) {
		c.resync() // on a disk it may be an older stream's, whose record was written over
		return nil
	}
	if h.contentSize > 0 {
		s.add(frame{at, s.content, uint32(end - at), uint32(h.contentSize), false})
	}
	c.pos = end
	return nil
}

// continued reports whether there is a record at file offset at that goes on
// with the content at start: what lies before it is then of its stream.
func (c *scanner) continued(at, start int64) bool {
	var b [RecordSize]byte
	if c.s.readAt(b[:], at) != nil {
		return false
	}
	r, ok := parseRecord(b[:])
	return ok && c.belongs(&r) && int64(r.contentOffset) == start
}

// frameEnd walks over the blocks from off and gives the offset behind the last.
func (s *Reader) frameEnd(off int64) (int64, error) {
	var b [3]byte
	for {
		if err := s.readAt(b[:], off); err != nil {
			return 0, err
		}
		last, kind, size, _ := blockHeader(b[:])
		if kind > blockCompressed {
			return 0, fmt.Errorf("block of unknown type at %#x", off)
		}
		off += 3 + size
		if last {
			return off, nil
		}
	}
}

// resync looks for the next record behind pos. Frames of other writers have
// none: where one of them is damaged, what follows it has no known place.
func (c *scanner) resync() {
	s := c.s
	limit := min(s.size, c.pos+1+s.o.ResyncLimit)
	if c.window == nil {
		c.window = make([]byte, 256<<10)
	}
	for at := c.pos + 1; at+RecordSize <= limit; at += int64(len(c.window)) - RecordSize + 1 {
		n, _ := s.r.ReadAt(c.window[:min(int64(len(c.window)), s.size-at)], at)
		for i := 0; i+RecordSize <= n; i++ {
			if c.window[i] != recordMagic&0xFF {
				continue
			}
			if r, ok := parseRecord(c.window[i:n]); ok && c.belongs(&r) {
				s.lose(c.pos, int64(r.contentOffset), ErrMissing)
				s.content = int64(r.contentOffset)
				c.pos = at + int64(i)
				return
			}
		}
	}
	c.done = true
}
