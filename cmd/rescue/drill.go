package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/cmd/internal/cli"
	"github.com/seed64aab995/rescuekernel/drill"
	"github.com/seed64aab995/rescuekernel/machine"
)

// drillOptions are the flags of drill.
type drillOptions struct {
	faults                []string
	machine, arch, memory string
	panic                 string
	fill, json            bool
	keep                  string
	host, rescue          string
	verbose               bool
	timeout               time.Duration
}

func newDrill(p *program) *cobra.Command {
	var o drillOptions
	c := &cobra.Command{
		Use:   "drill",
		Short: "Panic a host in a VM, and prove that its dump is true",
		Long: `Drill boots a host with a disk, lets it arm and panic, freezes it at the hand-off
and copies all its memory. Then the rescue program writes its dump to the disk.
Every page of the dump, and all memory outside of the reservation, is compared
with the copy: the exit code is 0 only if all of it is the same.

The host is examples/host and the rescue program cmd/rescue-kernel, built by the
go command, unless --host and --rescue name images or packages.

Without --keep the dump is thrown away.

With --fault things go wrong by script, at the very same instruction each time:
` + drill.FaultGrammar + `
A drill that finds that the dump is not true, or that there is none, has failed.`,
		Example: `  rescue drill
  rescue drill --arch arm64
  rescue drill --panic stack --memory 256M --keep dumps
  rescue drill --machine qemu --fill --json
  rescue drill --fault "flip image+0x12345 at armed"
  rescue drill --fault "nmi at freeze+12" --fault "tear write 7"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.drill(c.Context(), o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.machine, "machine", "emulated", "`machine`: emulated, kvm or qemu")
	flags.StringVar(&o.arch, "arch", "amd64", "`architecture`: amd64 or arm64")
	flags.StringVar(&o.memory, "memory", "64M", "memory of the machine, `bytes` with K, M, G or T")
	flags.StringVar(&o.panic, "panic", "nil", "`kind` of panic: "+strings.Join(drill.Kinds(), ", "))
	flags.BoolVar(&o.fill, "fill", false, "dump all RAM, not only the pages in use")
	flags.BoolVar(&o.json, "json", false, "print one JSON object")
	flags.StringVar(&o.keep, "keep", "", "keep the disk with the dump in this `directory`")
	flags.StringVar(&o.host, "host", "", "the host, an image or a package")
	flags.StringVar(&o.rescue, "rescue", "", "the rescue program, an image or a package")
	flags.StringArrayVar(&o.faults, "fault", nil, "something that goes `wrong`; may be given more than once")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "show what the guests write")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "longest `time` that a guest may take")
	_ = c.RegisterFlagCompletionFunc("panic", cobra.FixedCompletions(drill.Kinds(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("keep")
	return c
}

// drillConfig is what the flags ask for.
func (p *program) drillConfig(ctx context.Context, o drillOptions) (drill.Config, error) {
	faults, err := parseFaults(o.faults)
	if err != nil {
		return drill.Config{}, err
	}
	config := drill.Config{Faults: faults, Machine: o.machine, Panic: o.panic, Fill: o.fill, Timeout: o.timeout}
	if config.Architecture, err = parseArchitecture(o.arch); err != nil {
		return config, err
	}
	if config.Runner, err = findRunner(o.machine, config.Architecture); err != nil {
		return config, err
	}
	if !slices.Contains(drill.Kinds(), o.panic) {
		return config, usagef("--panic %s: want one of %s", o.panic, strings.Join(drill.Kinds(), ", "))
	}
	if o.machine == "emulated" {
		config.Work = 10 * time.Millisecond // of its time, which a nanosecond an instruction makes
	}
	if config.Memory, err = cli.ParseSize(o.memory); err != nil || config.Memory == 0 || config.Memory%machine.PageSize != 0 {
		return config, usagef("--memory %s: want whole pages of %d bytes", o.memory, machine.PageSize)
	}
	from := source{architecture: config.Architecture}
	if o.host != "" {
		if config.Host, err = p.rescueImage(ctx, o.host, from); err != nil {
			return config, err
		}
	}
	if o.rescue != "" {
		if config.Rescue, err = p.rescueImage(ctx, o.rescue, from); err != nil {
			return config, err
		}
	}
	if o.verbose {
		config.Console = p.errors
	}
	return config, nil
}

// parseFaults reads what goes wrong.
func parseFaults(texts []string) (faults []drill.Fault, err error) {
	for _, text := range texts {
		f, err := drill.ParseFault(text)
		if err != nil {
			return nil, usagef("--%v", err)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func (p *program) drill(ctx context.Context, o drillOptions) (err error) {
	config, err := p.drillConfig(ctx, o)
	if err != nil {
		return err
	}
	directory := o.keep
	if directory == "" {
		if directory, err = os.MkdirTemp("", "rescue-drill"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	} else if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	config.Disk = filepath.Join(directory, "disk.img")
	if !o.json {
		config.Notify = p.showPhase
	}
	result, err := drill.Run(ctx, config)
	if errors.Is(err, machine.ErrUnavailable) && o.machine == "kvm" {
		return fmt.Errorf("%w; --machine qemu needs no KVM", err)
	}
	if o.json {
		return errors.Join(p.json(result), err)
	}
	if err != nil {
		return p.showFailure(err)
	}
	p.showDrill(result, o.keep)
	return nil
}

// showPhase prints a phase as it is over.
func (p *program) showPhase(phase drill.Phase) {
	p.printf("%-18s %10v %13s  %s\n", phase.Name, rounded(phase.Nanoseconds), instructions(phase.Instructions), phase.Detail)
	_ = p.out.Flush() // what fails here fails again at the end
}

// instructions is a number of them; nothing where nobody counted.
func instructions(n uint64) string {
	switch {
	case n == 0:
		return ""
	case n < 10_000:
		return fmt.Sprintf("%d insn", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d k insn", n/1000)
	}
	return fmt.Sprintf("%d M insn", n/1_000_000)
}

// rounded is a time with three or four digits.
func rounded(nanoseconds int64) time.Duration {
	d := time.Duration(nanoseconds)
	switch {
	case d > time.Second:
		return d.Round(time.Millisecond)
	case d > time.Millisecond:
		return d.Round(time.Microsecond)
	}
	return d.Round(10 * time.Nanosecond)
}

// showFailure says at which phase a drill failed, and what the guests wrote.
func (p *program) showFailure(err error) error {
	var failed *drill.PhaseError
	if errors.As(err, &failed) && failed.Console != "" {
		p.warn("the guests wrote:")
		for line := range strings.Lines(failed.Console) {
			p.warn("  %s", strings.TrimRight(line, "\n"))
		}
	}
	return fmt.Errorf("drill failed: %w", err)
}

// showDrill sums up a drill that held.
func (p *program) showDrill(r *drill.Result, keep string) {
	p.printf("\n%d pages dumped, %s in %s of zstd; %d compared with the host's memory, all equal; no other byte of it changed\n",
		r.DumpPages, size(r.DumpBytes), size(r.CompressedBytes), r.VerifiedPages)
	p.printf("panic to the minimal record %v, to main %v, to the first block on disk %v; all in %v\n\n",
		rounded(r.PanicToRecord), rounded(phaseSum(r, "minimal record", "runtime start")), rounded(r.PanicToFirstByte), rounded(r.Wall))
	if r.PanicMessage != "" {
		p.printf("panic: %s\n", r.PanicMessage)
	}
	p.printf("the end of the host's log:\n")
	lines := strings.Split(strings.TrimRight(r.Log, "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-12):] {
		p.printf("  %s\n", line)
	}
	if keep != "" {
		p.printf("\nthe disk is %s; try: dumper info %s, dumper save --dir %s %s\n", r.Disk, r.Disk, keep, r.Disk)
	} else {
		p.printf("\n--keep DIR keeps the disk with the dump, for dumper info, save and the rest\n")
	}
}

// phaseSum adds up the guest's phases from one to another.
func phaseSum(r *drill.Result, from, to string) (sum int64) {
	counting := false
	for _, phase := range r.Phases {
		counting = counting || phase.Name == from
		if counting {
			sum += phase.Nanoseconds
		}
		if phase.Name == to {
			break
		}
	}
	return sum
}
