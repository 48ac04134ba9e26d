package amd64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Walk visits every leaf whose page has an address in [start, last], in
// ascending order. Absent entries are passed over whole, so the time it takes
// goes with the tables that there are, not with the range; addresses that are
// not canonical are passed over too.
//
// Bad entries go to OnError and end neither the walk nor its table. A leaf of
// which only a part is in allowed memory is visited; one that has none there is
// bad. Walk returns the first error of visit, as it is, and a *WalkError with
// ErrTooManyTables where MaxTables ran out. visit may call Translate, Trace and
// Lookup of the same walker, but not Walk.
func (w *Walker) Walk(start, last uint64, visit func(Mapping) error) error {
	w.left = w.MaxTables
	if w.left == 0 {
		w.left = DefaultMaxTables
	}
	if !w.allows(w.paging.Root, PageSize) {
		return w.report(failure(start, Step{Level: w.paging.Levels, Table: w.paging.Root}, ErrOutsideMemory))
	}
	upper := ^uint64(0) << (w.paging.VirtualBits() - 1) // first address of the upper half
	if lowerLast := min(last, ^upper); start <= lowerLast {
		if err := w.walkTable(w.paging.Levels, w.paging.Root, 0, start, lowerLast, rightsAll, visit); err != nil {
			return err
		}
	}
	if upperStart := max(start, upper); upperStart <= last {
		// The table's own first address has the bits above the root's set.
		return w.walkTable(w.paging.Levels, w.paging.Root, upper<<1, upperStart, last, rightsAll, visit)
	}
	return nil
}

// walkTable visits the leaves in [start, last] under a table at level, whose
// first entry stands for base. At least one address of the table is in the
// range.
func (w *Walker) walkTable(level int, table physmem.Address, base, start, last uint64, rights Entry, visit func(Mapping) error) error {
	shift := levelShift(level)
	first, count := 0, entriesPerTable
	if start > base {
		first = int((start - base) >> shift)
	}
	if end := (last - base) >> shift; end < entriesPerTable {
		count = int(end) + 1
	}
	at := Step{Level: level, Table: table, Index: first}
	if w.left == 0 {
		return failure(base+uint64(first)<<shift, at, ErrTooManyTables)
	}
	w.left--
	entries, cause := w.readTable(level, table, first, count)
	w.ancestors[level] = table
	for i := 0; i+8 <= len(entries); i += 8 {
		entry := Entry(binary.LittleEndian.Uint64(entries[i:]))
		if !entry.Present() {
			continue
		}
		at.Index, at.Entry = first+i/8, entry
		va := base + uint64(at.Index)<<shift
		if err := w.walkEntry(at, va, start, last, restrict(rights, entry), visit); err != nil {
			return err
		}
	}
	if missing := first + len(entries)/8; missing < count {
		at.Index, at.Entry = missing, 0
		return w.report(failure(base+uint64(missing)<<shift, at, cause))
	}
	return nil
}

// walkEntry visits what a present entry, which stands for va, leads to.
func (w *Walker) walkEntry(at Step, va, start, last uint64, rights Entry, visit func(Mapping) error) error {
	if err := w.check(at.Entry, at.Level); err != nil {
		return w.report(failure(va, at, err))
	}
	next := at.Entry.Address(at.Level)
	if at.Entry.Leaf(at.Level) {
		size := physmem.Address(PageSizeAt(at.Level))
		if w.allowed != nil && !w.allowed.Overlaps(physmem.Range{Start: next, End: next + size}) {
			return w.report(failure(va, at, ErrOutsideMemory))
		}
		return visit(newMapping(va, at.Level, at.Entry, rights))
	}
	if !w.FollowCycles {
		for level := at.Level; level <= w.paging.Levels; level++ {
			if w.ancestors[level] == next {
				return w.report(failure(va, at, ErrCycle))
			}
		}
	}
	if !w.allows(next, PageSize) {
		return w.report(failure(va, at, ErrOutsideMemory))
	}
	return w.walkTable(at.Level-1, next, va, start, last, rights, visit)
}

// readTable reads entries [first, count) of a table into the level's buffer. If
// not all can be read it gives those before and why.
func (w *Walker) readTable(level int, table physmem.Address, first, count int) ([]byte, error) {
	if w.tables[level] == nil {
		w.tables[level] = make([]byte, PageSize)
	}
	entries := w.tables[level][first*8 : count*8]
	n, err := w.memory.ReadPhysical(entries, table+physmem.Address(first)*8)
	if n < len(entries) {
		return entries[:max(n, 0)&^7], unreadable(err)
	}
	return entries, nil
}

// report hands a bad entry to OnError; without one it ends the walk.
func (w *Walker) report(failure *WalkError) error {
	if w.OnError == nil {
		return failure
	}
	w.OnError(failure)
	return nil
}
