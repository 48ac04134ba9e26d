package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/container/seekable"
	"github.com/seed64aab995/rescuekernel/minidump"
)

var (
	convertFormats  = []string{"minidump", "elf"}
	convertCompress = []string{"none", "gzip", "zstd"}
)

// conversion is what convert is told to do.
type conversion struct{ to, compress, from, out string }

func newConvert(p *program) *cobra.Command {
	var v conversion
	c := &cobra.Command{
		Use:   "convert --to minidump|elf [--compress none|gzip|zstd] FILE OUT",
		Short: "Write a dump in another format",
		Long: `Convert writes a dump as a plain minidump, or as an ELF core file that gdb, readelf
and dlv core read: with virtual and physical addresses and, where the dump has
them, the registers of each CPU.

zstd is written as seekable zstd, with all cores: any zstd unpacks it, and
dumper reads it at random, frame by frame, each with a checksum. OUT may be -
for standard output. A full dump is an ELF core already, and is not converted.
Pages that FILE does not give become zeros; how many is told.

^C leaves a valid file that is cut: dumper and gdb still read what is there; the
headers of an ELF core that is not compressed are corrected to tell what it
lacks. A full disk does the same and says what was kept.`,
		Example: `  dumper convert --to elf vmcore.0 vmcore.elf
  dumper convert --to minidump --compress zstd vmcore.0 vmcore.0.zst
  dumper convert --to minidump /dev/vda2 - | ssh host 'cat >vmcore'`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			v.from, v.out = args[0], args[1]
			if !slices.Contains(convertFormats, v.to) {
				return usagef("--to is minidump or elf, not %q", v.to)
			}
			if !slices.Contains(convertCompress, v.compress) {
				return usagef("--compress is none, gzip or zstd, not %q", v.compress)
			}
			d, err := p.open(v.from)
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			return p.convert(c.Context(), d, v)
		},
	}
	c.Flags().StringVar(&v.to, "to", "", "format: minidump or elf")
	c.Flags().StringVar(&v.compress, "compress", "none", "compression: none, gzip or zstd")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(convertFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("compress", cobra.FixedCompletions(convertCompress, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// convert writes d to v.out.
func (p *program) convert(ctx context.Context, d *dump, v conversion) error {
	source, err := newSource(ctx, d, v.to)
	if err != nil {
		return err // before anything is created, or cut to nothing
	}
	out, err := p.createOutput(v)
	if err != nil {
		return err
	}
	writer, err := newCompressor(out, v.compress)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	work := p.progress("convert")
	report, err := source(ctx, writer, work.update)
	work.end()
	// Closed whatever happened: what was written must stay readable.
	kept := fmt.Sprintf("the first %d bytes", report.Written)
	if closeErr := writer.Close(); closeErr != nil {
		kept = keptBy(writer, report.Written)
		if err == nil {
			err = fmt.Errorf("write %s: %w", v.out, closeErr)
		}
	}
	if closeErr := out.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("%s: kept %s of %s: %w", v.out, kept, v.to, err)
	}
	return p.showConversion(d, v, report)
}

// keptBy is how much of what was written to w is in the file if w failed: a
// compressor has then taken more than it could give on.
func keptBy(w io.Writer, written int64) string {
	switch w := w.(type) {
	case *seekable.Writer:
		written = w.ContentSize()
	case *gzip.Writer:
		return fmt.Sprintf("at most the first %d bytes", written)
	}
	return fmt.Sprintf("the first %d bytes", written)
}

// newSource gives what writes d in the format that the user chose.
func newSource(ctx context.Context, d *dump, to string) (func(context.Context, io.Writer, minidump.Progress) (minidump.Conversion, error), error) {
	if d.Format() != minidump.FormatMinidump {
		return nil, fmt.Errorf("%s is a full dump, an ELF core as it is; only minidumps are converted: %w", d.name, minidump.ErrUnsupported)
	}
	if to == "minidump" {
		return d.CopyMinidump, nil
	}
	core, err := minidump.NewELFCore(ctx, d.Reader)
	if err != nil {
		return nil, err
	}
	return core.Convert, nil
}

// createOutput creates the file to write, which must not be the one that is
// read.
func (p *program) createOutput(v conversion) (io.WriteCloser, error) {
	if v.out == "-" {
		return nopCloser{p.out}, nil
	}
	from, fromErr := os.Stat(v.from)
	to, toErr := os.Stat(v.out)
	if fromErr == nil && toErr == nil && os.SameFile(from, to) {
		return nil, usagef("%s and %s are the same file", v.from, v.out)
	}
	return os.Create(v.out)
}

// newCompressor puts a compressor in front of a file. Without one the file
// itself is written, so that a minidump's notes can be written again at its end.
func newCompressor(out io.WriteCloser, compress string) (io.WriteCloser, error) {
	switch compress {
	case "gzip":
		return gzip.NewWriter(out), nil
	case "zstd":
		w, err := seekable.NewWriter(out, seekable.WriterOptions{Workers: runtime.GOMAXPROCS(0)})
		if err != nil {
			return nil, err
		}
		return w, nil
	}
	if file, ok := out.(*os.File); ok {
		return keepOpen{file}, nil
	}
	return out, nil
}

// keepOpen leaves closing to whoever opened.
type keepOpen struct{ *os.File }

func (keepOpen) Close() error { return nil }

// nopCloser is standard output.
type nopCloser struct{ *bufio.Writer }

func (nopCloser) Close() error { return nil }

// showConversion tells what could not be converted. The rest needs no words.
func (p *program) showConversion(d *dump, v conversion, report minidump.Conversion) error {
	missing := report.HolesOmitted
	for _, hole := range report.Holes {
		missing += hole.Range.Size() / uint64(d.Header().PageSize)
		p.warn("%s: %v became zeros", d.name, hole)
	}
	if missing > 0 {
		marked := "nothing in it marks them"
		if report.Marked {
			marked = "its dump notes list them"
		}
		p.warn("%s: %s could not be read; %s", v.out, plural(missing, "page"), marked)
	}
	if !d.Complete() {
		p.warn("%s is incomplete, and so is %s", d.name, v.out)
		return verdict(exitIncomplete)
	}
	return nil
}
