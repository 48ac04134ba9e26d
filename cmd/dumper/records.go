package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/cmd/internal/cli"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// recordsOptions are the flags of records.
type recordsOptions struct {
	asJSON, asCBOR, long, follow bool

	interval time.Duration
	zones    zoneSizes
}

// zoneSizes are how a region of ramoops is divided, as texts with units.
type zoneSizes struct{ record, console, ftrace, pmsg string }

func (z *zoneSizes) geometry() (g ramoops.Geometry, err error) {
	for _, f := range []struct {
		name, text string
		to         *int
	}{{"record", z.record, &g.RecordSize}, {"console", z.console, &g.ConsoleSize}, {"ftrace", z.ftrace, &g.FtraceSize}, {"pmsg", z.pmsg, &g.PmsgSize}} {
		n, err := cli.ParseSize(f.text)
		if err != nil || n > 1<<30 {
			return g, usagef("--%s-size: %q is not a size of zones", f.name, f.text)
		}
		*f.to = int(n)
	}
	return g, nil
}

func newRecords(p *program) *cobra.Command {
	var o recordsOptions
	c := &cobra.Command{
		Use:   "records [--json | --long] [--follow] FILE [KEY=VALUE...]",
		Short: "List fault records",
		Long: `Records lists the fault records that FILE has: what broke, when and where, and
what was lost. FILE, or standard input (-), is told by its content and only read:

  a dump                     the records in its notes
  a dump device              what was written ahead of the dump, even if that failed
  a record area              the memory of one, or an image of it
  a ramoops region           an image of it; a folder or a file of /sys/fs/pstore
  UEFI variables             a file of efivarfs, RescueRecord-GUID; OVMF_VARS.fd
  CBOR                       records one behind the other, as --cbor writes them

Each KEY=VALUE is a condition:

  class=host.fault           the class, or one above it
  source=ledger              who failed
  restart=5f0c               the restart id, or how its digits begin
  since=1h  until=...        a duration back from now, or a time (RFC 3339)
  after=12                   sequence number above 12

A record that is torn or damaged is not shown but told of, and the exit code is
then 4; where there is no record at all it is 7.

Nothing is freed by reading: see dumper records acknowledge.`,
		Example: `  dumper records vmcore.0
  dumper records /dev/vda2 class=host.fault
  dumper records --json disk.img | jq .message
  dumper records --follow records.img source=ledger since=24h
  dumper records /sys/fs/pstore`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.records(c.Context(), &o, args) },
	}
	flags := c.Flags()
	flags.BoolVar(&o.asJSON, "json", false, "print JSON, an object a line")
	flags.BoolVar(&o.asCBOR, "cbor", false, "write the records as CBOR, one behind the other")
	flags.BoolVarP(&o.long, "long", "l", false, "show all that is known of each record")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on, and show what comes")
	flags.DurationVar(&o.interval, "interval", time.Second, "how often to look with --follow")
	flags.StringVar(&o.zones.record, "record-size", "4K", "`bytes` of a dump in a ramoops region (its module's parameter)")
	flags.StringVar(&o.zones.console, "console-size", "4K", "`bytes` of its console")
	flags.StringVar(&o.zones.ftrace, "ftrace-size", "4K", "`bytes` of its traces")
	flags.StringVar(&o.zones.pmsg, "pmsg-size", "4K", "`bytes` of its user messages")
	acknowledge := newAcknowledge(p)
	acknowledge.Args = usageArgs(acknowledge.Args)
	c.AddCommand(acknowledge)
	return c
}

func (p *program) records(ctx context.Context, o *recordsOptions, args []string) error {
	filter, err := listing.ParseFilter(args[1:], time.Now())
	if err != nil {
		return usagef("%v", err)
	}
	if o.asJSON && o.asCBOR || o.asJSON && o.long || o.asCBOR && o.long {
		return usagef("--json, --cbor and --long: want one of them")
	}
	geometry, err := o.zones.geometry()
	if err != nil {
		return err
	}
	if o.follow {
		if args[0] == "-" {
			return usagef("--follow: standard input is read once")
		}
		source := listing.SourceFunc(func() (*record.Contents, error) {
			result, err := p.readRecords(args[0], &geometry)
			if err != nil {
				return nil, err
			}
			return result.Contents, nil
		})
		if _, err := source(); err != nil && !errors.Is(err, reader.ErrNone) {
			return err // what is not there now will not come
		}
		return listing.Follow(ctx, source, filter, o.interval, func(entries []listing.Entry) error {
			if err := p.showRecords(o, entries); err != nil {
				return err
			}
			return p.out.Flush()
		})
	}
	result, err := p.readRecords(args[0], &geometry)
	if err != nil {
		return err
	}
	entries, broken := listing.Select(result.Contents, filter)
	if err := p.showRecords(o, entries); err != nil {
		return err
	}
	return p.recordProblems(result, broken)
}

// showRecords writes records in the form that was asked for.
func (p *program) showRecords(o *recordsOptions, entries []listing.Entry) error {
	switch {
	case o.asJSON:
		return listing.WriteJSON(p.out, entries)
	case o.asCBOR:
		for i := range entries {
			data, err := entries[i].AppendBinary(nil)
			if err != nil {
				return err
			}
			if _, err := p.out.Write(data); err != nil {
				return err
			}
		}
		return nil
	case !o.long:
		return listing.WriteText(p.out, entries)
	}
	for i, e := range entries {
		if i > 0 {
			p.printf("\n")
		}
		if err := listing.WriteDetail(p.out, e); err != nil {
			return err
		}
	}
	return nil
}

// recordProblems tells what was left out. Damage is a verdict.
func (p *program) recordProblems(result *reader.Result, broken int) error {
	damaged := broken > 0
	if broken > 0 {
		p.warn("%s cannot be decoded", plural(broken, "record"))
	}
	for _, problem := range result.Problems {
		p.warn("%v: %v", result.Kind, problem)
		damaged = damaged || errors.Is(problem, record.ErrDamaged) || errors.Is(problem, ramoops.ErrDamaged) || errors.Is(problem, record.ErrRecord)
	}
	if damaged {
		return verdict(exitDamaged)
	}
	return nil
}

// readRecords reads the records of a file, a folder or a dump.
func (p *program) readRecords(name string, g *ramoops.Geometry) (*reader.Result, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return reader.Pstore(os.DirFS(name))
	}
	d := &dump{name: name}
	defer func() { _ = d.Close() }()
	if err := p.openKernel(d); err != nil {
		return nil, err
	}
	result, err := p.readStore(d, g)
	if err == nil || !errors.Is(err, reader.ErrUnknown) && !errors.Is(err, reader.ErrNone) {
		return result, err
	}
	// A dump, or a device whose dump may have what is not ahead of it.
	openErr := p.unwrap(d, false)
	if openErr == nil {
		openErr = p.openReader(d)
	}
	if openErr != nil {
		if errors.Is(err, reader.ErrNone) {
			return nil, err
		}
		return nil, fmt.Errorf("%w; nor is it a store of fault records", openErr)
	}
	notes, notesErr := d.Notes()
	if notes == nil {
		if notesErr == nil {
			notesErr = reader.ErrNone
		}
		return nil, fmt.Errorf("%s: %w", d.name, notesErr)
	}
	result, err = reader.Notes(notes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return result, nil
}

// readStore opens a file and reads the records of what is no dump.
func (p *program) readStore(d *dump, g *ramoops.Geometry) (*reader.Result, error) {
	if err := p.openFile(d); err != nil {
		return nil, err
	}
	// What grows or is not a file of its own size is read as it is now.
	result, err := reader.Open(io.NewSectionReader(d.file, 0, d.size), d.size, reader.Options{Ramoops: g})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return result, nil
}

// readRecordFile is readStore of a file that is closed again.
func (p *program) readRecordFile(name string, g *ramoops.Geometry) (*reader.Result, error) {
	d := &dump{name: name}
	defer func() { _ = d.Close() }()
	return p.readStore(d, g)
}
