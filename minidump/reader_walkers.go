package minidump

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// amd64Translator is what both of machdep/amd64's walkers do.
type amd64Translator interface {
	Translate(va uint64) (physmem.Address, amd64.Mapping, error)
	Trace(va uint64, steps []amd64.Step) ([]amd64.Step, amd64.Mapping, error)
}

// arm64Translator is what both of machdep/arm64's walkers do.
type arm64Translator interface {
	Translate(va uint64) (physmem.Address, arm64.Mapping, error)
	Trace(va uint64, steps []arm64.Step) ([]arm64.Step, arm64.Mapping, error)
}

// amd64Walker makes a walker of amd64's.
type amd64Walker struct {
	amd64Translator
	reader *Reader
	path   Path
}

func (w *amd64Walker) translate(virtual uint64) (mapping, error) {
	physical, m, err := w.Translate(virtual)
	if err != nil {
		return mapping{}, err
	}
	return amd64Mapping(virtual, physical, &m), nil
}

func (w *amd64Walker) trace(virtual uint64, steps []TraceStep) ([]TraceStep, mapping, error) {
	taken, m, err := w.Trace(virtual, nil)
	for i, s := range taken {
		inSection := w.path == PathSection && i == 0
		steps = append(steps, w.reader.step(s.Level, inSection, s.Table, s.Index, uint64(s.Entry)))
	}
	return steps, amd64Mapping(virtual, m.Physical+physmem.Address(virtual-m.Virtual), &m), err
}

func amd64Mapping(virtual uint64, physical physmem.Address, m *amd64.Mapping) mapping {
	return mapping{physical: physical, size: m.Size, left: m.Size - (virtual - m.Virtual),
		writable: m.Writable, user: m.User, executable: m.Executable}
}

// arm64Walker makes a walker of arm64's.
type arm64Walker struct {
	arm64Translator
	reader *Reader
	path   Path
}

func (w *arm64Walker) translate(virtual uint64) (mapping, error) {
	physical, m, err := w.Translate(virtual)
	if err != nil {
		return mapping{}, err
	}
	return arm64Mapping(virtual, physical, &m), nil
}

func (w *arm64Walker) trace(virtual uint64, steps []TraceStep) ([]TraceStep, mapping, error) {
	taken, m, err := w.Trace(virtual, nil)
	for i, s := range taken {
		inSection := w.path == PathSection && i == 0
		steps = append(steps, w.reader.step(s.Level, inSection, s.Table, s.Index, uint64(s.Entry)))
	}
	return steps, arm64Mapping(virtual, m.Physical+physmem.Address(virtual-m.Virtual), &m), err
}

func arm64Mapping(virtual uint64, physical physmem.Address, m *arm64.Mapping) mapping {
	return mapping{physical: physical, size: m.Size, left: m.Size - (virtual - m.Virtual),
		writable: m.Writable, user: m.User, executable: m.Executable}
}

// step is a step with the place of its entry in the file.
func (r *Reader) step(level int, inSection bool, table physmem.Address, index int, entry uint64) TraceStep {
	s := TraceStep{Level: level, InSection: inSection, Table: table, Index: index, Entry: entry, FileOffset: -1}
	if inSection {
		s.FileOffset = r.layout.Sections[SectionPageTables].Offset + int64(index)*8
	} else if offset, err := r.Locate(table + physmem.Address(index)*8); err == nil {
		s.FileOffset = offset
	}
	return s
}

// newSectionSpace makes the address space of a minidump, which goes through
// its page-table section.
func newSectionSpace(r *Reader) *addressSpace {
	h := &r.header
	size := r.layout.Sections[SectionPageTables].Used
	section := &tableSection{file: r.file, offset: r.layout.Sections[SectionPageTables].Offset, end: r.size}
	return newAddressSpace(r, PathSection, func() (walker, error) {
		switch h.Architecture {
		case AMD64:
			w, err := amd64.NewSectionWalker(section, size, h.KernelBase, int(h.Version), r)
			return &amd64Walker{w, r, PathSection}, err
		case ARM64:
			w, err := arm64.NewSectionWalker(section, size, h.KernelBase, int(h.PageSize), r)
			return &arm64Walker{w, r, PathSection}, err
		}
		return nil, &UnsupportedError{Architecture: h.Architecture, What: "virtual addresses"}
	})
}

// tableSection reads the page-table section, and says so where the file ends
// inside of it.
type tableSection struct {
	file        io.ReaderAt
	offset, end int64
}

// ReadAt reads at an offset in the section.
func (s *tableSection) ReadAt(p []byte, offset int64) (int, error) {
	at := s.offset + offset
	if at+int64(len(p)) <= s.end {
		n, err := s.file.ReadAt(p, at)
		if n == len(p) {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return n, fmt.Errorf("page-table section, file offset %#x: %w", at+int64(n), err)
		}
	}
	return 0, &FormatError{Section: SectionPageTables, Offset: at, Field: "file size", Value: uint64(s.end), Err: ErrBeyondEnd}
}
