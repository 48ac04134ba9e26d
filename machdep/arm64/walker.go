package arm64

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Step is one step of a walk: an entry and where it was found.
type Step struct {
	Level int
	Table physmem.Address // address of the table; 0 in a minidump's section
	Index int             // of the entry in the table or section
	Entry Entry
}

// Mapping is one leaf: a page and what it maps.
type Mapping struct {
	Virtual  uint64          // first address of the page
	Physical physmem.Address // what that maps to
	Size     uint64          // of the page
	Level    int             // of the leaf
	Entry    Entry           // the leaf

	// Rights as all entries on the way grant them (DDI 0487 D8.4), where
	// Executable stands for EL0 or EL1. SCTLR_EL1.WXN, PAN and a hardware that
	// manages the dirty state may change them.
	Writable   bool
	User       bool
	Executable bool
}

// limits are what tables take away from all below them (DDI 0487 D8.4.2): the
// bits that count as set, and as clear, in every leaf.
type limits struct{ set, clear Entry }

// restrict is what is left after one more table descriptor.
func (l limits) restrict(table Entry) limits {
	if table&EntryTableRO != 0 {
		l.set |= EntryRO
	}
	if table&EntryTableNoUser != 0 {
		l.clear |= EntryUser
	}
	if table&EntryTablePXN != 0 {
		l.set |= EntryPXN
	}
	if table&EntryTableUXN != 0 {
		l.set |= EntryUXN
	}
	return l
}

// newMapping is the mapping of leaf at level, whose page of size bytes contains
// va.
func newMapping(paging *Paging, va, size uint64, level int, leaf Entry, l limits) Mapping {
	rights := (leaf | l.set) &^ l.clear
	mapping := Mapping{
		Virtual:  paging.canonical(va) &^ (size - 1),
		Physical: leaf.address(paging, size),
		Size:     size,
		Level:    level,
		Entry:    leaf,
		Writable: rights.Writable(),
		User:     rights.User(),
	}
	// What EL0 may write EL1 does not execute, whatever PXN says (DDI 0487
	// D8.4.1.2.1).
	kernel := rights&EntryPXN == 0 && !(mapping.User && mapping.Writable)
	mapping.Executable = rights&EntryUXN == 0 || kernel
	return mapping
}

// DefaultMaxTables is how many tables a Walk reads before it gives up, unless
// Walker.MaxTables says otherwise: as many as map 8 TiB in 4 KiB pages.
const DefaultMaxTables = 1 << 22

// Walker translates virtual addresses. Its methods may not be called at the
// same time.
type Walker struct {
	// OnError is given every bad entry that Walk meets, and Walk goes on after
	// it. If it is nil Walk ends with the first. Entries that are not present
	// are not bad.
	OnError func(*WalkError)
	// FollowCycles makes the walker follow an entry that points back to a
	// table on the way to it, as processors do, instead of refusing it.
	FollowCycles bool
	// MaxTables is how many tables one Walk reads at most, so that tables that
	// are shared many times over cannot make it endless; 0 stands for
	// DefaultMaxTables.
	MaxTables int

	memory  physmem.Reader
	allowed physmem.Ranges
	paging  Paging
	start   int // level of the first table
	shapes  [maximumLevels]shape

	path   [maximumLevels]Step // of the translation under way
	buffer [8]byte

	// Of the Walk under way:
	tables    [maximumLevels][]byte          // entries of each level
	ancestors [maximumLevels]physmem.Address // table of each level
	left      int                            // tables that may still be read
}

// NewWalker makes a walker over memory. Tables and pages outside of allowed
// are an error and never read; nil allows all that memory answers for, and an
// empty set nothing.
func NewWalker(memory physmem.Reader, allowed physmem.Ranges, paging Paging) (*Walker, error) {
	if memory == nil {
		return nil, errors.New("page-table walker: no memory")
	}
	paging, err := paging.normalise()
	if err != nil {
		return nil, err
	}
	if allowed != nil && !allowed.IsNormal() {
		allowed = physmem.NewRanges(allowed...)
	}
	return &Walker{memory: memory, allowed: allowed, paging: paging, start: paging.StartLevel(), shapes: paging.shapes()}, nil
}

// Paging is what the walker was made for, with defaults filled in.
func (w *Walker) Paging() Paging { return w.paging }

// Translate gives the physical address of va, and the mapping that it is in.
// The error is a *WalkError.
func (w *Walker) Translate(va uint64) (physmem.Address, Mapping, error) {
	depth, err := w.descend(va, LevelPage)
	if err != nil {
		return 0, Mapping{}, err
	}
	return w.finish(va, depth)
}

// Trace translates va and appends each step taken to steps. On an error the
// steps are there up to the entry at fault, which is among them if it could be
// read.
func (w *Walker) Trace(va uint64, steps []Step) ([]Step, Mapping, error) {
	depth, err := w.descend(va, LevelPage)
	steps = append(steps, w.path[:depth]...)
	if err != nil {
		return steps, Mapping{}, err
	}
	_, mapping, err := w.finish(va, depth)
	return steps, mapping, err
}

// Lookup finds the entry at level on the way to va, or the leaf that ends the
// way above it. The entry is present and valid; where it points to is not
// looked at. A step that was read comes with the error too.
func (w *Walker) Lookup(va uint64, level int) (Step, error) {
	if level < w.start || level > LevelPage {
		return Step{}, fmt.Errorf("look up %#x: %w: no level %d", va, ErrUnsupported, level)
	}
	depth, err := w.descend(va, level)
	if depth == 0 {
		return Step{}, err
	}
	return w.path[depth-1], err
}

// descend goes from the root towards va, down to the entry at level last or to
// the leaf above it, and leaves its steps in w.path.
func (w *Walker) descend(va uint64, last int) (depth int, err error) {
	at := Step{Level: w.start, Table: w.paging.Root}
	if !w.paging.IsCanonical(va) {
		return 0, failure(va, at, ErrNonCanonical)
	}
	if !w.allows(at.Table, at.Level) {
		return 0, failure(va, at, ErrOutsideMemory)
	}
	for {
		shape := &w.shapes[ordinal(at.Level)]
		at.Index = int(va>>shape.shift) & (shape.entries - 1)
		at.Entry = 0
		if err := w.read(&at); err != nil {
			return depth, failure(va, at, err)
		}
		w.path[depth] = at
		depth++
		if err := shape.check(at.Entry, at.Level); err != nil {
			return depth, failure(va, at, err)
		}
		if at.Level == last || at.Entry.Leaf(at.Level) {
			return depth, nil
		}
		next := at.Entry.address(&w.paging, uint64(w.paging.Granule))
		if !w.FollowCycles {
			for i := range depth {
				// The first table may be a part of a page.
				if w.path[i].Table.AlignDown(uint64(w.paging.Granule)) == next {
					return depth, failure(va, at, ErrCycle)
				}
			}
		}
		at.Level++
		if !w.allows(next, at.Level) {
			at.Level--
			return depth, failure(va, at, ErrOutsideMemory)
		}
		at.Table = next
	}
}

// read fetches the entry of a step.
func (w *Walker) read(at *Step) error {
	n, err := w.memory.ReadPhysical(w.buffer[:], at.Table+physmem.Address(at.Index)*8)
	if n < len(w.buffer) {
		return unreadable(err)
	}
	at.Entry = Entry(binary.LittleEndian.Uint64(w.buffer[:]))
	return nil
}

// allows reports whether a table for level may be read.
func (w *Walker) allows(table physmem.Address, level int) bool {
	size := physmem.Address(w.shapes[ordinal(level)].entries) * 8
	return w.allowed == nil || w.allowed.ContainsRange(physmem.Range{Start: table, End: table + size})
}

// finish gives the result of a translation whose steps are the first depth of
// w.path.
func (w *Walker) finish(va uint64, depth int) (physmem.Address, Mapping, error) {
	var l limits
	if !w.paging.HierarchyOff {
		for i := range depth - 1 {
			l = l.restrict(w.path[i].Entry)
		}
	}
	leaf := &w.path[depth-1]
	mapping := newMapping(&w.paging, va, 1<<w.shapes[ordinal(leaf.Level)].shift, leaf.Level, leaf.Entry, l)
	physical := mapping.Physical + physmem.Address(va&(mapping.Size-1))
	if w.allowed != nil && !w.allowed.Contains(physical) {
		return 0, Mapping{}, failure(va, *leaf, ErrOutsideMemory)
	}
	return physical, mapping, nil
}

// failure is the error of a walk for va that ended at a step.
func failure(va uint64, at Step, err error) *WalkError {
	return &WalkError{Virtual: va, Level: at.Level, Table: at.Table, Index: at.Index, Entry: at.Entry, Err: err}
}
