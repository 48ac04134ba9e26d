package minidump

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Fields and values of ELF64 files (System V ABI, chapter 4) that full dumps
// have.
const (
	elfHeaderSize        = 64
	elfProgramHeaderSize = 56
	elfClass64           = 2
	elfDataLittle        = 1
	elfDataBig           = 2
	elfOSABIStandalone   = 0xff // what FreeBSD writes in kernel dumps
	elfTypeCore          = 4
	elfMachineAMD64      = 62
	elfMachineARM64      = 183
	elfMachineRISCV      = 243
	elfSegmentLoad       = 1
)

// isELF reports whether a file begins as ELF.
func isELF(start []byte) bool { return len(start) >= 4 && string(start[:4]) == "\x7fELF" }

// segment is memory that lies in one piece in a full dump.
type segment struct {
	memory physmem.Range
	offset int64
}

// fullPages finds memory by the segments of an ELF core file.
type fullPages struct {
	segments []segment // ascending, not overlapping
	size     int64
}

func (f *fullPages) locate(address physmem.Address, want uint64) (int64, uint64, error) {
	low, high := 0, len(f.segments)
	for low < high { // the first that ends after address
		middle := int(uint(low+high) / 2)
		if f.segments[middle].memory.End > address {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(f.segments) || f.segments[low].memory.Start > address {
		return 0, 0, &MissingError{Address: address, Err: ErrNotInDumpAvail}
	}
	s := &f.segments[low]
	offset := s.offset + int64(address-s.memory.Start)
	if offset >= f.size {
		return 0, 0, &MissingError{Address: address, Err: ErrBeyondEnd, Offset: offset, Reason: HoleBeyondEnd}
	}
	return offset, min(want, uint64(s.memory.End-address), uint64(f.size-offset)), nil
}

func (f *fullPages) runs(yield func(physmem.Range, int64) bool) {
	for _, s := range f.segments {
		if !yield(s.memory, s.offset) {
			return
		}
	}
}

// openFull opens a full dump, an ELF core file that begins with start.
func (r *Reader) openFull(start []byte) error {
	architecture, err := fullArchitecture(start)
	if err != nil {
		return err
	}
	r.format = FormatFull
	r.header = Header{Architecture: architecture, PageSize: PageSize4K}
	table, err := r.programHeaders(start)
	if err != nil {
		return err
	}
	segments, err := r.loadSegments(table)
	if err != nil {
		return err
	}
	if err := r.layoutFull(segments, len(table)); err != nil {
		return err
	}
	r.store = &fullPages{segments: segments, size: r.size}
	if r.size < r.ExpectedSize() {
		r.problem(&FormatError{Section: SectionPages, Offset: r.size, Field: "file size", Value: uint64(r.size), Err: ErrTruncated,
			Detail: fmt.Sprintf("expected %d bytes", r.ExpectedSize())})
	}
	r.notesErr = ErrNoNotes
	r.virtual = newTableSpace(r)
	return nil
}

// fullArchitecture checks the ELF header and returns whose dump it is.
func fullArchitecture(start []byte) (Architecture, error) {
	if len(start) < elfHeaderSize {
		return 0, &FormatError{Section: SectionHeader, Offset: int64(len(start)), Field: "size", Value: uint64(len(start)), Err: ErrTruncated,
			Detail: "inside of the ELF header"}
	}
	class, data, osabi := start[4], start[5], start[7]
	if class != elfClass64 || data != elfDataLittle {
		return 0, fmt.Errorf("full dump: ELF class %d, byte order %d: %w", class, data, ErrUnsupported)
	}
	if kind := binary.LittleEndian.Uint16(start[16:]); kind != elfTypeCore {
		return 0, fmt.Errorf("ELF file of type %d, not a core file: %w", kind, ErrNotDump)
	}
	if osabi != elfOSABIStandalone {
		return 0, fmt.Errorf("ELF core file with OS ABI %d, not the %d of a kernel's: %w", osabi, elfOSABIStandalone, ErrNotDump)
	}
	switch machine := binary.LittleEndian.Uint16(start[18:]); machine {
	case elfMachineAMD64:
		return AMD64, nil
	case elfMachineARM64:
		return ARM64, nil
	case elfMachineRISCV:
		return RISCV, nil
	default:
		return 0, fmt.Errorf("full dump: ELF machine %d: %w", machine, ErrUnsupported)
	}
}

// programHeaders reads the program header table. There are at most 65535 of
// them, 3.5 MiB.
func (r *Reader) programHeaders(start []byte) ([]byte, error) {
	offset := binary.LittleEndian.Uint64(start[32:])
	size, count := binary.LittleEndian.Uint16(start[54:]), binary.LittleEndian.Uint16(start[56:])
	if size != elfProgramHeaderSize {
		return nil, &FormatError{Section: SectionHeader, Offset: 54, Field: "e_phentsize", Value: uint64(size), Err: ErrDamaged,
			Detail: fmt.Sprintf("expected %d", elfProgramHeaderSize)}
	}
	if offset > uint64(r.size) {
		return nil, &FormatError{Section: SectionHeader, Offset: 32, Field: "e_phoff", Value: offset, Err: ErrTruncated}
	}
	want := int64(count) * elfProgramHeaderSize
	have := min(want, (r.size-int64(offset))/elfProgramHeaderSize*elfProgramHeaderSize)
	table := make([]byte, have)
	n, err := r.file.ReadAt(table, int64(offset))
	if n < len(table) && err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read program headers: %w", err)
	}
	n -= n % elfProgramHeaderSize
	if int64(n) < want {
		r.problem(&FormatError{Section: SectionHeader, Offset: int64(offset) + int64(n), Field: "e_phnum", Value: uint64(count), Err: ErrTruncated,
			Detail: fmt.Sprintf("%d program headers are there", n/elfProgramHeaderSize)})
	}
	return table[:n], nil
}

// loadSegments takes the PT_LOAD segments of the table. Ones that make no
// sense are left out and are problems.
func (r *Reader) loadSegments(table []byte) ([]segment, error) {
	var segments []segment
	for i := 0; i < len(table); i += elfProgramHeaderSize {
		h := table[i : i+elfProgramHeaderSize]
		if binary.LittleEndian.Uint32(h) != elfSegmentLoad {
			continue
		}
		offset := binary.LittleEndian.Uint64(h[8:])
		address := binary.LittleEndian.Uint64(h[24:])
		size := binary.LittleEndian.Uint64(h[32:])
		if size == 0 {
			continue
		}
		memory, ok := physmem.NewRange(physmem.Address(address), size)
		if !ok || offset > uint64(physmem.MaxAddress) {
			r.problem(&FormatError{Section: SectionHeader, Offset: int64(i), Field: "program header's p_paddr", Value: address, Err: ErrDamaged,
				Detail: fmt.Sprintf("p_filesz %#x, p_offset %#x", size, offset)})
			continue
		}
		segments = append(segments, segment{memory, int64(offset)})
	}
	slices.SortStableFunc(segments, func(a, b segment) int { return cmp.Compare(a.memory.Start, b.memory.Start) })
	good := segments[:0]
	var last physmem.Address
	for _, s := range segments {
		if s.memory.Start < last {
			r.problem(&FormatError{Section: SectionHeader, Field: "program header's p_paddr", Value: uint64(s.memory.Start), Err: ErrDamaged,
				Detail: fmt.Sprintf("overlaps memory below %v", last)})
			continue
		}
		good, last = append(good, s), s.memory.End
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("full dump: no memory in its program headers: %w", ErrNotDump)
	}
	return good, nil
}

// layoutFull describes the file by what minidumps have.
func (r *Reader) layoutFull(segments []segment, headers int) error {
	ranges := make([]physmem.Range, len(segments))
	first, end := segments[0].offset, int64(0)
	for i, s := range segments {
		ranges[i] = s.memory
		first, end = min(first, s.offset), max(end, s.offset+int64(s.memory.Size()))
	}
	available, err := NewDumpAvail(r.header.PageSize, ranges)
	if err != nil {
		return err
	}
	r.available = available
	r.layout = Layout{PageSize: int64(r.header.PageSize), Pages: available.Pages()}
	r.layout.Sections[SectionHeader] = Extent{Used: elfHeaderSize + int64(headers), Length: first}
	for s := SectionMessageBuffer; s < SectionPages; s++ {
		r.layout.Sections[s] = Extent{Offset: first}
	}
	r.layout.Sections[SectionPages] = Extent{Offset: first, Used: end - first, Length: end - first}
	return nil
}
