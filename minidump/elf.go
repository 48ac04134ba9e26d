package minidump

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ELFCore is a minidump as an ELF core file (ET_CORE), made as it is read.
//
// The program headers are at offset 64. There is one PT_LOAD for each run of
// pages that follow one another in virtual and in physical memory, ascending
// by virtual address:
//
//   - kernel addresses of the dump's own page tables;
//   - the direct map, which has every page of the dump that lies in it, so
//     that a page can be seen at two addresses: the headers share its bytes;
//   - pages that neither has, at a virtual address equal to their physical
//     one, as FreeBSD's full dumps have all.
//
// Pages that the dump does not have (holes, a file that was cut) are in no
// PT_LOAD. Where there are more than 65534 program headers their number is in
// section header 0 (PN_XNUM), the only one, which then follows them.
//
// One PT_NOTE has, in this order:
//
//	"CORE", NT_PRSTATUS   Linux's, one for each CPU whose registers the dump's
//	                      notes have, that which panicked first; the thread
//	                      number is the CPU's number plus 1
//	"rescuekernel", ELFNoteFacts     text, see there
//	"rescuekernel", ELFNoteNotes     the dump notes (EncodeNotes)
//	"rescuekernel", ELFNoteMessages  the message buffer, oldest first
//
// Debuggers take NT_PRSTATUS for threads; gdb opens a core without any, dlv
// does not. There is no NT_PRPSINFO: gdb would warn that the kernel has another
// name than the process.
type ELFCore struct {
	reader   *Reader
	machine  uint16
	segments []elfSegment
	limit    int // of segments
	omitted  uint64
	notes    []byte
	// interrupted is the offset in notes of the value of that fact.
	interrupted int64
	numbers     uint64 // of program headers
	tableEnd    int64  // of program headers and section header
	data        int64  // offset of the first page
	from        int64  // offset in the dump of the first page
	size        int64
}

// elfSegment is one PT_LOAD.
type elfSegment struct {
	virtual, physical uint64
	offset            int64 // in the dump
	size              uint64
}

// Numbers of System V ABI's ELF format, beside those in full.go. They are not taken from debug/elf, which
// brings debug/dwarf and two decompressors along: a rescue program links this
// package.
const (
	elfVersion          = 1 // EV_CURRENT
	elfSegmentNote      = 4 // PT_NOTE
	elfReadWriteExecute = 7 // PF_R | PF_W | PF_X
	elfNotePRStatus     = 1 // NT_PRSTATUS
)

// Sizes of ELF64 structures.
const (
	coreHeaderSize  = 64
	coreProgramSize = 56
	coreFileSize    = 32 // p_filesz in a program header
	coreSectionSize = 64
	coreManyHeaders = 0xffff // PN_XNUM
)

// maximumSegments caps the PT_LOADs of an ELF core: 64 MiB of memory.
const maximumSegments = 2 << 20

// NewELFCore lays the minidump of r out as an ELF core. It walks the dump's
// page tables, which takes a while for a large one: ctx can stop it. Damage
// costs segments, not the core: Omitted counts kernel mappings that were left
// out because there were too many. It fails with ErrUnsupported for full dumps,
// which are ELF cores, and for architectures whose page tables are not read.
func NewELFCore(ctx context.Context, r *Reader) (*ELFCore, error) {
	return newELFCore(ctx, r, maximumSegments)
}

func newELFCore(ctx context.Context, r *Reader, limit int) (*ELFCore, error) {
	c := &ELFCore{reader: r, limit: limit}
	switch h := r.Header(); {
	case r.Format() != FormatMinidump:
		return nil, fmt.Errorf("convert to ELF core: a full dump is one: %w", ErrUnsupported)
	case h.Architecture == AMD64:
		c.machine = elfMachineAMD64
	case h.Architecture == ARM64:
		c.machine = elfMachineARM64
	default:
		return nil, fmt.Errorf("convert to ELF core: %w", &UnsupportedError{Architecture: h.Architecture, What: "virtual addresses"})
	}
	if err := c.findSegments(ctx); err != nil {
		return nil, fmt.Errorf("convert to ELF core: %w", err)
	}
	c.notes = c.buildNotes()
	c.layOut()
	return c, nil
}

// layOut places the parts of the file.
func (c *ELFCore) layOut() {
	c.numbers = uint64(len(c.segments)) + 1
	c.tableEnd = coreHeaderSize + int64(c.numbers)*coreProgramSize
	if c.numbers >= coreManyHeaders {
		c.tableEnd += coreSectionSize
	}
	layout := c.reader.Layout()
	c.data = roundUp(c.tableEnd+int64(len(c.notes)), layout.PageSize)
	c.from = layout.PageOffset(0)
	pages := max(0, min(c.reader.Size(), layout.Size())-c.from) / layout.PageSize
	c.size = c.data + pages*layout.PageSize
}

// Size is the size of the ELF file.
func (c *ELFCore) Size() int64 { return c.size }

// NumSegments is the number of PT_LOADs.
func (c *ELFCore) NumSegments() int { return len(c.segments) }

// Omitted is the number of kernel mappings that are in no PT_LOAD because
// there were too many.
func (c *ELFCore) Omitted() uint64 { return c.omitted }

// ReadAt implements io.ReaderAt. It is as safe for use by several goroutines
// as the dump's file is.
func (c *ELFCore) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read ELF core: %w: %d", errNegativeOffset, offset)
	}
	n := 0
	for n < len(p) && offset < c.data {
		m := c.readHead(p[n:], offset)
		n, offset = n+m, offset+int64(m)
	}
	if left := c.size - offset; n < len(p) && left > 0 {
		part := p[n:int(min(int64(len(p)), int64(n)+left))]
		m, err := c.reader.file.ReadAt(part, offset-c.data+c.from)
		n += m
		if m < len(part) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readHead fills the start of p with something of what comes before the pages.
func (c *ELFCore) readHead(p []byte, offset int64) int {
	programs := coreHeaderSize + int64(c.numbers)*coreProgramSize
	switch {
	case offset < coreHeaderSize:
		return copy(p, c.header()[offset:])
	case offset < programs:
		i, inside := (offset-coreHeaderSize)/coreProgramSize, (offset-coreHeaderSize)%coreProgramSize
		b := c.program(i)
		return copy(p, b[inside:])
	case offset < c.tableEnd:
		// Section header 0: sh_info is the number of program headers.
		var b [coreSectionSize]byte
		binary.LittleEndian.PutUint32(b[44:], uint32(c.numbers))
		return copy(p, b[offset-programs:])
	case offset < c.tableEnd+int64(len(c.notes)):
		return copy(p, c.notes[offset-c.tableEnd:])
	default:
		p = p[:min(int64(len(p)), c.data-offset)]
		clear(p)
		return len(p)
	}
}

// header makes the ELF header (System V ABI, "ELF Header").
func (c *ELFCore) header() []byte {
	b := make([]byte, coreHeaderSize)
	copy(b, "\x7fELF")
	b[4], b[5], b[6] = elfClass64, elfDataLittle, elfVersion
	binary.LittleEndian.PutUint16(b[16:], elfTypeCore)
	binary.LittleEndian.PutUint16(b[18:], c.machine)
	binary.LittleEndian.PutUint32(b[20:], elfVersion)
	binary.LittleEndian.PutUint64(b[32:], coreHeaderSize) // e_phoff
	binary.LittleEndian.PutUint16(b[52:], coreHeaderSize) // e_ehsize
	binary.LittleEndian.PutUint16(b[54:], coreProgramSize)
	binary.LittleEndian.PutUint16(b[56:], uint16(min(c.numbers, coreManyHeaders)))
	if c.numbers >= coreManyHeaders {
		binary.LittleEndian.PutUint64(b[40:], uint64(c.tableEnd-coreSectionSize)) // e_shoff
		binary.LittleEndian.PutUint16(b[58:], coreSectionSize)
		binary.LittleEndian.PutUint16(b[60:], 1) // e_shnum
	}
	return b
}

// program makes program header i: first that of the notes.
func (c *ELFCore) program(i int64) (b [coreProgramSize]byte) {
	put := func(kind, flags uint32, numbers ...uint64) {
		binary.LittleEndian.PutUint32(b[0:], kind)
		binary.LittleEndian.PutUint32(b[4:], flags)
		for i, n := range numbers {
			binary.LittleEndian.PutUint64(b[8+8*i:], n)
		}
	}
	if i == 0 {
		put(elfSegmentNote, 0, uint64(c.tableEnd), 0, 0, uint64(len(c.notes)), 0, 4)
		return b
	}
	s := &c.segments[i-1]
	put(elfSegmentLoad, elfReadWriteExecute, uint64(s.offset-c.from+c.data), s.virtual, s.physical, s.size, s.size,
		uint64(c.reader.PageSize()))
	return b
}

// WriteTo implements io.WriterTo: all of the file, from its start.
func (c *ELFCore) WriteTo(w io.Writer) (int64, error) {
	report, err := c.Convert(context.Background(), w, nil)
	return report.Written, err
}

// Convert writes the ELF core to w. Pages that the dump's file fails to give
// become zeros, and holes of the report. Progress, if not nil, is called after
// each block with the bytes done and in all.
//
// Ended by ctx or by an error, it leaves a core whose last segments are cut. If
// w is an io.WriterAt, their sizes in the file are then corrected, so that
// readers miss nothing and take what is not there for memory that was not
// dumped, and the fact "interrupted" is 1.
func (c *ELFCore) Convert(ctx context.Context, w io.Writer, progress Progress) (Conversion, error) {
	pages := func(offset int64) int64 {
		if offset < c.data {
			return math.MinInt64
		}
		return offset - c.data + c.from
	}
	report, err := c.reader.stream(ctx, w, c, c.size, pages, progress)
	if at, ok := w.(io.WriterAt); ok && err != nil && report.Written >= c.data {
		if cutErr := c.cut(at, report.Written); cutErr != nil {
			err = errors.Join(err, fmt.Errorf("correct the headers of what was written: %w", cutErr))
		}
	}
	return report, err
}

// cut corrects what was written before it ended after size bytes.
func (c *ELFCore) cut(w io.WriterAt, size int64) error {
	for i := range c.segments {
		s := &c.segments[i]
		start := s.offset - c.from + c.data
		if start+int64(s.size) <= size {
			continue
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(max(0, size-start)))
		if _, err := w.WriteAt(b[:], coreHeaderSize+int64(i+1)*coreProgramSize+coreFileSize); err != nil {
			return err
		}
	}
	_, err := w.WriteAt([]byte("1"), c.tableEnd+c.interrupted)
	return err
}
