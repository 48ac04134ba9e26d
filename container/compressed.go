package container

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/seed64aab995/rescuekernel/container/seekable"
)

// maxWindow is the largest zstd window that is decoded, zstd -d's own limit.
const maxWindow = 128 << 20

// openZstd takes off zstd: by frames if it can, else by way of a spool.
func (p *opener) openZstd() error {
	r, err := seekable.NewReader(p.current, p.size, seekable.ReaderOptions{Stream: p.stream})
	if p.stream != nil && (err != nil || len(r.Damage()) > 0 && r.Frames() == 0) {
		if other, otherErr := seekable.NewReader(p.current, p.size, seekable.ReaderOptions{}); otherErr == nil && other.HasRecords() {
			return fmt.Errorf("kernel dump of %s: %w: what is there is an older dump's", p.dump.Header.HostName, ErrNoData)
		}
	}
	if err == nil {
		return p.pushFrames(r)
	}
	if !errors.Is(err, seekable.ErrNotSeekable) {
		return err
	}
	counter := &countingReader{r: io.NewSectionReader(p.current, 0, p.size), total: p.size, progress: p.o.progress}
	d, err := zstd.NewReader(counter, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(1<<62))
	if err != nil {
		return fmt.Errorf("zstd: %w", err)
	}
	return p.pushSpool(FormatZstd, "one frame", d, d.Close)
}

func (p *opener) pushFrames(r *seekable.Reader) error {
	detail := fmt.Sprintf("%d frames", r.Frames())
	if r.HasRecords() {
		detail = "seekable, " + detail
	}
	if r.HasSeekTable() {
		detail += " by seek table"
	} else {
		detail += " by scanning"
	}
	for _, d := range r.Damage() {
		p.problem(fmt.Errorf("zstd: %w", d))
	}
	if r.Frames() == 0 && p.dump != nil && p.dump.Problem != nil {
		return ErrNoData
	}
	p.frames = r
	p.push(FormatZstd, detail, r, r.Size())
	return nil
}

// openGzip takes off gzip.
func (p *opener) openGzip() error {
	counter := &countingReader{r: io.NewSectionReader(p.current, 0, p.size), total: p.size, progress: p.o.progress}
	buffered := bufio.NewReaderSize(counter, 256<<10)
	z, err := gzip.NewReader(buffered)
	if err != nil {
		return fmt.Errorf("gzip: %w", err)
	}
	return p.pushSpool(FormatGzip, "", z, nil)
}

// pushSpool goes on with what r decompresses to.
func (p *opener) pushSpool(f Format, detail string, r io.Reader, done func()) error {
	ctx := p.o.context
	if ctx == nil {
		ctx = context.Background()
	}
	s := NewSpool(ctx, &memberReader{r: r, padded: p.padded}, done, p.o.spool)
	p.spools = append(p.spools, s)
	if p.o.lazy {
		p.push(f, detail, s, unknownSize)
		return nil
	}
	size, err := s.ReadAll()
	switch {
	case err == nil:
	case errors.Is(err, ErrSpoolLimit), ctx.Err() != nil, size == 0, !isStreamError(err):
		return fmt.Errorf("%v: %w", f, err)
	default: // cut or damaged: what was decompressed before is there
		p.problem(fmt.Errorf("%v after %d bytes: %w", f, size, err))
	}
	p.push(f, detail, s, size)
	return nil
}

// streamErrors are what the decompressors say of a cut or damaged file.
var streamErrors = []error{
	io.ErrUnexpectedEOF, gzip.ErrChecksum, gzip.ErrHeader, zstd.ErrCRCMismatch, zstd.ErrMagicMismatch, zstd.ErrReservedBlockType,
	zstd.ErrCompressedSizeTooBig, zstd.ErrBlockTooSmall, zstd.ErrUnexpectedBlockSize, zstd.ErrWindowSizeExceeded,
	zstd.ErrFrameSizeExceeded, zstd.ErrFrameSizeMismatch,
}

// isStreamError tells a damaged stream from a file that cannot be read or a
// spool that cannot be written.
func isStreamError(err error) bool {
	for _, e := range streamErrors {
		if errors.Is(err, e) {
			return true
		}
	}
	var read *readError
	return !errors.As(err, &read) && !isSpoolError(err)
}

// memberReader ends the stream where another member or frame would begin and
// does not, if padding is to be expected there.
type memberReader struct {
	r      io.Reader
	padded bool
}

func (m *memberReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.padded && (errors.Is(err, gzip.ErrHeader) || errors.Is(err, zstd.ErrMagicMismatch)) {
		err = io.EOF
	}
	return n, err
}

// readError is an error of the file under a decompressor, which may be any.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// countingReader tells how far a file has been read.
type countingReader struct {
	r        io.Reader
	n, total int64
	told     int64
	progress func(done, total int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.progress != nil && (c.n-c.told >= 1<<20 || err == io.EOF) {
		c.told = c.n
		c.progress(c.n, c.total)
	}
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}
