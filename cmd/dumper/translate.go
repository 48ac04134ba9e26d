package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
)

func newTranslate(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "translate FILE ADDRESS",
		Short: "Translate a kernel virtual address, level by level",
		Long: `Translate shows how a kernel virtual address becomes a physical one: each table
entry with its level, its place and its value, the page's size and rights, and
where the byte is in the dump. The last line is exactly

  physical 0x…

An address that is not mapped has no such line: the entries up to the one that
ends the walk are shown, and the exit code is 7.`,
		Example: `  dumper translate vmcore.0 0xffffffff81cd4c0c
  dumper translate --kernel kernel.elf vmcore.0 allproc | tail -1`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: p.completeAddress(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			address, err := d.address(args[1])
			if err != nil {
				return err
			}
			trace, err := d.Trace(address)
			p.showTrace(d, trace)
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			p.printf("physical %#x\n", uint64(trace.Physical))
			return nil
		},
	}
}

// showTrace prints all of a translation but its result.
func (p *program) showTrace(d *dump, t *minidump.Trace) {
	name := ""
	if _, _, ok := d.symbols.Find(t.Virtual); ok {
		name = " " + d.symbols.Format(t.Virtual)
	}
	p.printf("virtual  %#x%s\n", t.Virtual, name)
	if t.Path == 0 {
		return
	}
	p.printf("through  %v\n", t.Path)
	for _, s := range t.Steps {
		table := "table " + s.Table.String()
		if s.InSection {
			table = "section"
		}
		p.printf("level %d  %s %d of the %s: 0x%016x\n", s.Level, entryName(d, s.Level), s.Index, table, s.Entry)
	}
	if t.PageSize != 0 {
		p.printf("page     %s, %s\n", size(int64(t.PageSize)), rights(t))
	}
	switch {
	case t.Physical == 0 && t.PageSize == 0 && t.Path != minidump.PathDirectMap:
	case t.Missing != nil:
		p.printf("dump     not in it: %v\n", t.Missing)
	default:
		p.printf("dump     bit %d, file offset %#x\n", t.Bit, t.FileOffset)
	}
}

// entryName is the manuals' name of a level's entries, of amd64; on arm64 they
// are descriptors at all levels.
func entryName(d *dump, level int) string {
	if d.Header().Architecture == minidump.AMD64 {
		return amd64.LevelName(level)
	}
	return "descriptor"
}

// rights lists what a mapping allows.
func rights(t *minidump.Trace) string {
	list := []string{"read"}
	for _, r := range []struct {
		ok   bool
		name string
	}{{t.Writable, "write"}, {t.Executable, "execute"}, {t.User, "user"}} {
		if r.ok {
			list = append(list, r.name)
		}
	}
	return strings.Join(list, ", ")
}
