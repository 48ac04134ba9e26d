package arm64

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// sectionAddressMask is what readers of FreeBSD minidumps take for the address
// in a descriptor: bits 12 to 49 (libkvm kvm_minidump_aarch64.c).
const sectionAddressMask Entry = (1<<50 - 1) &^ 0xfff

// SectionWalker translates kernel addresses through the page-table section of
// a FreeBSD arm64 minidump: a list of level 3 descriptors, one for each page
// from the kernel's base on (FreeBSD minidump_machdep.c). Blocks are written
// out as pages there.
//
// A step in the section has Table 0 and the index counted from its beginning.
// Its methods may not be called at the same time.
type SectionWalker struct {
	// OnError is given every bad entry that Walk meets, and Walk goes on after
	// it. If it is nil Walk ends with the first.
	OnError func(*WalkError)

	section io.ReaderAt
	entries uint64
	base    uint64
	paging  Paging

	step   Step
	buffer [8]byte
	chunk  []byte // Walk's
}

// NewSectionWalker makes a walker over size bytes of section. PageSize is
// 4096 or 16384 as the minidump's header says, kernelBase the header's. Memory
// is there for the shape that machdep/amd64 has too: no table of arm64 is
// outside of the section, so it is not used and may be nil.
func NewSectionWalker(section io.ReaderAt, size int64, kernelBase uint64, pageSize int, memory physmem.Reader) (*SectionWalker, error) {
	_ = memory
	switch {
	case section == nil:
		return nil, errors.New("page-table section: no section")
	case pageSize != Granule4K && pageSize != Granule16K:
		return nil, fmt.Errorf("page-table section: %w: pages of %d bytes", ErrUnsupported, pageSize)
	case kernelBase&uint64(pageSize-1) != 0:
		return nil, fmt.Errorf("page-table section: %w: kernel base %#x is not aligned to %#x", ErrUnsupported, kernelBase, pageSize)
	}
	w := &SectionWalker{section: section, base: kernelBase, paging: Paging{Granule: pageSize, VirtualBits: 48, Upper: true, PhysicalBits: 48}}
	// No entry may stand for an address beyond the last.
	w.entries = min(uint64(max(size, 0))/8, (^uint64(0)-kernelBase)>>w.paging.pageShift()+1)
	return w, nil
}

// Translate gives the physical address of va, and the mapping that it is in.
// Whether that page is in the dump is not looked at. The error is a
// *WalkError.
func (w *SectionWalker) Translate(va uint64) (physmem.Address, Mapping, error) {
	if _, err := w.descend(va); err != nil {
		return 0, Mapping{}, err
	}
	mapping := w.mapping(va, w.step.Entry)
	return mapping.Physical + physmem.Address(va-mapping.Virtual), mapping, nil
}

// Trace translates va and appends the step taken to steps, on an error if
// there was one.
func (w *SectionWalker) Trace(va uint64, steps []Step) ([]Step, Mapping, error) {
	found, err := w.descend(va)
	if found {
		steps = append(steps, w.step)
	}
	if err != nil {
		return steps, Mapping{}, err
	}
	return steps, w.mapping(va, w.step.Entry), nil
}

// mapping is that of a page descriptor. Its address is not taken as the
// architecture's, but as readers of minidumps do, who know of no other format.
func (w *SectionWalker) mapping(va uint64, entry Entry) Mapping {
	size := uint64(w.paging.Granule)
	mapping := newMapping(&w.paging, va, size, LevelPage, entry, limits{})
	mapping.Virtual = va &^ (size - 1)
	mapping.Physical = physmem.Address(entry & sectionAddressMask &^ Entry(size-1))
	return mapping
}

// descend reads the entry for va into w.step.
func (w *SectionWalker) descend(va uint64) (found bool, err error) {
	at := Step{Level: LevelPage}
	index := (va - w.base) >> w.paging.pageShift()
	if va < w.base || index >= w.entries {
		return false, failure(va, at, fmt.Errorf("%w: outside of the page-table section", ErrNotMapped))
	}
	at.Index = int(index)
	if n, err := w.section.ReadAt(w.buffer[:], int64(index)*8); n < len(w.buffer) {
		return false, failure(va, at, unreadable(err))
	}
	at.Entry = Entry(binary.LittleEndian.Uint64(w.buffer[:]))
	w.step = at
	if err := w.check(at.Entry); err != nil {
		return true, failure(va, at, err)
	}
	return true, nil
}

// check says what is wrong with an entry in itself.
func (w *SectionWalker) check(entry Entry) error {
	switch {
	case !entry.Present():
		return ErrNotMapped
	case entry&EntryTable == 0:
		return fmt.Errorf("%w: a block cannot be at level %d", ErrReservedBits, LevelPage)
	}
	if wrong := entry & Entry(w.paging.Granule-1) &^ 0xfff; wrong != 0 {
		return fmt.Errorf("%w: %v", ErrReservedBits, wrong)
	}
	return nil
}

// Walk visits every leaf whose page has an address in [start, last], in
// ascending order. Bad entries go to OnError. Walk returns the first error of
// visit, as it is. visit may call Translate and Trace of the same walker, but
// not Walk.
func (w *SectionWalker) Walk(start, last uint64, visit func(Mapping) error) error {
	start = max(start, w.base)
	if start > last {
		return nil
	}
	if w.chunk == nil {
		w.chunk = make([]byte, w.paging.Granule)
	}
	shift := w.paging.pageShift()
	end := min(w.entries, (last-w.base)>>shift+1)
	for index := (start - w.base) >> shift; index < end; {
		count := min(end-index, uint64(len(w.chunk)/8))
		n, err := w.section.ReadAt(w.chunk[:count*8], int64(index)*8)
		read := uint64(min(max(n, 0)/8, int(count)))
		for i := range read {
			entry := Entry(binary.LittleEndian.Uint64(w.chunk[i*8:]))
			if !entry.Present() {
				continue
			}
			if err := w.walkEntry(index+i, entry, visit); err != nil {
				return err
			}
		}
		if read < count {
			at := Step{Level: LevelPage, Index: int(index + read)}
			if err := w.report(failure(w.base+(index+read)<<shift, at, unreadable(err))); err != nil {
				return err
			}
		}
		index += count
	}
	return nil
}

// walkEntry visits one present entry.
func (w *SectionWalker) walkEntry(index uint64, entry Entry, visit func(Mapping) error) error {
	va := w.base + index<<w.paging.pageShift()
	if err := w.check(entry); err != nil {
		return w.report(failure(va, Step{Level: LevelPage, Index: int(index), Entry: entry}, err))
	}
	return visit(w.mapping(va, entry))
}

func (w *SectionWalker) report(failure *WalkError) error {
	if w.OnError == nil {
		return failure
	}
	w.OnError(failure)
	return nil
}
