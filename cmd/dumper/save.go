package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/cmd/internal/cli"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/savecore"
)

func newSave(p *program) *cobra.Command {
	var o savecore.Options
	var free string
	var asJSON bool
	c := &cobra.Command{
		Use:   "save [--clear] [--dir DIR] [--min-free N] [--max N] DEVICE[:START+LENGTH]",
		Short: "Take a dump off a dump device into a crash directory",
		Long: `Save looks for a kernel dump on DEVICE, a disk, a partition or an image of one,
or on an extent of it as dumper prepare has it,
checks its two headers and copies it into the crash directory, as FreeBSD's
savecore does: vmcore.N (.gz, .zst), info.N, key.N and vmcore_encrypted.N for
an encrypted dump, textdump.tar.N for a text dump. N comes from the file bounds.

The dump stays on the device unless --clear marks it as saved. One that was
saved before is not saved twice. A dump that was cut while it was written is
saved as far as it goes, marked incomplete in info.N, and the exit code is 5:
seekable zstd up to its last whole frame, others up to the end of their extent
unless the leading header tells a length.`,
		Example: `  dumper save --dir /var/crash /dev/vda2
  dumper save --clear --min-free 512M --max 5 --dir /var/crash disk.img`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.MinimumFree, err = cli.ParseSize(free); err != nil {
				return usagef("--min-free: %v", err)
			}
			if o.Maximum < 0 {
				return usagef("--max %d is negative", o.Maximum)
			}
			o.Device = args[0]
			result, err := p.save(c.Context(), o)
			if err != nil {
				return err
			}
			return p.showSaved(&o, &result, asJSON)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&o.Clear, "clear", false, "mark the dump on the device as saved")
	flags.StringVar(&o.Directory, "dir", ".", "the crash `directory`")
	flags.StringVar(&free, "min-free", "0", "`bytes` that must stay free there (K, M, G and T are units)")
	flags.IntVar(&o.Maximum, "max", 0, "number of dumps to keep; the numbers wrap (0: no limit)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagDirname("dir")
	return c
}

// save opens the device, for writing only if it is to be cleared.
func (p *program) save(ctx context.Context, o savecore.Options) (savecore.Result, error) {
	mode := os.O_RDONLY
	if o.Clear {
		mode = os.O_RDWR
	}
	extent, err := parseExtent(o.Device)
	if err != nil {
		return savecore.Result{}, err
	}
	file, err := os.OpenFile(extent.path, mode, 0)
	if err != nil {
		return savecore.Result{}, err
	}
	size, err := fileSize(file)
	if err != nil {
		return savecore.Result{}, errors.Join(err, file.Close())
	}
	device := kerneldump.Device(file)
	if extent.path != o.Device {
		section, err := extent.section(file, size)
		if err != nil {
			return savecore.Result{}, errors.Join(err, file.Close())
		}
		device, size = extentDevice{section, io.NewOffsetWriter(file, extent.start)}, section.Size()
	}
	progress := p.progress("save")
	o.Progress = progress.update
	result, err := savecore.Save(ctx, device, size, o)
	progress.end()
	return result, errors.Join(err, file.Close())
}

// extentDevice is a part of a device.
type extentDevice struct {
	io.ReaderAt
	io.WriterAt
}

type savedFact struct {
	Device   string `json:"device"`
	Path     string `json:"path"`
	Number   int    `json:"number"`
	Size     int64  `json:"size"`
	Earlier  bool   `json:"saved_before"`
	Cleared  bool   `json:"cleared"`
	Complete bool   `json:"complete"`
	Problem  string `json:"problem,omitempty"`
	Panic    string `json:"panic"`
	Host     string `json:"host"`
	Time     uint64 `json:"time"`
}

// showSaved says what was done. A dump that was cut is a verdict.
func (p *program) showSaved(o *savecore.Options, r *savecore.Result, asJSON bool) error {
	header := &r.Dump.Header
	problem := r.Dump.Problem
	if problem == nil && header.Incomplete {
		problem = kerneldump.ErrNoTrailingHeader
	}
	if asJSON {
		fact := savedFact{Device: o.Device, Path: r.Path, Number: r.Number, Size: r.Size, Earlier: r.Earlier, Cleared: r.Cleared,
			Complete: problem == nil, Panic: header.PanicString, Host: header.HostName, Time: header.Time}
		if problem != nil {
			fact.Problem = problem.Error()
		}
		if err := p.json(fact); err != nil {
			return err
		}
	} else {
		p.describeSaved(r, problem)
	}
	if problem != nil {
		return verdict(exitIncomplete)
	}
	return nil
}

func (p *program) describeSaved(r *savecore.Result, problem error) {
	what := fmt.Sprintf("%s of dump", size(r.Size))
	if panicked := r.Dump.Header.PanicString; panicked != "" {
		what += fmt.Sprintf(" (panic: %s)", printable(panicked))
	}
	if r.Earlier {
		p.printf("%s: was saved before: %s\n", r.Path, what)
	} else {
		p.printf("%s: %s\n", r.Path, what)
	}
	if problem != nil {
		p.printf("incomplete: %v\n", problem)
	}
	if r.Cleared {
		p.printf("marked as saved on the device\n")
	}
}
