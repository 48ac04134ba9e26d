package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed64aab995/rescuekernel/cmd/dumper/internal/picture"
)

func newMap(p *program) *cobra.Command {
	var output, colour string
	var quick bool
	c := &cobra.Command{
		Use:   "map [-o OUT.png|OUT.svg] FILE",
		Short: "Draw a picture of physical memory",
		Long: `Map draws physical memory: which of it is RAM, what is in the dump, zero pages,
page tables, and what is missing. The addresses ascend from left to right and
from top to bottom, one band for each range of RAM; a cell of mixed pages has a
mixed colour, in which a missing page is always seen.

Without -o it is drawn on the terminal, in colours or, where there are none, in
letters. --quick does not read the pages, so that zero ones are not told apart.`,
		Example: `  dumper map vmcore.0
  dumper map -o memory.png vmcore.0`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			draw, err := p.drawing(output, colour)
			if err != nil {
				return err
			}
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			progress := p.progress("read pages")
			options := picture.Options{Scan: !quick, Progress: progress.update}
			if output == "" {
				options.Columns, options.Rows = p.screen()
			}
			drawn, err := picture.New(c.Context(), d.Reader, options)
			progress.end()
			if err != nil {
				return err
			}
			return draw(drawn)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "draw into this `file`, a .png or .svg")
	c.Flags().StringVar(&colour, "color", "auto", "colours on the terminal: auto, always or never")
	c.Flags().BoolVar(&quick, "quick", false, "do not read the pages")
	_ = c.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// drawing chooses how to draw, before anything is read.
func (p *program) drawing(output, colour string) (func(*picture.Picture) error, error) {
	switch strings.ToLower(filepath.Ext(output)) {
	case ".png":
		return func(d *picture.Picture) error { return writeFile(output, d.PNG) }, nil
	case ".svg":
		return func(d *picture.Picture) error { return writeFile(output, d.SVG) }, nil
	case "":
		if output == "" {
			break
		}
		fallthrough
	default:
		return nil, usagef("cannot draw into %s: its name must end in .png or .svg", output)
	}
	colours := colour == "always"
	switch colour {
	case "always", "never":
	case "auto":
		colours = p.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	default:
		return nil, usagef("--color is auto, always or never, not %q", colour)
	}
	return func(d *picture.Picture) error { return d.Text(p.out, colours) }, nil
}

// screen is how many cells fit on the terminal. Elsewhere a page of text has
// 64 columns, and as many rows as are pleasant to read.
func (p *program) screen() (columns, rows int) {
	if p.terminal {
		if width, height, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
			// Two rows of cells a line; some lines are for legend and prompt.
			return max(16, min(width, 128)), max(16, 2*(height-10))
		}
	}
	return 64, 48
}

// writeFile writes a file as a whole: a failed write leaves none.
func writeFile(name string, write func(w io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(name))
	}
	return nil
}
