package minidump

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// The page-table section holds the entries of one level for every address of
// the kernel's window, a page of them at a time:
//
//	amd64 2, 3   page-directory entries, 1 GiB in each page
//	amd64 1      page-table entries, 2 MiB in each page
//	arm64        level 3 descriptors, 2 MiB in each page (16 KiB pages: 32 MiB)
//
// A page of the section is a copy of the host's table, or made up where a
// larger mapping stands above that level, or zero where there is none.

// tables is the page-table section of a Dumper.
type tables struct {
	base     uint64 // first virtual address
	coverage uint64 // bytes of virtual addresses that one page of it is for
	level    int    // of its entries
	size     int64
	present  []uint64 // a bit for each page of the section that is not zero
	failures failures // tables that could not be read
}

// tableWalker finds the host's tables. One goroutine uses it at a time.
type tableWalker interface {
	// find tells what the host has for the addresses of one page of the
	// section, of which va is the first.
	find(va uint64) (tableStep, error)
}

// tableStep is what stands where a table of the section's level should be.
type tableStep struct {
	kind     tableKind
	physical physmem.Address // of the table, or of what the leaf maps
	entry    uint64          // tableMadeUp: the leaf
	size     uint64          // tableMadeUp: bytes that the leaf maps
}

type tableKind uint8

const (
	tableMissing tableKind = iota // nothing is mapped
	tableCopied                   // a table
	tableMadeUp                   // a leaf of a higher level
)

// openTables fixes the section's size.
func (d *Dumper) openTables() {
	t := &d.tables
	page := uint64(d.source.PageSize)
	entries := page / 8
	switch {
	case d.source.Architecture == ARM64:
		t.level, t.coverage = 3, entries*page
	case d.source.Version == 1:
		t.level, t.coverage = 1, entries*page
	default:
		t.level, t.coverage = 2, entries<<21
	}
	base, end := d.source.KernelBase, d.source.KernelEnd
	if base == 0 && end == 0 {
		return
	}
	t.base = base &^ (t.coverage - 1)
	if t.base != base {
		d.marks.add(partPageTables, "kernel base %#x is not a multiple of %#x: rounded down", base, t.coverage)
	}
	last := end - 1 // an end of 0 is that of the address space
	if last < base {
		d.marks.add(partPageTables, "no kernel addresses in [%#x, %#x)", base, end)
		return
	}
	pages := (last-t.base)/t.coverage + 1
	if limit := maximumPageTables / page; pages > limit {
		d.marks.add(partPageTables, "kernel addresses [%#x, %#x) take %d pages of tables: cut to %d", base, end, pages, limit)
		pages = limit
	}
	t.size = int64(pages * page)
}

// scanTables walks to each table of the section once, marks what is wrong, and
// on amd64 sets the bits of the page tables that the section's directories
// point to: readers look for them among the pages.
func (d *Dumper) scanTables(words []uint64) {
	if d.tables.size == 0 {
		return
	}
	s, err := d.newScratch()
	if err != nil {
		d.marks.add(partPageTables, "cannot be walked: %v", err)
		return
	}
	page := int64(d.source.PageSize)
	d.tables.present = make([]uint64, (d.tables.size/page+63)/64)
	var wrong, outside int
	for at := int64(0); at < d.tables.size; at += page {
		va := d.tables.base + uint64(at/page)*d.tables.coverage
		step, err := s.walker.find(va)
		if err == nil && step.kind == tableCopied && !d.readTable(s.page, step.physical) {
			err = &physmem.AccessError{Operation: "read", Range: tableRange(step.physical, uint64(page)), Err: physmem.ErrOutside}
		}
		if err != nil {
			if wrong == 0 {
				d.marks.add(partPageTables, "tables of %#x: %v", va, err)
			}
			wrong++
			continue
		}
		if step.kind != tableMissing {
			setBits(d.tables.present, uint64(at/page), uint64(at/page)+1)
		}
		if step.kind == tableCopied && d.source.Architecture == AMD64 && d.tables.level == 2 {
			outside += d.keepPageTables(s.page, va, words, outside == 0)
		}
	}
	if wrong > 1 {
		d.marks.add(partPageTables, "%d tables in all cannot be used", wrong)
	}
	if outside > 1 {
		d.marks.add(partPageTables, "%d page tables in all are outside of memory", outside)
	}
	d.giveBack(s)
}

// readTable reads a whole table; false where any of it cannot be read.
func (d *Dumper) readTable(p []byte, table physmem.Address) bool {
	r := tableRange(table, uint64(len(p)))
	d.readMemory(p, table, &d.tables.failures)
	return d.allowed.ContainsRange(r) && !d.tables.failures.load().Overlaps(r)
}

func tableRange(table physmem.Address, size uint64) physmem.Range {
	return physmem.Range{Start: table, End: table + physmem.Address(size)}
}

// Bits of amd64 entries (Intel SDM 3A 4.5.4) and arm64 descriptors (DDI 0487
// D8.3).
const (
	amd64LargePAT = 1 << 12
	// arm64FakeL3 is what FreeBSD's writer gives made-up level 3 descriptors:
	// access flag, inner shareable, page.
	arm64FakeL3 = 1<<10 | 3<<8 | 3
)

// keepPageTables sets the bits of the tables that the directory at p points
// to, and returns how many of them are no memory that can be dumped.
func (d *Dumper) keepPageTables(p []byte, va uint64, words []uint64, mark bool) (outside int) {
	for i := 0; i < len(p); i += 8 {
		entry := binary.LittleEndian.Uint64(p[i:])
		if entry&(amd64Present|amd64LargePage) != amd64Present {
			continue
		}
		table := physmem.Address(entry & amd64PageFrame)
		bit, ok := d.available.Index(table)
		if !ok || bit >= d.bits || !d.allowed.ContainsRange(tableRange(table, 4096)) {
			if mark && outside == 0 {
				d.marks.add(partPageTables, "page table of %#x is at %v, outside of memory", va+uint64(i/8)<<21, table)
			}
			outside++
			continue
		}
		setBits(words, bit, bit+1)
	}
	return outside
}

// readTables fills p with the page-table section from offset on.
func (d *Dumper) readTables(p []byte, offset int64, s *scratch) {
	page := int64(d.source.PageSize)
	for len(p) > 0 {
		skip := offset % page
		if skip == 0 && int64(len(p)) >= page {
			d.readTablePage(p[:page], offset/page, s)
			p, offset = p[page:], offset+page
			continue
		}
		d.readTablePage(s.page, offset/page, s)
		n := copy(p, s.page[skip:])
		p, offset = p[n:], offset+int64(n)
	}
}

// readTablePage fills p with page number of the section.
func (d *Dumper) readTablePage(p []byte, number int64, s *scratch) {
	clear(p)
	if d.tables.present == nil || d.tables.present[number/64]>>(number%64)&1 == 0 {
		return
	}
	va := d.tables.base + uint64(number)*d.tables.coverage
	step, err := s.walker.find(va)
	switch {
	case err != nil || step.kind == tableMissing:
	case step.kind == tableCopied:
		d.readMemory(p, step.physical, &d.tables.failures)
	default:
		d.makeUp(p, va, step)
	}
}

// makeUp fills p with entries of the section's level for the addresses from va
// on, all of which the leaf of step maps.
func (d *Dumper) makeUp(p []byte, va uint64, step tableStep) {
	unit := d.tables.coverage / uint64(len(p)/8)
	entry := uint64(step.physical) + va&(step.size-1)
	switch {
	case d.source.Architecture == ARM64:
		entry |= arm64FakeL3
	case d.tables.level == 2:
		// The leaf's own bits, as FreeBSD does: all are at the same places one
		// level down.
		entry |= step.entry&^amd64PageFrame | step.entry&amd64LargePAT
	default:
		// In a page-table entry PAT is where PS was.
		entry |= step.entry&^amd64PageFrame&^amd64LargePage | step.entry&amd64LargePAT>>5
	}
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], entry)
		entry += unit
	}
}
