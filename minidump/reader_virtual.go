package minidump

import (
	"errors"
	"fmt"
	"sync"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// VirtualError is a kernel virtual address that could not be translated or
// read.
type VirtualError struct {
	Virtual uint64
	Err     error // ErrNotKernelAddress, an *amd64.WalkError or *arm64.WalkError, or one of ReadPhysical
}

func (e *VirtualError) Error() string {
	return fmt.Sprintf("virtual address %#x: %v", e.Virtual, e.Err)
}

// Unwrap returns the cause.
func (e *VirtualError) Unwrap() error { return e.Err }

// Is makes an address that either architecture's tables do not map one that is
// ErrNotMapped.
func (e *VirtualError) Is(target error) bool {
	return target == ErrNotMapped && (errors.Is(e.Err, amd64.ErrNotMapped) || errors.Is(e.Err, arm64.ErrNotMapped))
}

// Path is how a virtual address is translated.
type Path uint8

const (
	// PathDirectMap is the kernel's linear map, which the header describes.
	PathDirectMap Path = iota + 1
	// PathSection is the page-table section of a minidump.
	PathSection
	// PathTables are the machine's own page tables, from their root.
	PathTables
)

// String returns the path in words.
func (p Path) String() string {
	switch p {
	case PathDirectMap:
		return "direct map"
	case PathSection:
		return "page-table section"
	case PathTables:
		return "page tables"
	}
	return "no path"
}

// TraceStep is one table entry that a translation used.
type TraceStep struct {
	Level      int             // amd64: 5 to 1, 1 being a PTE; arm64: -1 to 3
	InSection  bool            // the entry is in the page-table section
	Table      physmem.Address // of the entry's table; meaningless in the section
	Index      int             // of the entry in its table, or in the section
	Entry      uint64
	FileOffset int64 // of the entry; -1 where it is not in the file
}

// Trace is a translation, step by step.
type Trace struct {
	Virtual  uint64
	Path     Path
	Steps    []TraceStep
	Physical physmem.Address
	PageSize uint64 // of the mapping; 0 in the direct map

	Writable, User, Executable bool // not known in the direct map

	InDumpAvail bool
	Bit         uint64 // of the page, if InDumpAvail
	FileOffset  int64  // of the byte, if Missing is nil
	Missing     error  // why the page is not in the file
}

// mapping is a translation's result.
type mapping struct {
	physical physmem.Address
	size     uint64 // of the page
	left     uint64 // bytes from the address to the page's end

	writable, user, executable bool
}

// walker walks one machine's tables. It has scratch space: one goroutine each.
type walker interface {
	translate(virtual uint64) (mapping, error)
	trace(virtual uint64, steps []TraceStep) ([]TraceStep, mapping, error)
}

// addressSpace is the kernel's virtual memory.
type addressSpace struct {
	reader   *Reader
	path     Path // of what is not in the direct map
	walkers  sync.Pool
	unusable error // no walker can be made, and why
}

// newAddressSpace makes an address space with walkers made by create, of which
// the first shows whether that can be done.
func newAddressSpace(r *Reader, path Path, create func() (walker, error)) *addressSpace {
	s := &addressSpace{reader: r, path: path}
	first, err := create()
	if err != nil {
		s.unusable = err
		return s
	}
	s.walkers.New = func() any {
		w, _ := create() // as the first was
		return w
	}
	s.walkers.Put(first)
	return s
}

// walk borrows a walker. It is nil after an error.
func (s *addressSpace) walk() (walker, error) {
	if s.unusable != nil {
		return nil, s.unusable
	}
	return s.walkers.Get().(walker), nil
}

// route decides how virtual is translated, in the order of FreeBSD's readers:
// amd64 asks for the kernel's window first, arm64 for the direct map.
func (s *addressSpace) route(virtual uint64) (Path, error) {
	if s.path == PathTables {
		return PathTables, nil
	}
	h := &s.reader.header
	if !h.Architecture.CanTranslate() {
		return 0, s.unusable
	}
	direct := h.DirectMapBase <= virtual && virtual < h.DirectMapEnd
	kernel := virtual >= h.KernelBase
	switch {
	case direct && (!kernel || h.Architecture == ARM64):
		return PathDirectMap, nil
	case kernel:
		return PathSection, nil
	}
	return 0, ErrNotKernelAddress
}

// direct translates an address of the direct map.
func (s *addressSpace) direct(virtual uint64) mapping {
	h := &s.reader.header
	left := h.DirectMapEnd - virtual
	if h.Architecture == AMD64 && h.KernelBase > virtual {
		left = min(left, h.KernelBase-virtual)
	}
	return mapping{physical: physmem.Address(virtual - h.DirectMapBase + h.DirectMapPhysical), left: left}
}

// translate translates one address.
func (s *addressSpace) translate(virtual uint64) (mapping, error) {
	path, err := s.route(virtual)
	if err != nil {
		return mapping{}, err
	}
	if path == PathDirectMap {
		return s.direct(virtual), nil
	}
	w, err := s.walk()
	if err != nil {
		return mapping{}, err
	}
	m, err := w.translate(virtual)
	s.walkers.Put(w)
	return m, err
}

// Translate returns the physical address of a kernel virtual address. The
// error is a *VirtualError.
func (r *Reader) Translate(virtual uint64) (physmem.Address, error) {
	m, err := r.virtual.translate(virtual)
	if err != nil {
		return 0, &VirtualError{virtual, err}
	}
	return m.physical, nil
}

// ReadVirtual reads the kernel's virtual memory, across pages. The error is a
// *VirtualError that names the first address that could not be read.
func (r *Reader) ReadVirtual(p []byte, virtual uint64) (n int, err error) {
	for n < len(p) {
		at := virtual + uint64(n)
		if at < virtual {
			return n, &VirtualError{at, ErrNotKernelAddress}
		}
		m, err := r.virtual.translate(at)
		if err != nil {
			return n, &VirtualError{at, err}
		}
		piece := int(min(m.left, uint64(len(p)-n)))
		done, err := r.ReadPhysical(p[n:n+piece], m.physical)
		n += done
		if err != nil {
			return n, &VirtualError{at + uint64(done), err}
		}
	}
	return n, nil
}

// Trace translates virtual and tells every step. With an error, a
// *VirtualError, the trace holds the steps up to it. That the page is not in
// the dump is no error, but Missing.
func (r *Reader) Trace(virtual uint64) (*Trace, error) {
	t := &Trace{Virtual: virtual, FileOffset: -1}
	path, err := r.virtual.route(virtual)
	if err != nil {
		return t, &VirtualError{virtual, err}
	}
	t.Path = path
	var m mapping
	if path == PathDirectMap {
		m = r.virtual.direct(virtual)
	} else {
		w, err := r.virtual.walk()
		if err != nil {
			return t, &VirtualError{virtual, err}
		}
		t.Steps, m, err = w.trace(virtual, nil)
		r.virtual.walkers.Put(w)
		if err != nil {
			return t, &VirtualError{virtual, err}
		}
	}
	t.Physical, t.PageSize = m.physical, m.size
	t.Writable, t.User, t.Executable = m.writable, m.user, m.executable
	t.Bit, t.InDumpAvail = r.available.Index(m.physical)
	if offset, err := r.Locate(m.physical); err != nil {
		t.Missing = err
	} else {
		t.FileOffset = offset
	}
	return t, nil
}
