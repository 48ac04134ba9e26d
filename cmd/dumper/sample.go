package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/cmd/dumper/internal/sample"
	"github.com/seed64aab995/rescuekernel/minidump"
)

func newSample(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "sample OUT",
		Short: "Write the dump of a made-up machine, to try the other commands on",
		Long: `Sample makes up a small machine in memory - 16 MiB of RAM, a kernel with page
tables, a log, a CPU that has panicked - and dumps it with the same code that a
rescue program runs. The same bytes come out every time.`,
		Example: `  dumper sample vmcore
  dumper info vmcore`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dump, err := sample.New()
			if err != nil {
				return err
			}
			return p.writeSample(c.Context(), dump, args[0])
		},
	}
}

// writeSample writes the dump, and says what to do with it.
func (p *program) writeSample(ctx context.Context, dump *minidump.Dumper, out string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, dump)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	p.printf("%s: %s, the dump of a made-up machine that has panicked\n", out, size(dump.Size()))
	p.printf("next: dumper info %[1]s, dumper log %[1]s, dumper bt %[1]s, dumper map %[1]s\n", out)
	return nil
}
