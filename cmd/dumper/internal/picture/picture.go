package picture

import (
	"context"
	"fmt"
	"math/bits"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Options says how fine a picture is.
type Options struct {
	Columns int // cells in a row; 0 is 128
	Rows    int // rows over all bands, as far as can be; 0 is 96

	// Scan reads every page, to tell the zero ones.
	Scan     bool
	Progress func(done, total int64)
}

// Picture is physical memory in cells.
type Picture struct {
	Title        string
	PageSize     uint64
	PagesPerCell uint64 // a power of two
	Columns      int
	Bands        []Band
	Total        Cell
	Scanned      bool // zero pages are known
}

// Band is one range of RAM.
type Band struct {
	Range physmem.Range // rounded to pages
	Cells []Cell        // cell i has the pages from PagesPerCell*i on
}

// rows is how many rows of cells the band takes.
func (b *Band) rows(columns int) int { return (len(b.Cells) + columns - 1) / columns }

// New makes the picture of a dump.
func New(ctx context.Context, r *minidump.Reader, o Options) (*Picture, error) {
	if o.Columns <= 0 {
		o.Columns = 128
	}
	if o.Rows <= 0 {
		o.Rows = 96
	}
	header := r.Header()
	p := &Picture{PageSize: uint64(header.PageSize), Columns: o.Columns, Scanned: o.Scan}
	var ranges []physmem.Range
	for _, given := range r.DumpAvail().Ranges() {
		ranges = append(ranges, given.AlignOutward(p.PageSize))
	}
	p.PagesPerCell = cellSize(ranges, p.PageSize, uint64(o.Columns), uint64(o.Rows))
	for _, band := range ranges {
		pages := band.Size() / p.PageSize
		p.Bands = append(p.Bands, Band{Range: band, Cells: make([]Cell, (pages+p.PagesPerCell-1)/p.PagesPerCell)})
	}
	c := counter{picture: p, reader: r, options: o}
	if err := c.count(ctx); err != nil {
		return nil, err
	}
	p.Title = fmt.Sprintf("FreeBSD/%v %v: %d of %d pages of %d KiB", header.Architecture, r.Format(),
		r.NumPages(), r.DumpAvail().Pages(), p.PageSize>>10)
	return p, nil
}

// cellSize is the smallest power of two of pages with which the ranges fit
// into rows of columns cells; each range takes a whole row at least.
func cellSize(ranges []physmem.Range, pageSize, columns, rows uint64) uint64 {
	for size := uint64(1); ; size *= 2 {
		var need uint64
		for _, r := range ranges {
			need += (r.Size()/pageSize + size*columns - 1) / (size * columns)
		}
		if need <= rows || need <= uint64(len(ranges)) || bits.LeadingZeros64(size) < 16 {
			return size
		}
	}
}

// move counts the pages of r, which were counted as one class, as another.
func (p *Picture) move(r physmem.Range, from, to Class) {
	for i := range p.Bands {
		band := &p.Bands[i]
		part := r.Intersect(band.Range)
		first := uint64(part.Start-band.Range.Start) / p.PageSize
		for left := part.AlignOutward(p.PageSize).Size() / p.PageSize; left > 0; {
			cell := &band.Cells[first/p.PagesPerCell]
			n := min(left, p.PagesPerCell-first%p.PagesPerCell)
			// Two ranges may share the page that they meet in.
			moved := min(n, cell[from])
			cell[from] -= moved
			cell[to] += moved
			p.Total[from] -= moved
			p.Total[to] += moved
			first, left = first+n, left-n
		}
	}
}
