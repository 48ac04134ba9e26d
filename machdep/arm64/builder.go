package arm64

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrMapped says that an address is mapped already.
var ErrMapped = errors.New("already mapped")

// Allocator gives memory for page tables.
type Allocator interface {
	// AllocateTable gives size bytes, a power of two and aligned to it, that
	// nobody else uses. What they hold does not matter.
	AllocateTable(size uint64) (physmem.Address, error)
}

// Builder writes page tables for addresses that may be anywhere: tables of a
// reservation are built by the host, those of an image by a program that runs
// on another machine.
//
// The same calls with the same answers of the allocator give the same tables,
// and ask it for frames in the same order; so a dry run over physmem.Sparse
// tells how many a set of mappings takes. Leaves have their access flag set,
// so that processors leave the tables as they are written.
//
// A Builder is for tables that are not in use: it does not break before it
// makes (DDI 0487 D8.16.1), and barriers and invalidation are its user's. Tables are never given back. Its methods may not be
// called at the same time.
type Builder struct {
	// AllowWriteExecute allows mappings that are writable and executable.
	AllowWriteExecute bool

	memory    physmem.Memory
	allocator Allocator
	paging    Paging
	shapes    [maximumLevels]shape
	tables    int
	buffers   [maximumLevels][]byte // of the table of each level that is being changed
}

// NewBuilder makes a builder of new page tables, with a root from the
// allocator. Paging.Root is not looked at.
func NewBuilder(memory physmem.Memory, allocator Allocator, paging Paging) (*Builder, error) {
	paging.Root = 0
	b, err := ResumeBuilder(memory, allocator, paging)
	if err != nil {
		return nil, err
	}
	if b.paging.Root, err = b.newTable(); err != nil {
		return nil, fmt.Errorf("build page tables: %w", err)
	}
	return b, nil
}

// ResumeBuilder makes a builder that changes the page tables at Paging.Root.
func ResumeBuilder(memory physmem.Memory, allocator Allocator, paging Paging) (*Builder, error) {
	if memory == nil || allocator == nil {
		return nil, errors.New("build page tables: no memory or no allocator")
	}
	paging, err := paging.normalise()
	if err != nil {
		return nil, err
	}
	return &Builder{memory: memory, allocator: allocator, paging: paging, shapes: paging.shapes()}, nil
}

// Paging is what the registers have to say for the tables.
func (b *Builder) Paging() Paging { return b.paging }

// Tables is the number of tables that this builder has made.
func (b *Builder) Tables() int { return b.tables }

// Map maps the addresses from va on to a range of physical memory, in the
// largest pages that fit and are not above largest bytes; 0 stands for the
// largest that there are. Range and va are multiples of the granule.
//
// If a part is mapped already nothing is changed and the error is ErrMapped.
// After an error of memory or allocator the tables are valid and a part of the
// range may be mapped.
func (b *Builder) Map(physical physmem.Range, va uint64, permissions Permissions, largest uint64) error {
	err := b.checkMap(physical, va, permissions, largest)
	if err == nil {
		last := va + physical.Size() - 1
		change := change{start: va, last: last, physical: physical.Start, permissions: permissions, largest: largest}
		err = b.mapTable(b.paging.StartLevel(), b.paging.Root, b.lowest(), &change)
	}
	if err != nil {
		return fmt.Errorf("map %#x to %v (%v): %w", va, physical, permissions, err)
	}
	return nil
}

// MapIdentity maps a range of physical memory at its own addresses.
func (b *Builder) MapIdentity(physical physmem.Range, permissions Permissions, largest uint64) error {
	return b.Map(physical, uint64(physical.Start), permissions, largest)
}

// change is what is done to the addresses [start, last].
type change struct {
	start, last uint64
	physical    physmem.Address // of start; Map's
	permissions Permissions
	largest     uint64 // Map's
	unmap       bool
}

// lowest is the first address of the tables' half.
func (b *Builder) lowest() uint64 {
	lowest, _ := b.paging.Bounds()
	return lowest
}

// granule is the size of pages and tables.
func (b *Builder) granule() uint64 { return uint64(b.paging.Granule) }

func (b *Builder) checkMap(physical physmem.Range, va uint64, permissions Permissions, largest uint64) error {
	switch {
	case !physical.Start.IsAligned(b.granule()):
		return fmt.Errorf("physical address is not aligned to %#x", b.granule())
	case physical.End > physmem.Address(1)<<b.paging.PhysicalBits:
		return fmt.Errorf("%w: more than %d physical address bits", ErrUnsupported, b.paging.PhysicalBits)
	case largest != 0 && largest < b.granule():
		return fmt.Errorf("%w: pages of at most %#x bytes", ErrUnsupported, largest)
	}
	if err := b.checkPermissions(permissions); err != nil {
		return err
	}
	if err := b.checkRange(va, physical.Size()); err != nil {
		return err
	}
	w, err := b.walker()
	if err != nil {
		return err
	}
	return w.Walk(va, va+physical.Size()-1, func(m Mapping) error {
		return fmt.Errorf("%w: %#x to %v", ErrMapped, m.Virtual, m.Physical)
	})
}

func (b *Builder) checkPermissions(permissions Permissions) error {
	if permissions&Write != 0 && permissions&Execute != 0 && !b.AllowWriteExecute {
		return ErrWriteExecute
	}
	return nil
}

// checkRange checks size bytes of addresses from va on.
func (b *Builder) checkRange(va, size uint64) error {
	last := va + size - 1
	switch {
	case size == 0 || (size|va)%b.granule() != 0:
		return fmt.Errorf("%#x bytes at %#x are not whole pages of %#x", size, va, b.granule())
	case last < va, va != b.paging.canonical(va), last != b.paging.canonical(last):
		return fmt.Errorf("%w: %#x bytes at %#x", ErrNonCanonical, size, va)
	}
	return nil
}

// walker is one over the tables as they are.
func (b *Builder) walker() (*Walker, error) { return NewWalker(b.memory, nil, b.paging) }

// newTable gives an empty table.
func (b *Builder) newTable() (physmem.Address, error) {
	table, err := b.allocator.AllocateTable(b.granule())
	if err != nil {
		return 0, fmt.Errorf("allocate a table: %w", err)
	}
	if !table.IsAligned(b.granule()) || table>>b.paging.PhysicalBits != 0 {
		return 0, fmt.Errorf("allocate a table: %w: %v", ErrReservedBits, table)
	}
	if _, err := b.memory.WritePhysical(make([]byte, b.granule()), table); err != nil {
		return 0, fmt.Errorf("clear a table: %w", err)
	}
	b.tables++
	return table, nil
}

// mapTable maps what of a change is in the table at level that stands for the
// addresses from base on.
func (b *Builder) mapTable(level int, table physmem.Address, base uint64, c *change) error {
	return b.editTable(level, table, base, c, func(at Step, va uint64) (Entry, error) {
		size := b.paging.PageSizeAt(level)
		if !at.Entry.Present() && va >= c.start && va+(size-1) <= c.last && b.leafFits(level, c) {
			physical := c.physical + physmem.Address(va-c.start)
			if physical.IsAligned(size) {
				return b.paging.encode(physical) | c.permissions.leaf(b.paging, level), nil
			}
		}
		if at.Entry.Present() && at.Entry.Leaf(level) {
			return at.Entry, fmt.Errorf("%w: %#x", ErrMapped, va)
		}
		if at.Entry.Present() {
			return at.Entry, b.mapTable(level+1, at.Entry.Address(b.paging, level), va, c)
		}
		next, err := b.newTable()
		if err != nil {
			return at.Entry, err
		}
		return b.paging.encode(next) | EntryPage, b.mapTable(level+1, next, va, c)
	})
}

// leafFits reports whether leaves of a change may be at level.
func (b *Builder) leafFits(level int, c *change) bool {
	return b.paging.HasBlocks(level) && (c.largest == 0 || b.paging.PageSizeAt(level) <= c.largest)
}

// editTable calls edit for each entry of a table that has addresses of a
// change, and writes what it returns, also if it comes with an error. Tables
// below are complete before the entries that point to them.
func (b *Builder) editTable(level int, table physmem.Address, base uint64, c *change, edit func(at Step, va uint64) (Entry, error)) error {
	shift := b.paging.levelShift(level)
	first, last := 0, b.paging.entriesAt(level)-1
	if c.start > base {
		first = int((c.start - base) >> shift)
	}
	if end := (c.last - base) >> shift; end < uint64(last) {
		last = int(end)
	}
	buffer := &b.buffers[ordinal(level)]
	if *buffer == nil {
		*buffer = make([]byte, b.granule())
	}
	entries := (*buffer)[first*8 : (last+1)*8]
	start := table + physmem.Address(first)*8
	if n, err := b.memory.ReadPhysical(entries, start); n < len(entries) {
		return unreadable(err)
	}
	var failed error
	for i := first; i <= last && failed == nil; i++ {
		word := entries[(i-first)*8:]
		at := Step{Level: level, Table: table, Index: i, Entry: Entry(binary.LittleEndian.Uint64(word))}
		var entry Entry
		entry, failed = edit(at, base+uint64(i)<<shift)
		binary.LittleEndian.PutUint64(word, uint64(entry))
	}
	if _, err := b.memory.WritePhysical(entries, start); err != nil && failed == nil {
		failed = fmt.Errorf("write a table: %w", err)
	}
	return failed
}
