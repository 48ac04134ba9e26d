package arm64

// lookaside is the TLB as the architecture sees it: what was found by a walk
// stays until it is invalidated.
type lookaside struct {
	entries map[lookasideKey]*tlbEntry
	sizes   [3]uint64 // bit n: there may be entries of 2^n bytes; by regime
}

// lookasideEntries is how many entries there can be.
const lookasideEntries = 1 << 16

// lookasideKey is what an entry is for.
type lookasideKey struct {
	page   uint64 // va >> size
	size   uint8
	regime regimeNumber
	asid   int32 // -1: global
}

func (l *lookaside) init() { l.dropAll() }

func (l *lookaside) dropAll() {
	l.entries = map[lookasideKey]*tlbEntry{}
	l.sizes = [3]uint64{}
}

// find gives the entry for va, or nil.
func (l *lookaside) find(r *regime, va uint64) *tlbEntry {
	for left := l.sizes[r.number]; left != 0; left &= left - 1 {
		size := trailing(left)
		k := lookasideKey{va >> size, size, r.number, -1}
		if e := l.entries[k]; e != nil {
			return e
		}
		k.asid = int32(r.asid)
		if e := l.entries[k]; e != nil {
			return e
		}
	}
	return nil
}

// add keeps an entry.
func (l *lookaside) add(r *regime, va uint64, e tlbEntry) *tlbEntry {
	k := lookasideKey{va >> e.size, e.size, r.number, int32(e.asid)}
	if e.global {
		k.asid = -1
	}
	if len(l.entries) >= lookasideEntries {
		l.dropAll() // no TLB is that large
	}
	l.sizes[r.number] |= 1 << e.size
	l.entries[k] = &e
	return &e
}

// drop drops the entries that a function chooses.
func (l *lookaside) drop(chosen func(lookasideKey, *tlbEntry) bool) {
	for k, e := range l.entries {
		if chosen(k, e) {
			delete(l.entries, k)
		}
	}
}
