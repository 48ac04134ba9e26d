package arm64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Walk visits every leaf whose page has an address in [start, last], in
// ascending order. Absent entries are passed over whole, so the time it takes
// goes with the tables that there are, not with the range; addresses of the
// other half are passed over too.
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
	lowest, highest := w.paging.Bounds()
	start, last = max(start, lowest), min(last, highest)
	if start > last {
		return nil
	}
	if !w.allows(w.paging.Root, w.start) {
		return w.report(failure(start, Step{Level: w.start, Table: w.paging.Root}, ErrOutsideMemory))
	}
	return w.walkTable(w.start, w.paging.Root, lowest, start, last, limits{}, visit)
}

// walkTable visits the leaves in [start, last] under a table at level, whose
// first entry stands for base. At least one address of the table is in the
// range.
func (w *Walker) walkTable(level int, table physmem.Address, base, start, last uint64, l limits, visit func(Mapping) error) error {
	shape := &w.shapes[ordinal(level)]
	shift := shape.shift
	first, count := 0, shape.entries
	if start > base {
		first = int((start - base) >> shift)
	}
	if end := (last - base) >> shift; end < uint64(count) {
		count = int(end) + 1
	}
	at := Step{Level: level, Table: table, Index: first}
	if w.left == 0 {
		return failure(base+uint64(first)<<shift, at, ErrTooManyTables)
	}
	w.left--
	entries, cause := w.readTable(level, table, first, count)
	w.ancestors[ordinal(level)] = table
	for i := 0; i+8 <= len(entries); i += 8 {
		entry := Entry(binary.LittleEndian.Uint64(entries[i:]))
		if !entry.Present() {
			continue
		}
		at.Index, at.Entry = first+i/8, entry
		va := base + uint64(at.Index)<<shift
		if err := w.walkEntry(at, va, start, last, l, visit); err != nil {
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
func (w *Walker) walkEntry(at Step, va, start, last uint64, l limits, visit func(Mapping) error) error {
	if err := w.shapes[ordinal(at.Level)].check(at.Entry, at.Level); err != nil {
		return w.report(failure(va, at, err))
	}
	if at.Entry.Leaf(at.Level) {
		m := newMapping(&w.paging, va, 1<<w.shapes[ordinal(at.Level)].shift, at.Level, at.Entry, l)
		if w.allowed != nil && !w.allowed.Overlaps(physmem.Range{Start: m.Physical, End: m.Physical + physmem.Address(m.Size)}) {
			return w.report(failure(va, at, ErrOutsideMemory))
		}
		return visit(m)
	}
	next := at.Entry.address(&w.paging, uint64(w.paging.Granule))
	if !w.FollowCycles {
		for level := w.start; level <= at.Level; level++ {
			// The first table may be a part of a page.
			if w.ancestors[ordinal(level)].AlignDown(uint64(w.paging.Granule)) == next {
				return w.report(failure(va, at, ErrCycle))
			}
		}
	}
	if !w.allows(next, at.Level+1) {
		return w.report(failure(va, at, ErrOutsideMemory))
	}
	if !w.paging.HierarchyOff {
		l = l.restrict(at.Entry)
	}
	return w.walkTable(at.Level+1, next, va, start, last, l, visit)
}

// readTable reads entries [first, count) of a table into the level's buffer. If
// not all can be read it gives those before and why.
func (w *Walker) readTable(level int, table physmem.Address, first, count int) ([]byte, error) {
	buffer := &w.tables[ordinal(level)]
	if *buffer == nil {
		*buffer = make([]byte, w.shapes[ordinal(level)].entries*8)
	}
	entries := (*buffer)[first*8 : count*8]
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
