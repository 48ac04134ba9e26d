package reserve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// ErrImage is wrapped by all errors about an image.
var ErrImage = errors.New("not an image that can be loaded")

// Limits of an image.
const (
	maxSegments  = 32
	MaxImageSize = 256 << 20 // file-backed pages
)

// Fields of an ELF64 file (System V ABI, chapters 4 and 5).
const (
	elfHeaderSize   = 64
	elfProgramSize  = 56
	elfTypeExec     = 2
	elfLoad         = 1
	elfDynamic      = 2
	elfInterpreter  = 3
	elfExecute      = 1
	elfWrite        = 2
	elfOffsetType   = 16
	elfOffsetArch   = 18
	elfOffsetEntry  = 24
	elfOffsetPhoff  = 32
	elfOffsetPhsize = 54
	elfOffsetPhnum  = 56
)

// Segment is one loadable part of an image.
type Segment struct {
	Start      uint64 // virtual, page aligned
	FileEnd    uint64 // virtual end of the bytes that the file has
	MemoryEnd  uint64 // virtual end with zero bytes
	Offset     int64  // of Start in the file
	Writable   bool
	Executable bool
}

// Pages is the virtual range of the pages that hold bytes of the file.
func (s Segment) pages() (start, end uint64) {
	return s.Start, alignUp(s.FileEnd, handoff.PageSize)
}

// Image is a static ELF program that package kernel's rules hold for: linked
// at fixed addresses in the kernel window, no segment both writable and
// executable. It reads its file when it is loaded.
type Image struct {
	Architecture handoff.Architecture
	Entry        uint64
	Segments     []Segment // ascending

	file io.ReaderAt
}

// OpenImage reads an image's headers. The file is read again when the image is
// loaded; it may be closed after that.
func OpenImage(file io.ReaderAt) (*Image, error) {
	var h [elfHeaderSize]byte
	if err := readFull(file, h[:], 0); err != nil {
		return nil, fmt.Errorf("%w: ELF header: %w", ErrImage, err)
	}
	// 64-bit, little-endian, version 1.
	if string(h[:7]) != "\x7fELF\x02\x01\x01" {
		return nil, fmt.Errorf("%w: it begins with %x, not as a little-endian ELF64 file", ErrImage, h[:7])
	}
	if t := binary.LittleEndian.Uint16(h[elfOffsetType:]); t != elfTypeExec {
		return nil, fmt.Errorf("%w: ELF type %d, want %d (ET_EXEC): link it static, without -buildmode=pie", ErrImage, t, elfTypeExec)
	}
	image := &Image{
		Architecture: handoff.Architecture(binary.LittleEndian.Uint16(h[elfOffsetArch:])),
		Entry:        binary.LittleEndian.Uint64(h[elfOffsetEntry:]),
		file:         file,
	}
	if image.Architecture != handoff.AMD64 && image.Architecture != handoff.ARM64 {
		return nil, fmt.Errorf("%w: it is for %v", ErrImage, image.Architecture)
	}
	if err := image.readSegments(h[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	if err := image.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	return image, nil
}

func (i *Image) readSegments(h []byte) error {
	count := int(binary.LittleEndian.Uint16(h[elfOffsetPhnum:]))
	size := binary.LittleEndian.Uint16(h[elfOffsetPhsize:])
	offset := binary.LittleEndian.Uint64(h[elfOffsetPhoff:])
	if count == 0 || count > maxSegments || size != elfProgramSize || offset > MaxImageSize {
		return fmt.Errorf("%d program headers of %d bytes at %#x", count, size, offset)
	}
	headers := make([]byte, count*elfProgramSize)
	if err := readFull(i.file, headers, int64(offset)); err != nil {
		return fmt.Errorf("program headers: %w", err)
	}
	for ; len(headers) > 0; headers = headers[elfProgramSize:] {
		switch kind := binary.LittleEndian.Uint32(headers); kind {
		case elfLoad:
			if err := i.addSegment(headers[:elfProgramSize]); err != nil {
				return err
			}
		case elfDynamic, elfInterpreter:
			return fmt.Errorf("it is linked dynamically (program header type %d)", kind)
		}
	}
	return nil
}

// addSegment checks one PT_LOAD header on its own.
func (i *Image) addSegment(p []byte) error {
	flags := binary.LittleEndian.Uint32(p[4:])
	offset := binary.LittleEndian.Uint64(p[8:])
	start := binary.LittleEndian.Uint64(p[16:])
	fileSize := binary.LittleEndian.Uint64(p[32:])
	memorySize := binary.LittleEndian.Uint64(p[40:])
	if memorySize == 0 {
		return nil
	}
	// The page may hold bytes before the segment's; they belong to the file
	// and are loaded with it.
	skew := start % handoff.PageSize
	if offset%handoff.PageSize != skew || offset > 1<<40 {
		return fmt.Errorf("segment at %#x: file offset %#x", start, offset)
	}
	if start < handoff.ImageBase || start > handoff.KernelBase+handoff.MaxWindow ||
		memorySize > handoff.MaxWindow-(start-handoff.KernelBase) {
		return fmt.Errorf("segment of %#x bytes at %#x: not in the window from %#x on (link with -T %#x)", memorySize, start, handoff.ImageBase, handoff.LinkText)
	}
	if fileSize > memorySize || fileSize > MaxImageSize {
		return fmt.Errorf("segment at %#x: %#x bytes in the file, %#x in memory, at most %#x", start, fileSize, memorySize, MaxImageSize)
	}
	if flags&elfWrite != 0 && flags&elfExecute != 0 {
		return fmt.Errorf("segment at %#x: it is both writable and executable", start)
	}
	i.Segments = append(i.Segments, Segment{
		Start: start - skew, FileEnd: start + fileSize, MemoryEnd: start + memorySize,
		Offset: int64(offset - skew), Writable: flags&elfWrite != 0, Executable: flags&elfExecute != 0,
	})
	return nil
}

// check looks at the segments together.
func (i *Image) check() error {
	if len(i.Segments) == 0 {
		return errors.New("there is no loadable segment")
	}
	entered := false
	for n, s := range i.Segments {
		if n > 0 {
			last := i.Segments[n-1]
			if s.Start < alignUp(last.MemoryEnd, handoff.PageSize) {
				return fmt.Errorf("segment at %#x: it shares a page with the one before, which ends at %#x", s.Start, last.MemoryEnd)
			}
			if alignUp(last.FileEnd, handoff.PageSize) < alignUp(last.MemoryEnd, handoff.PageSize) {
				return fmt.Errorf("segment at %#x: it has zero pages and is not the last", last.Start)
			}
		}
		entered = entered || s.Executable && s.Start <= i.Entry && i.Entry < s.FileEnd
	}
	if !entered {
		return fmt.Errorf("entry point %#x is not in an executable segment", i.Entry)
	}
	if size := i.fileEnd() - i.linkBase(); size > MaxImageSize {
		return fmt.Errorf("%#x bytes of pages, at most %#x", size, MaxImageSize)
	}
	return nil
}

func (i *Image) linkBase() uint64 { return i.Segments[0].Start }

func (i *Image) fileEnd() uint64 {
	return alignUp(i.Segments[len(i.Segments)-1].FileEnd, handoff.PageSize)
}

func (i *Image) memoryEnd() uint64 {
	return alignUp(i.Segments[len(i.Segments)-1].MemoryEnd, handoff.PageSize)
}

// Layout is where the image is linked, as the hand-off block says it.
func (i *Image) Layout() handoff.Image {
	return handoff.Image{Entry: i.Entry, LinkBase: i.linkBase(), FileEnd: i.fileEnd(), MemoryEnd: i.memoryEnd()}
}

// Bytes is the image's file-backed pages in link order, with zeros in gaps and
// behind the last byte of a segment: what PartImage holds.
func (i *Image) Bytes() ([]byte, error) {
	base := i.linkBase()
	data := make([]byte, i.fileEnd()-base)
	for _, s := range i.Segments {
		if s.FileEnd == s.Start {
			continue
		}
		if err := readFull(i.file, data[s.Start-base:s.FileEnd-base], s.Offset); err != nil {
			return nil, fmt.Errorf("%w: segment at %#x: %w", ErrImage, s.Start, err)
		}
	}
	return data, nil
}

// readFull reads all of p; a file that ends before is io.ErrUnexpectedEOF.
func readFull(file io.ReaderAt, p []byte, offset int64) error {
	n, err := file.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%d of %d bytes at offset %#x: %w", n, len(p), offset, err)
}

func alignUp(v, alignment uint64) uint64 { return (v + alignment - 1) &^ (alignment - 1) }
