package seekable

import (
	"errors"
	"io"
)

// Writer compresses what is written to it. Close must be called, also after an
// error: it writes the seek table and ends the workers. A Writer is for one
// goroutine.
type Writer struct {
	o       WriterOptions
	output  output
	zero    *zeroEncoder
	serial  *encoder
	pool    *pool // nil when serial
	job     *job  // where content is collected
	zeros   int   // bytes of zero chunks that wait for their frame
	offset  int64 // content offset of the next chunk, waiting zeros included
	closed  bool
	lastErr error
}

// job is a frame on its way.
type job struct {
	buffer []byte // content
	n      int    // bytes of it
	offset int64
	output []byte
	size   int           // content size of the frame in output
	done   chan struct{} // of a pool: output is made
}

func newJob(o *WriterOptions) *job {
	return &job{
		buffer: make([]byte, o.FrameSize),
		output: make([]byte, 0, RecordSize+o.maxCompressedSize(o.FrameSize)),
		done:   make(chan struct{}, 1),
	}
}

// NewWriter makes a Writer onto w, which gets whole frames, each with its
// record, in one Write.
func NewWriter(w io.Writer, o WriterOptions) (*Writer, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	s := &Writer{o: o, zero: newZeroEncoder(&o)}
	s.output = output{w: w, o: &s.o}
	var err error
	if o.Workers == 1 {
		s.job = newJob(&s.o)
		s.serial, err = newEncoder(&s.o)
	} else if s.pool, err = newPool(&s.o, &s.output); err == nil {
		s.job = s.pool.take()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// CompressedSize is how many bytes the underlying writer has taken.
func (w *Writer) CompressedSize() int64 { return w.output.written.Load() }

// ContentSize is how much content the underlying writer has taken, in whole
// frames.
func (w *Writer) ContentSize() int64 { return w.output.content.Load() }

// Write compresses p. An error of the underlying writer may come only with a
// later Write, or with Close, and then comes with each.
func (w *Writer) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := w.state(); err != nil {
			return n, err
		}
		if w.pool == nil && w.job.n == 0 && len(p)-n >= w.o.FrameSize {
			// A whole chunk is compressed where it lies.
			w.chunk(p[n : n+w.o.FrameSize])
			n += w.o.FrameSize
			continue
		}
		m := copy(w.job.buffer[w.job.n:], p[n:])
		n += m
		w.job.n += m
		w.chunkIfFull()
	}
	return n, w.state()
}

// ReadFrom compresses all that r has, without the copy that Write makes.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	for {
		if err := w.state(); err != nil {
			return n, err
		}
		m, err := r.Read(w.job.buffer[w.job.n:])
		n += int64(m)
		w.job.n += m
		w.chunkIfFull()
		if errors.Is(err, io.EOF) {
			return n, w.state()
		}
		if err != nil {
			return n, err
		}
	}
}

func (w *Writer) chunkIfFull() {
	if w.job.n == w.o.FrameSize {
		w.chunk(w.job.buffer)
	}
}

// chunk takes the next FrameSize bytes of content: the job's buffer, or when
// serial any others. Errors stay in the output.
func (w *Writer) chunk(content []byte) {
	w.job.n = 0
	if isZero(content) {
		w.zeros += len(content)
		w.offset += int64(len(content))
		if w.zeros+w.o.FrameSize > MaxZeroRun {
			w.flushZeros()
		}
		return
	}
	w.flushContent(content)
}

// flushContent makes a frame of content, after the zeros before it.
func (w *Writer) flushContent(content []byte) {
	offset := w.offset
	w.offset += int64(len(content))
	if w.pool == nil {
		w.flushZerosAt(offset)
		w.job.output = w.serial.encode(w.job.output[:0], content, offset)
		_ = w.output.emit(w.job.output, len(content))
		return
	}
	full := w.job // its buffer is content
	w.flushZerosAt(offset)
	full.n, full.offset = len(content), offset
	w.pool.compress(full)
	w.job = w.pool.take()
}

func (w *Writer) flushZeros() { w.flushZerosAt(w.offset) }

// flushZerosAt makes a frame of the waiting zeros, which end at end.
func (w *Writer) flushZerosAt(end int64) {
	if w.zeros == 0 {
		return
	}
	n := w.zeros
	w.zeros = 0
	j := w.job
	if w.pool != nil {
		j = w.pool.take()
	}
	j.output = w.zero.encode(j.output[:0], n, end-int64(n))
	j.size = n
	if w.pool == nil {
		_ = w.output.emit(j.output, n)
		return
	}
	w.pool.send(j)
}

// FlushFrame ends the frame: all content up to here has reached the underlying
// writer when it returns. A new chunk begins.
func (w *Writer) FlushFrame() error {
	if err := w.state(); err != nil {
		return err
	}
	w.flushRest()
	if w.pool != nil {
		w.pool.wait()
	}
	return w.state()
}

func (w *Writer) flushRest() {
	if w.job.n > 0 {
		content := w.job.buffer[:w.job.n]
		w.job.n = 0
		w.flushContent(content)
		return
	}
	w.flushZeros()
}

// state is the error so far.
func (w *Writer) state() error {
	if w.closed {
		return ErrClosed
	}
	if w.pool != nil {
		return w.pool.failure()
	}
	return w.output.err
}

// Close writes what is left and the seek table. After ErrLimit it still writes
// the table, for which there is room, and returns ErrLimit.
func (w *Writer) Close() error {
	if w.closed {
		return w.lastErr
	}
	if w.state() == nil {
		w.flushRest()
	}
	if w.pool != nil {
		w.pool.close()
	}
	w.closed = true
	err := w.output.err
	if err == nil || errors.Is(err, ErrLimit) {
		if tableErr := w.output.finish(); tableErr != nil {
			err = w.output.err
		}
	}
	w.lastErr = err
	return err
}

var (
	_ io.WriteCloser = (*Writer)(nil)
	_ io.ReaderFrom  = (*Writer)(nil)
)
