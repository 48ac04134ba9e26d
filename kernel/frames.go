package kernel

import "math/bits"

const (
	pageSize  = 4096
	maxRanges = 64 // physical ranges of RAM; more are left out, smallest numbers first kept
)

// frameAllocator hands out the frames of physical memory. Two bit sets run
// over the same ranges, indexed as FreeBSD's dump_avail says (minidump.DumpAvail):
// free says what can be had, used is the page bitmap of a host's dump. All is
// nosplit, allocates nothing and touches nothing but the words of both sets.
type frameAllocator struct {
	count  uintptr                // ranges in use
	ranges [2 * maxRanges]uintptr // start and end of each, ascending, whole pages
	pages  uintptr                // bits in each set
	free   uintptr                // address of the free set
	used   uintptr                // address of the page bitmap, 0: none is kept
	hint   uintptr                // word of the free set where the search begins
	left   uintptr                // free frames
	least  uintptr                // the fewest that there were
}

// addRange adds a range of RAM; ranges come in ascending order. Partial pages
// are left out, adjacent ranges become one.
//
//go:nosplit
func (f *frameAllocator) addRange(start, end uintptr) {
	start = (start + pageSize - 1) &^ (pageSize - 1)
	end &^= pageSize - 1
	if end <= start {
		return
	}
	if f.count > 0 {
		last := element(&f.ranges[0], 2*f.count-1)
		if *last >= end {
			return
		}
		if *last >= start {
			f.pages += (end - *last) / pageSize
			*last = end
			return
		}
	}
	if f.count == maxRanges {
		return
	}
	*element(&f.ranges[0], 2*f.count) = start
	*element(&f.ranges[0], 2*f.count+1) = end
	f.count++
	f.pages += (end - start) / pageSize
}

// setBytes is the size of one bit set: whole pages, as the format has it.
//
//go:nosplit
func (f *frameAllocator) setBytes() uintptr {
	return ((f.pages+63)/64*8 + pageSize - 1) &^ (pageSize - 1)
}

// index is the bit of the page at address.
//
//go:nosplit
func (f *frameAllocator) index(address uintptr) (uintptr, bool) {
	bit := uintptr(0)
	for i := uintptr(0); i < f.count; i++ {
		start, end := *element(&f.ranges[0], 2*i), *element(&f.ranges[0], 2*i+1)
		if address >= start && address < end {
			return bit + (address-start)/pageSize, true
		}
		bit += (end - start) / pageSize
	}
	return 0, false
}

// rangeEnd is the end of the range that address lies in, 0 if in none.
//
//go:nosplit
func (f *frameAllocator) rangeEnd(address uintptr) uintptr {
	for i := uintptr(0); i < f.count; i++ {
		if end := *element(&f.ranges[0], 2*i+1); address >= *element(&f.ranges[0], 2*i) && address < end {
			return end
		}
	}
	return 0
}

// address is the page of a bit, 0 if there is no such bit.
//
//go:nosplit
func (f *frameAllocator) address(bit uintptr) uintptr {
	for i := uintptr(0); i < f.count; i++ {
		start, end := *element(&f.ranges[0], 2*i), *element(&f.ranges[0], 2*i+1)
		n := (end - start) / pageSize
		if bit < n {
			return start + bit*pageSize
		}
		bit -= n
	}
	return 0
}

//go:nosplit
func setBit(set, bit uintptr) {
	p := set + bit/64*8
	store64(p, load64(p)|1<<(bit%64))
}

//go:nosplit
func clearBit(set, bit uintptr) {
	p := set + bit/64*8
	store64(p, load64(p)&^(1<<(bit%64)))
}

//go:nosplit
func testBit(set, bit uintptr) bool {
	return load64(set+bit/64*8)>>(bit%64)&1 != 0
}

// setBits sets or clears n bits from bit on, whole words at a time.
//
//go:nosplit
func setBits(set, bit, n uintptr, on bool) {
	for n > 0 {
		p := set + bit/64*8
		mask, step := ^uintptr(0)<<(bit%64), 64-bit%64
		if step > n {
			mask &= ^uintptr(0) >> (step - n)
			step = n
		}
		if on {
			store64(p, load64(p)|mask)
		} else {
			store64(p, load64(p)&^mask)
		}
		bit += step
		n -= step
	}
}

// allSet reports whether n bits from bit on are set.
//
//go:nosplit
func allSet(set, bit, n uintptr) bool {
	for ; n > 0; n-- {
		if bit%64 == 0 && n >= 64 && load64(set+bit/64*8) == ^uintptr(0) {
			bit += 64
			n -= 63
			continue
		}
		if !testBit(set, bit) {
			return false
		}
		bit++
	}
	return true
}

// mark records pages as in use (in the page bitmap) that the allocator does not
// hand out.
//
//go:nosplit
func (f *frameAllocator) mark(start, end uintptr) {
	if bit, ok := f.index(start); ok && f.used != 0 {
		setBits(f.used, bit, (end-start)/pageSize, true)
	}
}

// give makes the pages of [start, end) free, as far as they lie in the range that
// start is in.
//
//go:nosplit
func (f *frameAllocator) give(start, end uintptr) {
	bit, ok := f.index(start)
	if !ok || end <= start {
		return
	}
	n := (end - start) / pageSize
	if limit := f.rangeEnd(start); end > limit {
		n = (limit - start) / pageSize
	}
	setBits(f.free, bit, n, true)
	if f.used != 0 {
		setBits(f.used, bit, n, false)
	}
	f.left += n
	f.hint = 0
}

// take removes [start, end) from what is free, if all of it is. The pages do
// not enter the page bitmap.
//
//go:nosplit
func (f *frameAllocator) take(start, end uintptr) bool {
	if start&(pageSize-1) != 0 || end&(pageSize-1) != 0 || end <= start {
		return false
	}
	bit, ok := f.index(start)
	last, okLast := f.index(end - 1)
	n := (end - start) / pageSize
	if !ok || !okLast || last-bit+1 != n || !allSet(f.free, bit, n) {
		return false
	}
	setBits(f.free, bit, n, false)
	f.left -= n
	if f.left < f.least {
		f.least = f.left
	}
	return true
}

// allocate takes one frame and enters it in the page bitmap. It returns the
// physical address, or 0 when there is none left. The frame is not cleared.
//
//go:nosplit
func (f *frameAllocator) allocate() uintptr {
	if f.left == 0 {
		return 0
	}
	words := (f.pages + 63) / 64
	w := f.hint
	for n := uintptr(0); n < words; n++ {
		if word := load64(f.free + w*8); word != 0 {
			bit := w*64 + uintptr(bits.TrailingZeros64(uint64(word)))
			store64(f.free+w*8, word&(word-1))
			if f.used != 0 {
				setBit(f.used, bit)
			}
			f.hint = w
			f.left--
			if f.left < f.least {
				f.least = f.left
			}
			return f.address(bit)
		}
		w++
		if w == words {
			w = 0
		}
	}
	return 0
}

// release gives a frame back. It reports whether the address was one that had
// been handed out.
//
//go:nosplit
func (f *frameAllocator) release(address uintptr) bool {
	bit, ok := f.index(address)
	if !ok || testBit(f.free, bit) {
		return false
	}
	setBit(f.free, bit)
	if f.used != 0 {
		clearBit(f.used, bit)
	}
	f.left++
	if bit/64 < f.hint {
		f.hint = bit / 64
	}
	return true
}

// allocateContiguous takes the lowest free block of so many bytes with an
// alignment, a power of two, and enters it in the page bitmap. 0: there is
// none.
//
//go:nosplit
func (f *frameAllocator) allocateContiguous(size, alignment uintptr) uintptr {
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if alignment < pageSize {
		alignment = pageSize
	}
	for i := uintptr(0); i < f.count; i++ {
		start, end := *element(&f.ranges[0], 2*i), *element(&f.ranges[0], 2*i+1)
		for a := (start + alignment - 1) &^ (alignment - 1); a < end && size <= end-a; a += alignment {
			if f.take(a, a+size) {
				f.mark(a, a+size)
				return a
			}
		}
	}
	return 0
}

// run is how many pages from bit on are free, at most n.
func (f *frameAllocator) run(bit, n uintptr) uintptr { return countSame(f.free, bit, n, true) }

// gapAfter is how many are not.
func (f *frameAllocator) gapAfter(bit, n uintptr) uintptr { return countSame(f.free, bit, n, false) }

// countSame counts bits with one value from bit on, at most n.
func countSame(set, bit, n uintptr, value bool) uintptr {
	whole := uintptr(0)
	if value {
		whole = ^whole
	}
	count := uintptr(0)
	for count < n {
		if at := bit + count; at%64 == 0 && n-count >= 64 && load64(set+at/64*8) == whole {
			count += 64
			continue
		}
		if testBit(set, bit+count) != value {
			break
		}
		count++
	}
	return count
}
