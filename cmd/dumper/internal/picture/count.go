package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// counter fills a picture from a dump.
type counter struct {
	picture *Picture
	reader  *minidump.Reader
	options Options
}

// scanUnit is read at a time.
const scanUnit = 1 << 20

func (c *counter) count(ctx context.Context) error {
	for i := range c.picture.Bands {
		band := &c.picture.Bands[i]
		pages := band.Range.Size() / c.picture.PageSize
		for cell := range band.Cells {
			n := min(pages, c.picture.PagesPerCell)
			band.Cells[cell][Left] = n
			c.picture.Total[Left] += n
			pages -= n
		}
	}
	for run := range c.reader.Runs() {
		c.picture.move(run, Left, Dumped)
	}
	if c.options.Scan {
		if err := c.scan(ctx); err != nil {
			return err
		}
	}
	for hole := range c.reader.Holes() {
		// What was never written to a sparse file reads as zeros.
		if hole.Reason != minidump.HoleSparse {
			c.picture.move(hole.Range, Dumped, Missing)
		}
	}
	for _, table := range c.tables(ctx) {
		c.markTable(table)
	}
	return ctx.Err()
}

// scan reads every page to tell the zero ones.
func (c *counter) scan(ctx context.Context) error {
	var done, total int64
	for run := range c.reader.Runs() {
		total += int64(run.Size())
	}
	buffer := make([]byte, scanUnit)
	for run := range c.reader.Runs() {
		for at := run.Start; at < run.End; at += scanUnit {
			if err := ctx.Err(); err != nil {
				return err
			}
			piece := physmem.Range{Start: at, End: min(run.End, at+scanUnit)}
			n, _ := c.reader.ReadPhysical(buffer[:piece.Size()], at)
			c.zeros(piece, buffer[:n])
			done += int64(piece.Size())
			if c.options.Progress != nil {
				c.options.Progress(done, total)
			}
		}
	}
	return nil
}

// zeros counts the zero pages of data, which is at piece.Start.
func (c *counter) zeros(piece physmem.Range, data []byte) {
	page := c.picture.PageSize
	zero := make([]byte, page)
	for offset := uint64(0); offset+page <= uint64(len(data)); offset += page {
		if bytes.Equal(data[offset:offset+page], zero) {
			start := piece.Start + physmem.Address(offset)
			c.picture.move(physmem.Range{Start: start, End: start + physmem.Address(page)}, Dumped, Zero)
		}
	}
}

// tables finds the kernel's page tables. Only amd64's page-table section of
// version 2 on names any: on arm64 it holds the last level itself.
func (c *counter) tables(ctx context.Context) []physmem.Address {
	header := c.reader.Header()
	if header.Architecture != minidump.AMD64 || header.Version < 2 || c.reader.Format() != minidump.FormatMinidump {
		return nil
	}
	var tables []physmem.Address
	section := c.reader.Section(minidump.SectionPageTables)
	buffer := make([]byte, scanUnit)
	for offset := int64(0); offset < section.Size() && ctx.Err() == nil; {
		n, err := section.ReadAt(buffer, offset)
		for at := 0; at+8 <= n; at += 8 {
			entry := amd64.Entry(binary.LittleEndian.Uint64(buffer[at:]))
			if entry.Present() && !entry.Leaf(amd64.LevelPDE) {
				tables = append(tables, entry.Address(amd64.LevelPDE))
			}
		}
		if err != nil && err != io.EOF || n == 0 {
			break // cut here: the holes tell
		}
		offset += int64(n)
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}

// markTable counts a page as page table, if it is in the dump.
func (c *counter) markTable(table physmem.Address) {
	page := make([]byte, amd64.PageSize)
	if _, err := c.reader.ReadPhysical(page, table); err != nil {
		return
	}
	was := Dumped
	if c.picture.Scanned && bytes.Equal(page, make([]byte, amd64.PageSize)) {
		was = Zero
	}
	c.picture.move(physmem.Range{Start: table, End: table + amd64.PageSize}, was, PageTable)
}
