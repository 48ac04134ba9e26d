package minidump

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Format is which of FreeBSD's two forms a dump has.
type Format uint8

const (
	// FormatMinidump has the pages of a bitmap, and the kernel's page tables.
	FormatMinidump Format = iota + 1
	// FormatFull is an ELF core file with all of physical memory.
	FormatFull
)

// String returns "minidump" or "full".
func (f Format) String() string {
	switch f {
	case FormatMinidump:
		return "minidump"
	case FormatFull:
		return "full"
	}
	return "unknown"
}

// Reader reads a dump. It is a physmem.Reader of the dumped machine. All of
// its methods may be called at the same time from several goroutines.
type Reader struct {
	file    io.ReaderAt
	size    int64
	options options

	format    Format
	header    Header
	layout    Layout
	available *DumpAvail
	bitmap    *BitmapSnapshot // nil in full dumps
	store     store
	virtual   *addressSpace
	problems  []error
	// incomplete: something of the header, dump_avail or the bitmap is not
	// there or cannot be used.
	incomplete bool

	notes        *Notes
	notesPointer NotesPointer
	notesErr     error
	holes        []Hole // that the notes record: ascending, not overlapping
}

// store finds physical memory in a file.
type store interface {
	// locate returns where address is in the file and how many bytes follow
	// in one piece there: at least one, at most want, none across a recorded
	// hole or the end of the file.
	locate(address physmem.Address, want uint64) (offset int64, n uint64, err error)
	// runs yields physically contiguous memory that is contiguous in the
	// file, in the order of the file, whether or not the file has it all.
	runs(yield func(physmem.Range, int64) bool)
}

// Option changes how Open reads a dump.
type Option func(*options)

type options struct {
	ignoreNotes   bool
	zeroBeyondEnd bool
	maxBitmapSize int64
	symbols       SymbolTable
	paging        any // amd64.Paging or arm64.Paging
	data          DataFinder
}

// DefaultMaxBitmapSize is how much memory Open takes for a page bitmap at most
// unless it is told otherwise: enough for 32 TiB of memory.
const DefaultMaxBitmapSize = 1 << 30

// IgnoreNotes makes Open look at a dump as other readers do: without the dump
// notes, so that recorded holes read as zeros.
func IgnoreNotes() Option { return func(o *options) { o.ignoreNotes = true } }

// ZeroBeyondEnd makes pages beyond the end of the file read as zeros. This is
// right for files whose last zero blocks a copy has left away, and wrong for
// files that were cut.
func ZeroBeyondEnd() Option { return func(o *options) { o.zeroBeyondEnd = true } }

// MaxBitmapSize sets how much memory may be taken for the page bitmap.
func MaxBitmapSize(bytes int64) Option { return func(o *options) { o.maxBitmapSize = bytes } }

// SymbolTable finds the address of a kernel's symbol.
type SymbolTable interface {
	SymbolAddress(name string) (address uint64, ok bool)
}

// WithSymbols gives Open the kernel's symbols, by which the page tables and
// the message buffer of a full dump are found. Minidumps need none.
func WithSymbols(s SymbolTable) Option { return func(o *options) { o.symbols = s } }

// Open opens a FreeBSD minidump or full dump of so many bytes.
//
// It reads the header, dump_avail and the page bitmap, and what a minidump of
// ours has for dump notes; of a full dump the ELF headers. A file that was cut
// or damaged behind its header opens with what there is: Problems says what is
// wrong and Holes which memory that costs. Open fails with ErrNotDump,
// ErrUnsupported or ErrTruncated (inside of the header itself).
func Open(file io.ReaderAt, size int64, opts ...Option) (*Reader, error) {
	r := &Reader{file: file, size: size}
	r.options.maxBitmapSize = DefaultMaxBitmapSize
	for _, option := range opts {
		option(&r.options)
	}
	start := make([]byte, max(0, min(size, headerReadSize)))
	n, err := file.ReadAt(start, 0)
	if n < len(start) && err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read header: %w", err)
	}
	start = start[:n]
	if isELF(start) {
		err = r.openFull(start)
	} else {
		err = r.openMinidump(start)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Format says which form the dump has.
func (r *Reader) Format() Format { return r.format }

// Header returns the header's facts. Of a full dump only the architecture and
// the page size are known.
func (r *Reader) Header() Header { return r.header }

// Layout returns where the sections are. Of a full dump only the header's and
// the pages' mean something, and pages may have gaps between them.
func (r *Reader) Layout() Layout { return r.layout }

// DumpAvail returns the ranges of physical memory that the dump is about.
func (r *Reader) DumpAvail() *DumpAvail { return r.available }

// Bitmap returns the page bitmap; nil of a full dump. Where the file was cut
// it is as long as what was there.
func (r *Reader) Bitmap() *BitmapSnapshot { return r.bitmap }

// Size is the size of the file as it is.
func (r *Reader) Size() int64 { return r.size }

// ExpectedSize is the size of the file as its header and bitmap make it. It is
// too small where part of the bitmap is missing.
func (r *Reader) ExpectedSize() int64 { return r.layout.Size() }

// Complete reports whether the file has everything that its header and bitmap
// promise. Holes that the dump notes record do not count, nor does damage to
// the notes.
func (r *Reader) Complete() bool { return !r.incomplete && r.size >= r.ExpectedSize() }

// Problems returns what Open found wrong with the file and could go on
// without.
func (r *Reader) Problems() []error { return append([]error(nil), r.problems...) }

// problem remembers an error that does not stop Open, but costs memory.
func (r *Reader) problem(err error) {
	r.problems = append(r.problems, err)
	r.incomplete = true
}

// PageSize is the size of a page in bytes.
func (r *Reader) PageSize() int { return int(r.header.PageSize) }

// NumPages is the number of pages that the dump should have.
func (r *Reader) NumPages() uint64 { return r.layout.Pages }

// Section returns the bytes of a section, without its padding and as far as
// the file goes.
func (r *Reader) Section(s Section) *io.SectionReader {
	if s >= sectionCount {
		return io.NewSectionReader(r.file, 0, 0)
	}
	e := r.layout.Sections[s]
	return io.NewSectionReader(r.file, e.Offset, max(0, min(e.Used, r.size-e.Offset)))
}
