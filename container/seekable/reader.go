package seekable

import (
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ReaderOptions bounds what a Reader does. The zero value is right for most.
type ReaderOptions struct {
	// CacheSize is how many bytes of decoded frames are kept; one frame always
	// is. 0 is DefaultCacheSize.
	CacheSize int64

	// MaxFrame is the largest content of a frame that is decoded. It bounds
	// what a hostile file can make a Reader allocate. 0 is DefaultMaxFrame.
	MaxFrame int64

	// ResyncLimit is how far a Reader that lost its way looks for the next
	// record. 0 is DefaultResyncLimit.
	ResyncLimit int64

	// Scan does not use the seek table.
	Scan bool

	// Stream is the number that the records must have. nil is any, that of the
	// first record then.
	Stream *uint32
}

// The defaults of ReaderOptions.
const (
	DefaultCacheSize   = 8 << 20
	DefaultMaxFrame    = 64 << 20
	DefaultResyncLimit = 64 << 20
)

func (o *ReaderOptions) fill() {
	if o.CacheSize == 0 {
		o.CacheSize = DefaultCacheSize
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	if o.ResyncLimit == 0 {
		o.ResyncLimit = DefaultResyncLimit
	}
}

// Reader gives random access to the content. It is safe for concurrent use.
type Reader struct {
	r        io.ReaderAt
	size     int64
	o        ReaderOptions
	frames   []frame // in the order of the content, which is that of the file
	content  int64   // size of it
	damage   []*FrameError
	complete bool
	tabled   bool
	ours     bool   // there are records
	stream   uint32 // the number in them
	decoder  *zstd.Decoder
	cache    cache
	scratch  sync.Pool // *[]byte, for compressed frames
}

// frame is where a frame lies and what it holds.
type frame struct {
	offset         int64 // in the file, behind its record
	start          int64 // of its content
	compressedSize uint32
	contentSize    uint32
	record         bool // RecordSize bytes before it are to be a record
}

// Frame is one frame, for those who list them.
type Frame struct {
	Offset         int64 // in the file
	CompressedSize int64
	Start          int64 // of its content
	Size           int64 // of its content
}

// NewReader opens a seekable zstd file of size bytes. With a valid seek table
// it reads that only; else it goes from frame to frame. A file that was cut or
// is damaged opens; Damage tells what is known to be missing. The error is
// ErrNotSeekable for a file of another kind.
func NewReader(r io.ReaderAt, size int64, o ReaderOptions) (*Reader, error) {
	o.fill()
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(uint64(o.MaxFrame)))
	if err != nil {
		return nil, fmt.Errorf("seekable zstd: %w", err)
	}
	s := &Reader{r: r, size: size, o: o, decoder: decoder}
	if o.Stream != nil {
		s.ours, s.stream = true, *o.Stream
	}
	s.cache.limit = o.CacheSize
	s.scratch.New = func() any { return new([]byte) }
	if !o.Scan {
		if err = s.openTable(); err == nil {
			s.tabled, s.complete = true, true
			return s, nil
		}
	}
	s.frames = nil
	if scanErr := s.scan(); scanErr != nil {
		return nil, scanErr
	}
	if err != nil && s.ours {
		s.damage = append(s.damage, &FrameError{Frame: -1, Offset: size, Err: err})
	}
	return s, nil
}

// Size is the size of the content, up to the end of the last frame that there is.
func (s *Reader) Size() int64 { return s.content }

// Complete reports whether the end of the stream is known: it has a seek table
// or the record before it, or it is another writer's and ends with a frame.
// Frames before the end may still be damaged.
func (s *Reader) Complete() bool { return s.complete }

// FileEnd is the offset in the file behind the last frame, or behind the seek
// table of a file that has a valid one. Where a stream was cut on a disk, what
// follows is not its own.
func (s *Reader) FileEnd() int64 {
	if s.tabled {
		return s.size
	}
	if len(s.frames) == 0 {
		return 0
	}
	last := &s.frames[len(s.frames)-1]
	return last.offset + int64(last.compressedSize)
}

// HasSeekTable reports whether the seek table was used to open the file.
func (s *Reader) HasSeekTable() bool { return s.tabled }

// HasRecords reports whether the file has the records that Writer makes.
func (s *Reader) HasRecords() bool { return s.ours }

// Damage is what opening the file has found: gaps, a cut, a missing seek
// table. VerifyFrames finds more.
func (s *Reader) Damage() []*FrameError { return s.damage }

// Frames is how many frames there are.
func (s *Reader) Frames() int { return len(s.frames) }

// Frame is frame i.
func (s *Reader) Frame(i int) Frame {
	f := &s.frames[i]
	return Frame{f.offset, int64(f.compressedSize), f.start, int64(f.contentSize)}
}

// add appends a frame, whose content begins where it says.
func (s *Reader) add(f frame) {
	s.frames = append(s.frames, f)
	s.content = f.start + int64(f.contentSize)
}

// find is the frame that holds content offset off, or false and where the next
// content after off begins.
func (s *Reader) find(off int64) (i int, next int64, ok bool) {
	i = sort.Search(len(s.frames), func(i int) bool { return s.frames[i].start > off }) - 1
	if i >= 0 && off < s.frames[i].start+int64(s.frames[i].contentSize) {
		return i, 0, true
	}
	if i+1 < len(s.frames) {
		return 0, s.frames[i+1].start, false
	}
	return 0, s.content, false
}

// ReadAt reads content. Where a frame is missing or damaged it returns what is
// before it and a *FrameError that names the range.
func (s *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("seekable zstd: read at negative offset %d", off)
	}
	for n < len(p) {
		if off >= s.content {
			return n, io.EOF
		}
		i, next, ok := s.find(off)
		if !ok {
			return n, &FrameError{Frame: -1, Start: off, End: next, Err: ErrMissing}
		}
		m, err := s.readFrame(p[n:], i, off-s.frames[i].start)
		n += m
		off += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readFrame copies content of frame i from its byte within on.
func (s *Reader) readFrame(p []byte, i int, within int64) (int, error) {
	f := &s.frames[i]
	if within == 0 && len(p) >= int(f.contentSize) && !s.cache.has(i) {
		// The whole frame is wanted: it goes where it is wanted.
		whole := p[:f.contentSize:f.contentSize]
		d, err := s.load(i, func(int) []byte { return whole })
		if err != nil {
			return 0, err
		}
		if !d.isAt(whole) {
			d.copy(whole, 0)
		}
		return len(whole), nil
	}
	d, err := s.cache.get(i, func() (decoded, error) { return s.load(i, newRoom) })
	if err != nil {
		return 0, err
	}
	return d.copy(p, within), nil
}
