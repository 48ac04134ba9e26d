package amd64

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// SectionWalker translates kernel addresses through the page-table section of
// a FreeBSD amd64 minidump: a list of entries that begins at the kernel's base.
// In version 1 they are PTEs of 4 KiB each; in versions 2 and 3 PDEs of 2 MiB
// each, whose page tables are pages of the dump (FreeBSD minidump_machdep.c).
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
	level   int // of the section's entries
	memory  physmem.Reader

	path   [2]Step
	buffer [8]byte
	chunk  [2][]byte // Walk's: of the section, of a page table
}

// NewSectionWalker makes a walker over size bytes of section. Version is the
// minidump's, kernelBase its header's. Memory reads the dump's pages, among
// them page tables; version 1 does without.
func NewSectionWalker(section io.ReaderAt, size int64, kernelBase uint64, version int, memory physmem.Reader) (*SectionWalker, error) {
	w := &SectionWalker{section: section, entries: uint64(max(size, 0)) / 8, base: kernelBase, level: LevelPDE, memory: memory}
	switch {
	case section == nil:
		return nil, errors.New("page-table section: no section")
	case version == 1:
		w.level = LevelPTE
	case version != 2 && version != 3:
		return nil, fmt.Errorf("page-table section: %w: minidump version %d", ErrUnsupported, version)
	case memory == nil:
		return nil, errors.New("page-table section: no memory")
	case kernelBase&(PageSizeAt(LevelPDE)-1) != 0:
		return nil, fmt.Errorf("page-table section: %w: kernel base %#x is not aligned to %#x", ErrUnsupported, kernelBase, PageSizeAt(LevelPDE))
	}
	if kernelBase&(PageSize-1) != 0 {
		return nil, fmt.Errorf("page-table section: %w: kernel base %#x is not aligned to %#x", ErrUnsupported, kernelBase, PageSize)
	}
	// No entry may stand for an address beyond the last.
	w.entries = min(w.entries, (^uint64(0)-kernelBase)>>levelShift(w.level)+1)
	return w, nil
}

// Translate gives the physical address of va, and the mapping that it is in.
// Whether that page is in the dump is not looked at. The error is a
// *WalkError.
func (w *SectionWalker) Translate(va uint64) (physmem.Address, Mapping, error) {
	depth, err := w.descend(va)
	if err != nil {
		return 0, Mapping{}, err
	}
	mapping := w.mapping(va, depth)
	return mapping.Physical + physmem.Address(va-mapping.Virtual), mapping, nil
}

// Trace translates va and appends each step taken to steps, on an error as far
// as there are.
func (w *SectionWalker) Trace(va uint64, steps []Step) ([]Step, Mapping, error) {
	depth, err := w.descend(va)
	steps = append(steps, w.path[:depth]...)
	if err != nil {
		return steps, Mapping{}, err
	}
	return steps, w.mapping(va, depth), nil
}

func (w *SectionWalker) mapping(va uint64, depth int) Mapping {
	rights := rightsAll
	for i := range depth {
		rights = restrict(rights, w.path[i].Entry)
	}
	leaf := &w.path[depth-1]
	return newMapping(va, leaf.Level, leaf.Entry, rights)
}

// descend leaves the steps towards va in w.path.
func (w *SectionWalker) descend(va uint64) (depth int, err error) {
	at := Step{Level: w.level}
	index := (va - w.base) >> levelShift(w.level)
	if va < w.base || index >= w.entries {
		return 0, failure(va, at, fmt.Errorf("%w: outside of the page-table section", ErrNotMapped))
	}
	at.Index = int(index)
	if n, err := w.section.ReadAt(w.buffer[:], int64(index)*8); n < len(w.buffer) {
		return 0, failure(va, at, unreadable(err))
	}
	at.Entry = Entry(binary.LittleEndian.Uint64(w.buffer[:]))
	w.path[0] = at
	if err := checkSection(at.Entry, at.Level); err != nil {
		return 1, failure(va, at, err)
	}
	if at.Entry.Leaf(at.Level) {
		return 1, nil
	}
	at = Step{Level: LevelPTE, Table: at.Entry.Address(at.Level), Index: int(va / PageSize % entriesPerTable)}
	if n, err := w.memory.ReadPhysical(w.buffer[:], at.Table+physmem.Address(at.Index)*8); n < len(w.buffer) {
		return 1, failure(va, at, unreadable(err))
	}
	at.Entry = Entry(binary.LittleEndian.Uint64(w.buffer[:]))
	w.path[1] = at
	if err := checkSection(at.Entry, at.Level); err != nil {
		return 2, failure(va, at, err)
	}
	return 2, nil
}

// checkSection says what is wrong with an entry in itself. The dump does not
// say how many physical address bits the machine had.
func checkSection(entry Entry, level int) error {
	if !entry.Present() {
		return ErrNotMapped
	}
	if wrong := entry & largeReserved(level); wrong != 0 && entry.Leaf(level) {
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
	if w.entries == 0 || start > last {
		return nil
	}
	shift := levelShift(w.level)
	end := min(w.entries, (last-w.base)>>shift+1)
	for index := (start - w.base) >> shift; index < end; {
		count := min(end-index, entriesPerTable)
		entries, err := w.readSection(index, int(count))
		for i := 0; i+8 <= len(entries); i += 8 {
			entry := Entry(binary.LittleEndian.Uint64(entries[i:]))
			if !entry.Present() {
				continue
			}
			at := Step{Level: w.level, Index: int(index) + i/8, Entry: entry}
			if err := w.walkEntry(at, start, last, visit); err != nil {
				return err
			}
		}
		if read := uint64(len(entries) / 8); read < count {
			at := Step{Level: w.level, Index: int(index + read)}
			if err := w.report(failure(w.base+(index+read)<<shift, at, unreadable(err))); err != nil {
				return err
			}
		}
		index += count
	}
	return nil
}

// walkEntry visits what one present entry of the section leads to.
func (w *SectionWalker) walkEntry(at Step, start, last uint64, visit func(Mapping) error) error {
	va := w.base + uint64(at.Index)<<levelShift(at.Level)
	if err := checkSection(at.Entry, at.Level); err != nil {
		return w.report(failure(va, at, err))
	}
	rights := restrict(rightsAll, at.Entry)
	if at.Entry.Leaf(at.Level) {
		return visit(newMapping(va, at.Level, at.Entry, rights))
	}
	if w.chunk[1] == nil {
		w.chunk[1] = make([]byte, PageSize)
	}
	table := at.Entry.Address(at.Level)
	n, err := w.memory.ReadPhysical(w.chunk[1], table)
	n = min(n, PageSize)
	for i := 0; i+8 <= n; i += 8 {
		page := va + uint64(i/8)*PageSize
		entry := Entry(binary.LittleEndian.Uint64(w.chunk[1][i:]))
		if !entry.Present() || page > last || page+(PageSize-1) < start {
			continue
		}
		if err := visit(newMapping(page, LevelPTE, entry, restrict(rights, entry))); err != nil {
			return err
		}
	}
	if n < PageSize {
		at := Step{Level: LevelPTE, Table: table, Index: max(n, 0) / 8}
		return w.report(failure(va+uint64(at.Index)*PageSize, at, unreadable(err)))
	}
	return nil
}

// readSection reads count entries from index on, as many as can be read.
func (w *SectionWalker) readSection(index uint64, count int) ([]byte, error) {
	if w.chunk[0] == nil {
		w.chunk[0] = make([]byte, PageSize)
	}
	entries := w.chunk[0][:count*8]
	n, err := w.section.ReadAt(entries, int64(index)*8)
	return entries[:min(max(n, 0), len(entries))&^7], err
}

func (w *SectionWalker) report(failure *WalkError) error {
	if w.OnError == nil {
		return failure
	}
	w.OnError(failure)
	return nil
}
