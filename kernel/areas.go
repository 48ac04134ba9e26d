package kernel

const maxAreas = 256

// Protection of an area; the values are those of mmap(2).
const (
	protectNone  = 0
	protectRead  = 1
	protectWrite = 2

	protectDevice = 8 // mapped when it was made: a fault in it is none of demand
)

// area is a range of the kernel window that may be touched: [start, end), with
// pages made when they are.
type area struct {
	start, end uintptr
	protection uintptr
}

// areaList is what is mapped in the window: sorted, without overlap, adjacent
// areas with one protection are one. Everything is nosplit and in place.
type areaList struct {
	count uintptr
	list  [maxAreas]area
}

//go:nosplit
func (l *areaList) at(i uintptr) *area { return element(&l.list[0], i) }

// find returns the first area that ends above address, and whether address is
// in it.
//
//go:nosplit
func (l *areaList) find(address uintptr) (i uintptr, inside bool) {
	low, high := uintptr(0), l.count
	for low < high {
		middle := (low + high) / 2
		if l.at(middle).end > address {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, low < l.count && l.at(low).start <= address
}

// insertAt makes room for an area at i.
//
//go:nosplit
func (l *areaList) insertAt(i uintptr, start, end, protection uintptr) {
	for j := l.count; j > i; j-- {
		a, b := l.at(j), l.at(j-1)
		a.start, a.end, a.protection = b.start, b.end, b.protection
	}
	a := l.at(i)
	a.start, a.end, a.protection = start, end, protection
	l.count++
}

//go:nosplit
func (l *areaList) deleteAt(i uintptr) {
	l.count--
	for j := i; j < l.count; j++ {
		a, b := l.at(j), l.at(j+1)
		a.start, a.end, a.protection = b.start, b.end, b.protection
	}
}

// remove takes [start, end) out. It fails, with nothing changed, when an area
// would have to be cut in two and there is no room.
//
//go:nosplit
func (l *areaList) remove(start, end uintptr) bool {
	i, _ := l.find(start)
	for i < l.count {
		a := l.at(i)
		if a.start >= end {
			break
		}
		switch {
		case a.start < start && a.end > end:
			if l.count == maxAreas {
				return false
			}
			l.insertAt(i+1, end, a.end, a.protection)
			l.at(i).end = start
			return true
		case a.start < start:
			a.end = start
			i++
		case a.end > end:
			a.start = end
			return true
		default:
			l.deleteAt(i)
		}
	}
	return true
}

// insert maps [start, end), in place of what was there.
//
//go:nosplit
func (l *areaList) insert(start, end, protection uintptr) bool {
	if l.count+2 > maxAreas || !l.remove(start, end) {
		return false
	}
	i, _ := l.find(start)
	before := i > 0 && l.at(i-1).end == start && l.at(i-1).protection == protection
	after := i < l.count && l.at(i).start == end && l.at(i).protection == protection
	switch {
	case before && after:
		l.at(i - 1).end = l.at(i).end
		l.deleteAt(i)
	case before:
		l.at(i - 1).end = end
	case after:
		l.at(i).start = start
	default:
		l.insertAt(i, start, end, protection)
	}
	return true
}

// gap is the lowest free place of size bytes in [low, high), 0 if there is
// none.
//
//go:nosplit
func (l *areaList) gap(low, high, size uintptr) uintptr {
	i, inside := l.find(low)
	if inside {
		low = l.at(i).end
		i++
	}
	for {
		limit := high
		if i < l.count && l.at(i).start < high {
			limit = l.at(i).start
		}
		if limit > low && limit-low >= size {
			return low
		}
		if i >= l.count || l.at(i).end >= high {
			return 0
		}
		low = l.at(i).end
		i++
	}
}

// isFree reports whether nothing is mapped in [start, end).
//
//go:nosplit
func (l *areaList) isFree(start, end uintptr) bool {
	i, inside := l.find(start)
	return !inside && (i == l.count || l.at(i).start >= end)
}

// covers reports whether all of [start, end) is mapped.
//
//go:nosplit
func (l *areaList) covers(start, end uintptr) bool {
	i, inside := l.find(start)
	for inside && start < end {
		start = l.at(i).end
		i++
		inside = i < l.count && l.at(i).start == start
	}
	return start >= end
}

// bytes is the sum of all areas, and what of it may be touched.
//
//go:nosplit
func (l *areaList) bytes() (all, touchable uintptr) {
	for i := uintptr(0); i < l.count; i++ {
		a := l.at(i)
		all += a.end - a.start
		if a.protection != protectNone {
			touchable += a.end - a.start
		}
	}
	return all, touchable
}
