package minidump

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Dumper is a host's memory as one minidump file: FreeBSD's /dev/dumper, read
// at any offset, any number of times, by any number of goroutines. It holds
// the snapshot of the page bitmap and a few pages; everything else is read
// from the host as it is asked for.
//
// No read fails: what cannot be read is zero in the dump and one of its Holes.
// The same memory gives the same bytes whatever the order of the reads, as
// long as reading it fails at the same places. The notes pages list such
// places, so the first read of one of them tries every page that was not read
// yet; memory that a physmem.Viewer lends needs no try. A page that fails
// after that is zero and in Holes only.
//
// ReadAt, Holes, Marks and the functions that tell facts are safe for use by
// several goroutines; Read, Seek and WriteTo share one offset and are not.
type Dumper struct {
	source    Source
	pageSize  uint64
	allowed   physmem.Ranges // where memory may be read
	viewer    physmem.Viewer // Memory, if it lends
	notesArea physmem.Range
	available *DumpAvail
	bits      uint64 // that the snapshot has
	bitmap    *BitmapSnapshot
	header    Header
	layout    Layout
	tables    tables

	headerPage       []byte
	availableSection []byte
	message          messageSection
	known            []Hole // holes that were known when the Dumper was opened
	marks            marks

	failures   failures
	prefix     atomic.Uint64 // pages of lower rank have been read or tried
	notesOnce  sync.Once
	notesPages []byte // the notes area's content, when notesOnce is done

	mu   sync.Mutex
	free []*scratch

	offset int64  // of Read, Seek and WriteTo
	buffer []byte // of WriteTo
}

// scratch is what one reader needs for itself.
type scratch struct {
	page   []byte // one page of the dump
	walker tableWalker
}

// NewDumper opens the host of source for dumping. What the host says is read
// once, here: dump_avail, the bitmap, the upper levels of its page tables.
//
// It fails, with ErrSource, only where source contradicts itself: no memory,
// an architecture, version or page size that cannot be written, a notes area
// that is not whole pages. What is wrong with the host is marked (Marks, and
// in the dump's notes) and dealt with so:
//
//   - no dump_avail that makes sense: its good ranges up to the first bad
//     one; if there are none, those of Readable;
//   - bitmap missing, too short or unreadable: the pages of Readable that it
//     does not tell about count as set; bits beyond dump_avail are dropped;
//   - bitmap larger than Storage, or than 1 GiB without: its end is left out;
//   - a page table that is missing or wrong: its part of the page-table
//     section is zero; tables that lie outside of memory stay as they are;
//   - a window of kernel addresses that makes no sense: no page-table section;
//   - message buffer that cannot be read: zeros;
//   - a notes area outside of dump_avail: no notes.
func NewDumper(source Source) (*Dumper, error) {
	if err := source.check(); err != nil {
		return nil, err
	}
	d := &Dumper{source: source, pageSize: uint64(source.PageSize), allowed: source.allowed()}
	d.viewer, _ = source.Memory.(physmem.Viewer)
	if err := d.openDumpAvail(); err != nil {
		return nil, err
	}
	words := d.readBitmap()
	d.openTables()
	if err := d.openNotes(words); err != nil {
		return nil, err
	}
	d.scanTables(words)
	d.bitmap = NewBitmapSnapshot(words, d.bits)
	d.findHoles()
	d.openMessageBuffer()
	if err := d.layOut(); err != nil {
		return nil, err
	}
	return d, nil
}

// Size is the size of the dump in bytes.
func (d *Dumper) Size() int64 { return d.layout.Size() }

// Header is what the dump's header says.
func (d *Dumper) Header() Header { return d.header }

// Layout is where each section of the dump lies.
func (d *Dumper) Layout() Layout { return d.layout }

// DumpAvail is the ranges that the dump's bitmap runs over.
func (d *Dumper) DumpAvail() *DumpAvail { return d.available }

// Bitmap is the snapshot of the page bitmap, as it is dumped.
func (d *Dumper) Bitmap() *BitmapSnapshot { return d.bitmap }

// ReadAt implements io.ReaderAt. It fails only at the end, with io.EOF, and
// for a negative offset.
func (d *Dumper) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read dump: negative offset %d", offset)
	}
	n := 0
	var s *scratch
	for n < len(p) {
		at := offset + int64(n)
		section, ok := d.layout.Find(at)
		if !ok {
			break
		}
		e := d.layout.Sections[section]
		part := p[n:int(min(int64(len(p)), e.End()-offset))]
		if s == nil && section >= SectionPageTables {
			s = d.borrow()
		}
		d.readSection(part, section, at-e.Offset, s)
		n += len(part)
	}
	if s != nil {
		d.giveBack(s)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readSection fills p with a section from offset in it on.
func (d *Dumper) readSection(p []byte, section Section, offset int64, s *scratch) {
	switch section {
	case SectionHeader:
		copy(p, d.headerPage[offset:])
	case SectionMessageBuffer:
		d.message.read(p, offset)
	case SectionDumpAvail:
		copy(p, d.availableSection[offset:])
	case SectionBitmap:
		readWords(p, d.bitmap.Words(), uint64(offset))
	case SectionPageTables:
		d.readTables(p, offset, s)
	default:
		d.readPages(p, offset, s)
	}
}

// Read implements io.Reader from the offset of Seek on.
func (d *Dumper) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.ReadAt(p, d.offset)
	d.offset += int64(n)
	if n > 0 {
		return n, nil
	}
	return n, err
}

// Seek implements io.Seeker. Any offset from 0 on may be sought: a dump that
// was broken off goes on from where it was.
func (d *Dumper) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += d.offset
	case io.SeekEnd:
		offset += d.Size()
	default:
		return d.offset, fmt.Errorf("seek in dump: whence %d", whence)
	}
	if offset < 0 {
		return d.offset, fmt.Errorf("seek in dump: %w: %d", errNegativeOffset, offset)
	}
	d.offset = offset
	return offset, nil
}

var errNegativeOffset = errors.New("negative offset")

// borrow takes a scratch that nobody uses, or makes one: there are as many as
// there were ever readers at the same time.
func (d *Dumper) borrow() *scratch {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		s := d.free[n-1]
		d.free = d.free[:n-1]
		return s
	}
	s, _ := d.newScratch() // the first, made by NewDumper, told whether it fails
	return s
}

func (d *Dumper) newScratch() (*scratch, error) {
	s := &scratch{page: make([]byte, d.source.PageSize)}
	var err error
	if d.tables.size > 0 {
		s.walker, err = d.newTableWalker()
	}
	return s, err
}

func (d *Dumper) giveBack(s *scratch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, s)
}
