package minidump

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Bits of amd64's page-directory and page-table entries (Intel SDM 3A 4.5.4)
// and of arm64's page descriptors (DDI 0487 D8.3.1), as readers of minidumps
// take them.
const (
	amd64Present       = 1 << 0
	amd64LargePage     = 1 << 7
	amd64PageFrame     = 0x000ffffffffff000
	amd64LargeFrame    = 0x000fffffffe00000
	amd64LargeReserved = 0x00000000001fe000 // bits 13 to 20
	amd64LargeSize     = 2 << 20
	arm64PageType      = 3 // descriptor bits 0 and 1
	arm64PageFrame     = 0x0003fffffffff000
	tableEntries       = PageSize4K / 8
)

// verifyTables checks every entry of the page-table section, and on amd64
// those of the page tables that it points to.
func (v *verifier) verifyTables() error {
	e := v.layout.Sections[SectionPageTables]
	v.verifyZero(CodeSectionPadding, SectionPageTables, e.Offset+e.Used, e.End())
	switch {
	case v.options.SkipTables || e.Used == 0:
		return nil
	case v.header.Architecture == AMD64 && v.header.Version == 1:
		return v.eachEntry(e, v.verifyPage)
	case v.header.Architecture == AMD64:
		return v.eachEntry(e, v.verifyDirectory)
	case v.header.Architecture == ARM64:
		return v.eachEntry(e, v.verifyDescriptor)
	}
	v.add(Finding{Severity: SeverityInfo, Code: CodeNothingTranslated, Section: SectionPageTables, Offset: e.Offset, Length: e.Length,
		Detail: fmt.Sprintf("the tables of %v are not read", v.header.Architecture)})
	return nil
}

// eachEntry calls visit for every entry of the page-table section that is not
// zero, a block at a time.
func (v *verifier) eachEntry(e Extent, visit func(offset int64, entry uint64)) error {
	buffer := make([]byte, 64<<10)
	end := min(e.Offset+e.Used, v.size)
	for at := e.Offset; at+8 <= end; at += int64(len(buffer)) {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		block := buffer[:min(int64(len(buffer)), (end-at)&^7)]
		if n, err := v.file.ReadAt(block, at); n < len(block) {
			v.unreadable(SectionPageTables, at, err)
			continue
		}
		v.report.Entries += uint64(len(block) / 8)
		if isZero(block) {
			continue
		}
		for i := range len(block) / 8 {
			if entry := binary.LittleEndian.Uint64(block[i*8:]); entry != 0 {
				visit(at+int64(i)*8, entry)
			}
		}
	}
	return nil
}

// verifyDirectory checks a page-directory entry of amd64 versions 2 and 3.
func (v *verifier) verifyDirectory(offset int64, entry uint64) {
	if entry&amd64Present == 0 {
		return
	}
	if entry&amd64LargePage != 0 {
		if entry&amd64LargeReserved != 0 {
			v.reserved(offset, entry, amd64LargeReserved)
		}
		v.leaf(offset, entry, physmem.Address(entry&amd64LargeFrame), amd64LargeSize)
		return
	}
	table := physmem.Address(entry & amd64PageFrame)
	var page [PageSize4K]byte
	_, err := v.ReadPhysical(page[:], table)
	if err != nil {
		v.tableError(offset, entry, table, err)
		return
	}
	tableOffset, _ := v.Locate(table)
	v.report.Entries += tableEntries
	for i := range tableEntries {
		v.verifyPage(tableOffset+int64(i)*8, binary.LittleEndian.Uint64(page[i*8:]))
	}
}

// tableError reports a page table that cannot be read.
func (v *verifier) tableError(offset int64, entry uint64, table physmem.Address, err error) {
	f := Finding{Severity: SeverityError, Code: CodeTableMissing, Section: SectionPageTables, Offset: offset, Length: 8,
		Range:  physmem.Range{Start: table, End: table + PageSize4K},
		Detail: fmt.Sprintf("entry %#x: %v", entry, err), Err: err}
	if errors.Is(err, ErrNotInDumpAvail) {
		f.Code = CodeTableOutside
	}
	v.add(f)
}

// verifyPage checks a page-table entry of amd64.
func (v *verifier) verifyPage(offset int64, entry uint64) {
	if entry&amd64Present != 0 {
		v.leaf(offset, entry, physmem.Address(entry&amd64PageFrame), PageSize4K)
	}
}

// verifyDescriptor checks a level 3 descriptor of arm64.
func (v *verifier) verifyDescriptor(offset int64, entry uint64) {
	if entry&arm64PageType != arm64PageType {
		return
	}
	page := uint64(v.header.PageSize)
	if low := entry & arm64PageFrame & (page - 1); low != 0 {
		v.reserved(offset, entry, arm64PageFrame&(page-1))
	}
	v.leaf(offset, entry, physmem.Address(entry&arm64PageFrame).AlignDown(page), page)
}

// reserved reports bits of an entry that must be clear.
func (v *verifier) reserved(offset int64, entry, mask uint64) {
	v.add(Finding{Severity: SeverityWarning, Code: CodeEntryReserved, Section: SectionPageTables, Offset: offset, Length: 8,
		Detail: fmt.Sprintf("entry %#x has reserved bits %#x", entry, entry&mask)})
}

// leaf reports a mapping of which no byte is memory. Kernels map devices so.
func (v *verifier) leaf(offset int64, entry uint64, address physmem.Address, size uint64) {
	r := physmem.Range{Start: address, End: address + physmem.Address(size)}
	if i := v.available.after(address); i < len(v.available.ranges) && v.available.ranges[i].start < r.End {
		return
	}
	if _, ok := v.available.Index(address); ok {
		return
	}
	v.add(Finding{Severity: SeverityInfo, Code: CodeLeafOutside, Section: SectionPageTables, Offset: offset, Length: 8, Range: r,
		Detail: fmt.Sprintf("entry %#x maps what is not in dump_avail", entry)})
}
