package minidump

import "fmt"

// Section is a part of a dump file.
type Section uint8

// The sections of a minidump in the order of the file. A full dump has
// SectionHeader (its ELF headers) and SectionPages only.
const (
	SectionHeader Section = iota
	SectionMessageBuffer
	SectionDumpAvail
	SectionBitmap
	SectionPageTables
	SectionPages
	sectionCount
)

var sectionNames = [...]string{"header", "message buffer", "dump_avail", "page bitmap", "page tables", "pages"}

// String returns the section's name in words.
func (s Section) String() string {
	if int(s) < len(sectionNames) {
		return sectionNames[s]
	}
	return fmt.Sprintf("section %d", uint8(s))
}

// Extent is where a section lies in a file.
type Extent struct {
	Offset int64 // in the file
	Used   int64 // bytes that mean something, as the header says
	Length int64 // Used rounded up to pages: what the file has
}

// End is the offset of the first byte after the section.
func (e Extent) End() int64 { return e.Offset + e.Length }

// Layout is where everything is in a minidump file: sections follow one
// another, each rounded up to whole pages (minidump.h, minidump_machdep.c).
type Layout struct {
	PageSize int64
	Sections [sectionCount]Extent
	Pages    uint64 // set bits: pages of data
}

// NewLayout computes the layout of a minidump with header h and pages set
// bits. All sizes in a header are 32 bits wide and there are at most 2^35
// bits, so nothing overflows.
func NewLayout(h *Header, pages uint64) Layout {
	l := Layout{PageSize: int64(h.PageSize), Pages: pages}
	used := [sectionCount]int64{
		SectionHeader:        int64(h.PageSize),
		SectionMessageBuffer: int64(h.MessageBufferSize),
		SectionDumpAvail:     int64(h.DumpAvailSize),
		SectionBitmap:        int64(h.BitmapSize),
		SectionPageTables:    int64(h.PageTableSize),
		SectionPages:         int64(pages) * int64(h.PageSize),
	}
	var offset int64
	for s, n := range used {
		l.Sections[s] = Extent{Offset: offset, Used: n, Length: roundUp(n, l.PageSize)}
		offset += l.Sections[s].Length
	}
	return l
}

// Size is the size of the whole file.
func (l *Layout) Size() int64 { return l.Sections[SectionPages].End() }

// PageOffset is the file offset of the page of the rank-th set bit.
func (l *Layout) PageOffset(rank uint64) int64 {
	return l.Sections[SectionPages].Offset + int64(rank)*l.PageSize
}

// Find returns the section that offset lies in; false beyond the end.
func (l *Layout) Find(offset int64) (Section, bool) {
	for s, e := range l.Sections {
		if offset >= e.Offset && offset < e.End() {
			return Section(s), true
		}
	}
	return 0, false
}

// roundUp rounds n up to a multiple of unit, a power of two.
func roundUp(n, unit int64) int64 { return (n + unit - 1) &^ (unit - 1) }
