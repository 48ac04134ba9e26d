package bootimage

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// largest are the direct map's pages: package kernel replaces it, and not every
// processor has larger ones.
const largest = 2 << 20

// mostTables bounds the page tables: an image's, and 4 KiB for the first GiB.
const mostTables = reserve.MaxImageSize/512 + 16*amd64.PageSize

var errNoTable = errors.New("too many page tables")

// allocator gives the frames of a range one after the other.
type allocator struct {
	next, end physmem.Address
}

// AllocateTable implements amd64.Allocator.
func (a *allocator) AllocateTable(size uint64) (physmem.Address, error) {
	if uint64(a.end-a.next) < size {
		return 0, errNoTable
	}
	a.next += physmem.Address(size)
	return a.next - physmem.Address(size), nil
}

// roots are what CR3 can be, as offsets from the base of the wrapped image.
type roots struct{ four, five uint64 }

// buildTables returns the page tables for an image at base: see package handoff
// for their shape. What lies where in l does not change how many they are.
func buildTables(image *reserve.Image, base physmem.Address, l layout) ([]byte, roots, error) {
	at := func(offset, size uint64) physmem.Range {
		start := base + physmem.Address(offset)
		return physmem.Range{Start: start, End: start + physmem.Address(size)}
	}
	where := at(l.tables, mostTables)
	memory := physmem.NewSparse(physmem.NewRanges(where))
	frames := &allocator{where.Start, where.End}
	b, err := amd64.NewBuilder(memory, frames, amd64.Paging{Levels: 5})
	if err != nil {
		return nil, roots{}, err
	}
	for _, s := range image.Segments {
		pages := roundUp(s.FileEnd) - s.Start
		if pages == 0 {
			continue
		}
		err = errors.Join(err, b.Map(at(l.image+s.Start-image.Layout().LinkBase, pages), s.Start, permissions(s), amd64.PageSize))
	}
	stack := at(l.stack, entryStack)
	err = errors.Join(err,
		b.Map(stack, handoff.EntryStackTop-entryStack, amd64.Write|amd64.User, amd64.PageSize),
		b.MapIdentity(at(l.stub, amd64.PageSize), amd64.Execute, amd64.PageSize),
		b.Map(physmem.Range{Start: 0, End: firstMap}, handoff.DirectMapBase, amd64.Write|amd64.User, largest))
	if err != nil {
		return nil, roots{}, err
	}
	tables := make([]byte, frames.next-where.Start)
	if _, err := memory.ReadPhysical(tables, where.Start); err != nil {
		return nil, roots{}, err
	}
	// Everything lies in the lower 47 bits: one entry of the root for five levels
	// is in use, and it points to the root for four.
	walker, err := amd64.NewWalker(memory, nil, b.Paging())
	if err != nil {
		return nil, roots{}, err
	}
	step, err := walker.Lookup(0, amd64.LevelPML5E)
	if err != nil {
		return nil, roots{}, fmt.Errorf("root of the page tables: %w", err)
	}
	return tables, roots{
		four: uint64(step.Entry.Address(step.Level) - base),
		five: uint64(b.Paging().Root - base),
	}, nil
}

// permissions are those of a segment's pages. Ring 3 runs all of an image.
func permissions(s reserve.Segment) amd64.Permissions {
	p := amd64.User
	if s.Writable {
		p |= amd64.Write
	}
	if s.Executable {
		p |= amd64.Execute
	}
	return p
}

func roundUp(v uint64) uint64 { return (v + amd64.PageSize - 1) &^ (amd64.PageSize - 1) }
