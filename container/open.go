package container

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
)

var (
	// ErrTooDeep says that a file has more layers than any dump has: it was
	// made to keep us busy.
	ErrTooDeep = errors.New("too many layers")

	// ErrNoData says that a dump device has the header of a dump of which no
	// data was written.
	ErrNoData = errors.New("dump was cut before any of its data was written")

	// ErrKeyNeeded says that a dump is encrypted and no private key was given.
	ErrKeyNeeded = errors.New("dump is encrypted: the RSA private key is needed")

	// ErrUnknownEnd says that a cut dump does not tell where it was cut:
	// behind the cut are bytes of whatever was on the device before.
	ErrUnknownEnd = errors.New("it is not known where the dump was cut; its end may be older data")
)

// maxLayers is more than a saved image of a device with a compressed,
// encrypted dump has.
const maxLayers = 6

// Layer is one layer of a file, the outermost first.
type Layer struct {
	Format Format
	Detail string // for people: "AES-256-CBC", "seekable, 512 frames"
	Size   int64  // of the layer itself, in bytes; math.MaxInt64 if not known
}

// File is an open dump: an io.ReaderAt over the minidump or full dump, of Size
// bytes.
type File struct {
	current  io.ReaderAt
	size     int64
	layers   []Layer
	dump     *kerneldump.Dump
	frames   *seekable.Reader
	problems []error
	spools   []*Spool
}

// ReadAt reads the dump.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.current.ReadAt(p, off) }

// Size is the size of the dump; with WithLazySpool it may be math.MaxInt64.
func (f *File) Size() int64 { return f.size }

// Format is FormatMinidump or FormatFullDump.
func (f *File) Format() Format { return f.layers[len(f.layers)-1].Format }

// Layers are what the dump is wrapped in, the outermost first, and last the
// dump itself.
func (f *File) Layers() []Layer { return f.layers }

// KernelDump is the dump's header on the device it was found on, or nil.
func (f *File) KernelDump() *kerneldump.Dump { return f.dump }

// Frames is the seekable zstd layer, or nil; its VerifyFrames checks all of it.
func (f *File) Frames() *seekable.Reader { return f.frames }

// Complete reports whether nothing is known to be missing.
func (f *File) Complete() bool { return len(f.problems) == 0 }

// Problems are why the dump is not complete, the outermost layer's first.
// Only opening has found them; reading may find more.
func (f *File) Problems() []error { return f.problems }

// Close frees what Open took, temporary files among it. It does not close what
// was given to Open.
func (f *File) Close() error {
	var errs []error
	for _, s := range f.spools {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// opener peels layers.
type opener struct {
	*File
	o options

	keyUsed bool
	stream  *uint32 // number that a cut dump's frames must have
	padded  bool    // what follows the dump is not known: the layer's own end counts
}

// Open opens the dump in the first size bytes of r. It only reads, and keeps
// r for as long as the File is in use. The errors are a *FormatError for what
// is no dump, ErrKeyNeeded and those of package ekcd for encrypted ones,
// ErrNoData, ErrSpoolLimit, and r's own.
func Open(r io.ReaderAt, size int64, opts ...Option) (*File, error) {
	p := opener{File: &File{current: r, size: size}}
	for _, set := range opts {
		set(&p.o)
	}
	for {
		done, err := p.peel()
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		if done {
			return p.File, nil
		}
		if len(p.layers) > maxLayers {
			return nil, errors.Join(fmt.Errorf("%w: %d", ErrTooDeep, len(p.layers)), p.Close())
		}
	}
}

// push notes a layer and goes on with what is in it.
func (p *opener) push(f Format, detail string, inside io.ReaderAt, size int64) {
	p.layers = append(p.layers, Layer{Format: f, Detail: detail, Size: p.size})
	p.current, p.size = inside, size
}

func (p *opener) problem(err error) { p.problems = append(p.problems, err) }

// peel takes off one layer, or reports that the dump itself is reached.
func (p *opener) peel() (done bool, err error) {
	start := make([]byte, max(min(identifySize, p.size), 0))
	n, err := p.current.ReadAt(start, 0)
	if n == 0 && len(start) > 0 && err != nil && err != io.EOF {
		return false, fmt.Errorf("read the start of the file: %w", err)
	}
	start = start[:n]
	f, detail := identify(start)
	if f == FormatELF {
		f, detail = identifyELF(p.current, p.size, start)
	}
	if p.dump == nil {
		if found, err := p.findDump(f); found || err != nil {
			return false, err
		}
	}
	if p.o.keyBlock != nil && !p.keyUsed {
		return false, p.decrypt(p.o.keyBlock)
	}
	switch f {
	case FormatMinidump, FormatFullDump:
		p.layers = append(p.layers, Layer{Format: f, Detail: detail, Size: p.size})
		return true, nil
	case FormatZstd:
		return false, p.openZstd()
	case FormatGzip:
		return false, p.openGzip()
	}
	return false, p.refuse(f, detail, start)
}

// refuse says why what is left is no dump.
func (p *opener) refuse(f Format, detail string, start []byte) error {
	if f == FormatUnknown && isZero(p.current, p.size, start) {
		f, detail = FormatZeros, ""
		if p.dump != nil && p.dump.Problem != nil {
			return ErrNoData
		}
	}
	e := formatError(f, detail)
	if p.keyUsed && f == FormatUnknown {
		e.Detail = "decrypted"
		e.Advice = "the key block may be another dump's: is it the key.N with the same number?"
	}
	if n := len(p.layers); n > 0 {
		return fmt.Errorf("in %v: %w", p.layers[n-1].Format, e)
	}
	return e
}

// isZero reports whether the file is zero as far as one looks: its first MiB
// and its last.
func isZero(r io.ReaderAt, size int64, start []byte) bool {
	const look = 1 << 20
	for _, c := range start {
		if c != 0 {
			return false
		}
	}
	b := make([]byte, min(size, look))
	for _, off := range []int64{0, max(size-look, 0)} {
		n, _ := r.ReadAt(b, off)
		for _, c := range b[:n] {
			if c != 0 {
				return false
			}
		}
	}
	return true
}

// unknownSize is the size of what is decompressed as it is read.
const unknownSize = math.MaxInt64
