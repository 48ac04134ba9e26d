package minidump

import (
	"sync"
	"sync/atomic"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// maximumFailures caps the ranges of memory that failed to be read and are
// remembered one by one.
const maximumFailures = 1024

// failures are the ranges of memory that could not be read. What is in the set
// is not tried again, so that it stays the same in every later read.
type failures struct {
	ranges atomic.Pointer[physmem.Ranges] // replaced, never changed
	mu     sync.Mutex                     // held to replace it
	lost   uint64                         // failures that found no room
}

// load returns the set as it is now.
func (f *failures) load() physmem.Ranges {
	if s := f.ranges.Load(); s != nil {
		return *s
	}
	return nil
}

// add puts r into the set, if there is room for it.
func (f *failures) add(r physmem.Range) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.load()
	if s.ContainsRange(r) {
		return
	}
	s = s.Union(physmem.Ranges{r})
	if len(s) > maximumFailures {
		f.lost++
		return
	}
	f.ranges.Store(&s)
}

// overflowed is how many failures are not in the set.
func (f *failures) overflowed() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// take makes the content of o that of f.
func (f *failures) take(o *failures) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ranges.Store(o.ranges.Load())
	f.lost = o.lost
}

// next returns where the set s changes after at, at most end, and whether at
// is in it.
func next(s physmem.Ranges, at, end physmem.Address) (physmem.Address, bool) {
	low, high := 0, len(s)
	for low < high {
		middle := int(uint(low+high) / 2)
		if s[middle].End > at {
			high = middle
		} else {
			low = middle + 1
		}
	}
	switch {
	case low == len(s):
		return end, false
	case s[low].Start <= at:
		return min(end, s[low].End), true
	default:
		return min(end, s[low].Start), false
	}
}
