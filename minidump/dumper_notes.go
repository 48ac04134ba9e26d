package minidump

import (
	"fmt"
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// probePages is how much memory is tried at a time.
const probePages = 16

// Holes are the parts of dumped pages that are zero in the dump and not, or
// not known to be, in memory: those known when the Dumper was opened, and
// those that failed to be read so far, ascending. The second number counts
// failures that found no room in the list.
func (d *Dumper) Holes() ([]Hole, uint64) {
	return d.holes(&d.failures), d.failures.overflowed()
}

func (d *Dumper) holes(f *failures) []Hole {
	all := slices.Clone(d.known)
	for _, r := range f.load() {
		all = append(all, Hole{Range: r, Reason: HoleUnreadable})
	}
	slices.SortStableFunc(all, func(a, b Hole) int {
		switch {
		case a.Range.Start < b.Range.Start:
			return -1
		case a.Range.Start > b.Range.Start:
			return 1
		}
		return 0
	})
	return all
}

// notes is the content of the notes area. The first call tries all memory of
// which it is not yet known whether it can be read.
func (d *Dumper) notes() []byte {
	d.notesOnce.Do(func() {
		d.probe(d.prefix.Load(), &d.failures)
		if d.failures.overflowed() > 0 {
			// Which failures found room depends on the order of the reads so
			// far. In the notes it must not.
			var again failures
			d.probe(0, &again)
			d.failures.take(&again)
		}
		d.notesPages = d.encodeNotes()
	})
	return d.notesPages
}

// probe tries the pages of rank first and up, in order.
func (d *Dumper) probe(first uint64, f *failures) {
	var buffer []byte
	size := d.pageSize
	bit, ok := d.bitmap.Select(first)
	for ok {
		at, n := d.run(bit, probePages)
		if n = d.withoutNotes(at, n); n > 0 && d.view(at, n, f) == nil {
			if buffer == nil {
				buffer = make([]byte, probePages*size)
			}
			d.readMemory(buffer[:n*size], at, f)
		}
		bit, ok = d.bitmap.Next(bit + max(n, 1))
	}
}

// withoutNotes is how many of n pages from at come before the notes area, 0 if
// at is inside of it.
func (d *Dumper) withoutNotes(at physmem.Address, n uint64) uint64 {
	size := d.pageSize
	if d.notesArea.Contains(at) {
		return 0
	}
	if at < d.notesArea.Start {
		n = min(n, uint64(d.notesArea.Start-at)/size)
	}
	return n
}

// encodeNotes encodes the notes. Where they do not fit, what matters least is
// left out, with a mark that says so.
func (d *Dumper) encodeNotes() []byte {
	n := d.source.Notes
	n.Marks = d.Marks()
	n.Holes = append(slices.Clone(d.source.Notes.Holes), d.holes(&d.failures)...)
	n.HolesOmitted += d.failures.overflowed()
	size := int(d.notesArea.Size())
	for _, leaveOut := range []func() string{
		func() string { return "" },
		func() string { n.Marks = n.Marks[:min(len(n.Marks), 4)]; return "marks" },
		func() string { n.FaultRecord = nil; return "fault record" },
		func() string {
			var panicked []CPUNote
			for _, c := range n.CPUs {
				if c.Flags&CPUPanicked != 0 {
					panicked = append(panicked, c)
				}
			}
			n.CPUs = panicked
			return "states of the other CPUs"
		},
		func() string { n.CPUs = nil; return "states of the CPUs" },
		func() string {
			n.Version, n.Panic = n.Version[:min(len(n.Version), 256)], n.Panic[:min(len(n.Panic), 256)]
			return "long texts"
		},
		func() string { n = Notes{Time: n.Time}; return "notes" },
	} {
		if what := leaveOut(); what != "" {
			n.Marks = append(slices.Clip(n.Marks), Mark{Part: partNotes, Detail: fmt.Sprintf("no room for %s", what)})
		}
		if b, err := EncodeNotes(&n, size); err == nil {
			return b
		}
	}
	return make([]byte, size)
}
