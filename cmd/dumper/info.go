package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// maxHoles is how many holes info lists. A dump has a handful, a file made to
// annoy has as many as pages.
const maxHoles = 4096

func newInfo(p *program) *cobra.Command {
	var asJSON, scan bool
	c := &cobra.Command{
		Use:   "info FILE",
		Short: "Show what a dump is, what it has and what is missing",
		Long: `Info shows on one screen what a dump is of, how it is laid out, whether it is
whole and which memory is missing, and where its bytes went.

It reads the header, dump_avail, the page bitmap and the dump notes only; --scan
reads every page too, to tell those that are zero. A dump that was cut or
damaged is shown as far as it goes; verify gives a verdict.`,
		Example: `  dumper info vmcore.0
  dumper info --json vmcore.0 | jq .complete
  zstdcat vmcore.0.zst | dumper info -`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			facts, err := p.gather(c.Context(), d, scan)
			if err != nil {
				return err
			}
			if asJSON {
				return p.json(facts)
			}
			p.showFacts(facts)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&scan, "scan", false, "read every page, to tell which are zero")
	return c
}

// facts are all that info tells. The JSON keys are stable.
type facts struct {
	File         string           `json:"file"`
	Format       string           `json:"format"`
	Arch         string           `json:"arch"`
	Version      uint32           `json:"version"`
	PageSize     int              `json:"page_size"`
	Pages        uint64           `json:"pages"`
	FileSize     int64            `json:"file_size"`
	ExpectedSize int64            `json:"expected_size"`
	Complete     bool             `json:"complete"`
	Problems     []string         `json:"problems"`
	Holes        []holeFact       `json:"holes"`
	HolesOmitted uint64           `json:"holes_omitted"`
	MissingBytes uint64           `json:"missing_bytes"`
	KernelBase   hexadecimal      `json:"kernel_base"`
	DmapPhysical hexadecimal      `json:"dmap_phys"`
	DmapBase     hexadecimal      `json:"dmap_base"`
	DmapEnd      hexadecimal      `json:"dmap_end"`
	DumpAvail    []rangeFact      `json:"dump_avail"`
	Memory       uint64           `json:"memory_bytes"`
	MessageSize  uint32           `json:"message_buffer_size"`
	BitmapSize   uint32           `json:"bitmap_size"`
	TableSize    uint32           `json:"page_table_size"`
	Flags        uint32           `json:"flags"`
	Space        map[string]int64 `json:"space"`
	Container    []layerFact      `json:"container"`
	KernelDump   *headerFact      `json:"kernel_dump"`
	Notes        *notesFact       `json:"notes"`
}

type rangeFact struct {
	Start hexadecimal `json:"start"`
	End   hexadecimal `json:"end"`
}

type holeFact struct {
	rangeFact
	Reason string `json:"reason"`
}

// gather asks a dump for its facts.
func (p *program) gather(ctx context.Context, d *dump, scan bool) (*facts, error) {
	h := d.Header()
	f := &facts{
		File: d.name, Format: d.Format().String(), Arch: h.Architecture.String(), Version: h.Version,
		PageSize: d.PageSize(), Pages: d.NumPages(),
		FileSize: d.Size(), ExpectedSize: d.ExpectedSize(), Complete: d.Complete(),
		Problems: []string{}, Holes: []holeFact{}, DumpAvail: []rangeFact{},
		KernelBase: hexadecimal(h.KernelBase), DmapPhysical: hexadecimal(h.DirectMapPhysical),
		DmapBase: hexadecimal(h.DirectMapBase), DmapEnd: hexadecimal(h.DirectMapEnd),
		MessageSize: h.MessageBufferSize, BitmapSize: h.BitmapSize, TableSize: h.PageTableSize, Flags: h.Flags,
		Space: map[string]int64{}, Container: gatherLayers(d.container), KernelDump: gatherHeader(d.container), Notes: gatherNotes(d),
	}
	for _, problem := range d.Problems() {
		f.Problems = append(f.Problems, problem.Error())
	}
	for _, r := range d.DumpAvail().Ranges() {
		f.DumpAvail = append(f.DumpAvail, rangeFact{hexadecimal(r.Start), hexadecimal(r.End)})
		f.Memory += r.Size()
	}
	for hole := range d.Holes() {
		f.addHole(hole)
	}
	space := d.Space()
	if scan {
		var err error
		progress := p.progress("scan")
		space, err = d.ScanSpace(ctx, progress.update)
		progress.end()
		if err != nil {
			return nil, err
		}
	}
	for _, class := range minidump.Classes() {
		if class != minidump.SpaceZeroPages || space.Scanned {
			f.Space[class.String()] = space.Bytes[class]
		}
	}
	return f, nil
}

func (f *facts) addHole(hole minidump.Hole) {
	if len(f.Holes) == maxHoles {
		f.HolesOmitted++
	} else {
		f.Holes = append(f.Holes, holeFact{rangeFact{hexadecimal(hole.Range.Start), hexadecimal(hole.Range.End)}, hole.Reason.String()})
	}
	if hole.Reason != minidump.HoleSparse && hole.Reason != minidump.HoleNoDumpAvail {
		f.MissingBytes += hole.Range.Size()
	}
}

// showFacts prints the facts on one screen.
func (p *program) showFacts(f *facts) {
	kind := "minidump version " + fmt.Sprint(f.Version)
	if f.Format != minidump.FormatMinidump.String() {
		kind = f.Format + " dump"
	}
	p.printf("%s: FreeBSD/%s %s\n\n", printable(f.File), f.Arch, kind)
	list := []field{{"size", f.sizeLine()}}
	list = append(list, f.layerLines()...)
	list = append(list,
		field{"pages", fmt.Sprintf("%d of %s, %s", f.Pages, size(int64(f.PageSize)), size(int64(f.Pages)*int64(f.PageSize)))},
		field{"memory", fmt.Sprintf("%s in %s", size(int64(f.Memory)), plural(len(f.DumpAvail), "range"))})
	list = append(list, rangeLines(f.DumpAvail)...)
	if f.Format == minidump.FormatMinidump.String() {
		list = append(list,
			field{"kernel base", fmt.Sprintf("%#x", uint64(f.KernelBase))},
			field{"direct map", fmt.Sprintf("[%#x, %#x) of physical %#x", uint64(f.DmapBase), uint64(f.DmapEnd), uint64(f.DmapPhysical))})
	}
	list = append(list, f.holeLines()...)
	list = append(list, f.noteLines()...)
	list = append(list, field{"space", f.spaceLine()})
	for _, problem := range f.Problems {
		list = append(list, field{"problem", printable(problem)})
	}
	p.fields(list)
}

func (f *facts) sizeLine() string {
	switch {
	case f.Complete:
		return fmt.Sprintf("%s (%d bytes), complete", size(f.FileSize), f.FileSize)
	case f.FileSize < f.ExpectedSize:
		return fmt.Sprintf("%s of %s: INCOMPLETE, %s missing", size(f.FileSize), size(f.ExpectedSize), size(f.ExpectedSize-f.FileSize))
	}
	return fmt.Sprintf("%s (%d bytes), NOT SOUND: see problems", size(f.FileSize), f.FileSize)
}

// linesShown bounds lists on one screen.
const linesShown = 8

func rangeLines(ranges []rangeFact) (lines []field) {
	for i, r := range ranges {
		if i == linesShown {
			return append(lines, field{"", fmt.Sprintf("and %d more", len(ranges)-i)})
		}
		lines = append(lines, field{"", fmt.Sprint(physmem.Range{Start: physmem.Address(r.Start), End: physmem.Address(r.End)})})
	}
	return lines
}

func (f *facts) holeLines() []field {
	total := uint64(len(f.Holes)) + f.HolesOmitted
	if total == 0 {
		return []field{{"holes", "none"}}
	}
	lines := []field{{"holes", fmt.Sprintf("%d, %s missing", total, size(int64(f.MissingBytes)))}}
	for i, hole := range f.Holes {
		if i == linesShown {
			return append(lines, field{"", fmt.Sprintf("and %d more", total-uint64(i))})
		}
		r := physmem.Range{Start: physmem.Address(hole.Start), End: physmem.Address(hole.End)}
		lines = append(lines, field{"", fmt.Sprintf("%v %s", r, hole.Reason)})
	}
	return lines
}

// spaceLine lists the classes of bytes, largest first.
func (f *facts) spaceLine() string {
	names := make([]string, 0, len(f.Space))
	for name, n := range f.Space {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if f.Space[a] != f.Space[b] {
			return int(min(1, max(-1, f.Space[b]-f.Space[a])))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = strings.ReplaceAll(name, "_", " ") + " " + size(f.Space[name])
	}
	return strings.Join(names, ", ")
}
