package minidump

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

// newTableWalker makes a walker for the section's tables; where the registers
// say what no processor has, it is nil and the error tells.
func (d *Dumper) newTableWalker() (tableWalker, error) {
	if AMD64.CanDump() && d.source.Architecture == AMD64 {
		w, err := amd64.NewWalker(d.source.Memory, d.allowed, d.source.AMD64)
		if err != nil {
			return nil, err
		}
		return &amd64Tables{walker: w, level: d.tables.level}, nil
	}
	if !ARM64.CanDump() { // Source.check has refused it; the linker leaves out what follows
		return nil, &UnsupportedError{Architecture: d.source.Architecture, What: "dumping"}
	}
	paging := d.source.ARM64
	paging.Upper = d.tables.base>>63 != 0
	if paging.Granule == 0 {
		paging.Granule = d.source.PageSize
	}
	if paging.Granule != d.source.PageSize {
		return nil, fmt.Errorf("granule of %d bytes in a dump with pages of %d", paging.Granule, d.source.PageSize)
	}
	w, err := arm64.NewWalker(d.source.Memory, d.allowed, paging)
	if err != nil {
		return nil, err
	}
	return &arm64Tables{walker: w, paging: w.Paging()}, nil
}

// amd64Tables finds tables of level through an amd64 host's own.
type amd64Tables struct {
	walker *amd64.Walker
	level  int
}

func (w *amd64Tables) find(va uint64) (tableStep, error) {
	step, err := w.walker.Lookup(va, w.level+1)
	switch {
	case errors.Is(err, amd64.ErrNotMapped):
		return tableStep{}, nil
	case err != nil:
		return tableStep{}, err
	case step.Entry.Leaf(step.Level):
		return tableStep{
			kind:     tableMadeUp,
			entry:    uint64(step.Entry),
			physical: step.Entry.Address(step.Level),
			size:     amd64.PageSizeAt(step.Level),
		}, nil
	}
	return tableStep{kind: tableCopied, physical: step.Entry.Address(step.Level)}, nil
}

// arm64Tables finds level 3 tables through an arm64 host's own.
type arm64Tables struct {
	walker *arm64.Walker
	paging arm64.Paging
}

func (w *arm64Tables) find(va uint64) (tableStep, error) {
	step, err := w.walker.Lookup(va, arm64.Level2)
	switch {
	case errors.Is(err, arm64.ErrNotMapped):
		return tableStep{}, nil
	case err != nil:
		return tableStep{}, err
	case step.Entry.Leaf(step.Level):
		return tableStep{
			kind:     tableMadeUp,
			entry:    uint64(step.Entry),
			physical: step.Entry.Address(w.paging, step.Level),
			size:     w.paging.PageSizeAt(step.Level),
		}, nil
	}
	return tableStep{kind: tableCopied, physical: step.Entry.Address(w.paging, step.Level)}, nil
}
