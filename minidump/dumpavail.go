package minidump

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// DumpAvail is FreeBSD's dump_avail: the ranges of physical memory that the
// bits of a page bitmap run over, in order. It is immutable, so that all of
// its methods may be called from anywhere; none allocates but Ranges.
//
// Range i has ceil(End/P) - floor(Start/P) bits (vm_dumpset.h). Where the
// rounded edges of two ranges share a page, that page has two bits, one for
// the addresses of each range.
type DumpAvail struct {
	shift   uint
	flat    bool
	damaged bool // in a file: there is more that could not be parsed
	ranges  []availableRange
	pages   uint64
}

// availableRange is a range with what indexing needs precomputed.
type availableRange struct {
	start, end physmem.Address // as given, not rounded
	firstPage  uint64          // start / P
	firstBit   uint64
	pages      uint64
}

// maxDumpAvailRanges caps the ranges that are taken from a file. FreeBSD's
// array fits one page with 16 bytes a range.
const maxDumpAvailRanges = 4096

// NewDumpAvail makes a DumpAvail of ranges, which must be ascending, not
// empty, not overlapping and within the physical address space. They need not
// be aligned to pages.
func NewDumpAvail(pageSize uint32, ranges []physmem.Range) (*DumpAvail, error) {
	d, err := newDumpAvail(pageSize, ranges)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// NewFlatDumpAvail makes the DumpAvail of a version without one: a single
// range from address 0.
func NewFlatDumpAvail(pageSize uint32, pages uint64) (*DumpAvail, error) {
	if pages > uint64(physmem.MaxAddress)/uint64(max(pageSize, 1)) {
		return nil, fmt.Errorf("dump_avail: %d pages of %d bytes: %w", pages, pageSize, ErrTooLarge)
	}
	var ranges []physmem.Range
	if pages > 0 {
		ranges = []physmem.Range{{Start: 0, End: physmem.Address(pages * uint64(pageSize))}}
	}
	d, err := newDumpAvail(pageSize, ranges)
	if d != nil {
		d.flat = true
	}
	return d, err
}

// newDumpAvail is NewDumpAvail, but returns the good ranges before a bad one
// together with the error, for damaged files.
func newDumpAvail(pageSize uint32, ranges []physmem.Range) (*DumpAvail, error) {
	if pageSize == 0 || pageSize&(pageSize-1) != 0 {
		return nil, fmt.Errorf("dump_avail: page size %d is not a power of two: %w", pageSize, ErrUnsupported)
	}
	d := &DumpAvail{shift: uint(bits.TrailingZeros32(pageSize)), ranges: make([]availableRange, 0, len(ranges))}
	var last physmem.Address
	for i, r := range ranges {
		if r.IsEmpty() || r.End > physmem.MaxAddress || r.Start < last {
			return d, fmt.Errorf("dump_avail: range %d %v is empty, beyond %v, or begins below %v: %w", i, r, physmem.MaxAddress, last, ErrDamaged)
		}
		a := availableRange{start: r.Start, end: r.End, firstPage: uint64(r.Start) >> d.shift, firstBit: d.pages}
		a.pages = uint64(r.End.AlignUp(uint64(pageSize)))>>d.shift - a.firstPage
		d.ranges = append(d.ranges, a)
		d.pages += a.pages
		last = r.End
	}
	return d, nil
}

// PageSize is the size of the page that one bit stands for.
func (d *DumpAvail) PageSize() uint32 { return 1 << d.shift }

// Pages is the number of bits: the pages of all ranges.
func (d *DumpAvail) Pages() uint64 { return d.pages }

// IsFlat reports whether this stands for a version without dump_avail.
func (d *DumpAvail) IsFlat() bool { return d.flat }

// NumRanges is the number of ranges.
func (d *DumpAvail) NumRanges() int { return len(d.ranges) }

// Ranges returns the ranges as they were given, not rounded to pages.
func (d *DumpAvail) Ranges() []physmem.Range {
	ranges := make([]physmem.Range, len(d.ranges))
	for i, r := range d.ranges {
		ranges[i] = physmem.Range{Start: r.start, End: r.end}
	}
	return ranges
}

// BitmapSize is the size in bytes of a bitmap over the ranges as FreeBSD
// writes it: rounded up to a page.
func (d *DumpAvail) BitmapSize() uint64 {
	size := (d.pages + 7) / 8
	page := uint64(d.PageSize())
	return (size + page - 1) &^ (page - 1)
}

// NumWords is the number of 64-bit words that a bitmap over the ranges has,
// padding to whole pages included.
func (d *DumpAvail) NumWords() int { return int(d.BitmapSize() / bitmapUnit) }

// Index returns the bit of the page that holds address.
//
// An address inside of a range has FreeBSD's bit. One that is not, but lies in
// a page that a range begins or ends in, has the bit of that page, since the
// page is dumped as a whole: of the range before it, else of the one after.
func (d *DumpAvail) Index(address physmem.Address) (bit uint64, ok bool) {
	i, ok := d.find(address)
	if !ok {
		return 0, false
	}
	return d.ranges[i].bit(uint64(address) >> d.shift), true
}

// find returns the range whose bits address has.
func (d *DumpAvail) find(address physmem.Address) (i int, ok bool) {
	i = d.after(address)
	if i < len(d.ranges) && d.ranges[i].start <= address {
		return i, true
	}
	page := uint64(address) >> d.shift
	if i > 0 && d.ranges[i-1].hasPage(page) {
		return i - 1, true
	}
	return i, i < len(d.ranges) && d.ranges[i].hasPage(page)
}

// Address returns the address of the page that bit stands for. It is rounded
// down to a page, and so may lie below the range's start.
func (d *DumpAvail) Address(bit uint64) (address physmem.Address, ok bool) {
	if bit >= d.pages {
		return 0, false
	}
	r := &d.ranges[d.holding(bit)]
	return physmem.Address((r.firstPage + bit - r.firstBit) << d.shift), true
}

// after returns the index of the first range that ends after address.
func (d *DumpAvail) after(address physmem.Address) int {
	low, high := 0, len(d.ranges)
	for low < high {
		middle := int(uint(low+high) / 2)
		if d.ranges[middle].end > address {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// holding returns the index of the range that bit, which is below pages, is
// of.
func (d *DumpAvail) holding(bit uint64) int {
	low, high := 0, len(d.ranges)
	for high-low > 1 {
		middle := int(uint(low+high) / 2)
		if d.ranges[middle].firstBit <= bit {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func (r *availableRange) bit(page uint64) uint64 { return r.firstBit + page - r.firstPage }

func (r *availableRange) hasPage(page uint64) bool {
	return page >= r.firstPage && page-r.firstPage < r.pages
}

// AppendBinary appends dump_avail as FreeBSD has it in memory and in dumps of
// amd64 and arm64: pairs of little-endian 64-bit start and end, and a pair of
// zeros.
func (d *DumpAvail) AppendBinary(b []byte) ([]byte, error) {
	for _, r := range d.ranges {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.start))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.end))
	}
	return append(b, make([]byte, 16)...), nil
}

// ParseDumpAvail parses dump_avail as it is in a dump: pairs of start and end,
// width bytes each (8; 4 on arm), up to the first pair whose end is 0 or the
// end of data. What follows the terminator has no meaning.
//
// Where a pair breaks the rules of NewDumpAvail, the pairs before it are
// returned together with the error.
func ParseDumpAvail(data []byte, order binary.ByteOrder, width int, pageSize uint32) (*DumpAvail, error) {
	var ranges []physmem.Range
	for i := 0; len(data)-i >= 2*width && len(ranges) < maxDumpAvailRanges; i += 2 * width {
		start, end := readWord(data[i:], order, width), readWord(data[i+width:], order, width)
		if end == 0 {
			// Never on start == 0: memory often begins there.
			return newDumpAvail(pageSize, ranges)
		}
		ranges = append(ranges, physmem.Range{Start: physmem.Address(start), End: physmem.Address(end)})
	}
	d, err := newDumpAvail(pageSize, ranges)
	if err == nil {
		err = fmt.Errorf("dump_avail: no terminator after %d ranges in %d bytes: %w", len(ranges), len(data), ErrDamaged)
	}
	return d, err
}

// readWord reads a number of 4 or 8 bytes.
func readWord(b []byte, order binary.ByteOrder, width int) uint64 {
	if width == 4 {
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}
