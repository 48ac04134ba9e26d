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
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// bootOptions are the flags of boot.
type bootOptions struct {
	machine  string
	arch     string
	memory   string
	cpus     int
	append   string
	rescue   string
	tags     []string
	timeout  time.Duration
	snapshot string
}

func newBoot(p *program) *cobra.Command {
	var o bootOptions
	c := &cobra.Command{
		Use:   "boot HOST",
		Short: "Boot a host in a VM, with its rescue program beside it",
		Long: `Boot boots a host in a virtual machine with its serial line on standard output,
and waits until the machine ends: the host's main returns, the host panics and
its rescue program is done, or it is interrupted. How it ended and how long
it took goes to standard error.

HOST and the --rescue program are images or Go packages; packages are built. The
rescue program is handed to the host as a boot module, its command line is
--append.

The machine is one of

  emulated  this program's own emulator, on any computer
  kvm       the real CPU, by Linux's KVM: amd64 only
  qemu      QEMU's emulation

Packages are built for --arch. A HOST that is a file says by itself what it is
for. One that is an EFI application (rescue build --efi) is booted by QEMU's
UEFI firmware, with the rescue program and the command line that are in it, in
256 MiB unless --memory says otherwise.

With --snapshot, the machine's memory is written to a file when it has ended,
each byte at the offset of its physical address, for rescue inspect.

The exit code says how the machine ended: rescue help exit-codes.`,
		Example: `  rescue boot ./examples/host
  rescue boot --rescue ./dump --append 'panic=nil after=1s' ./host
  rescue boot --arch arm64 --rescue ./dump --append panic=nil ./host
  rescue boot --machine qemu --memory 1G --timeout 1m --rescue dump.img host.elf
  rescue boot --rescue ./dump --append panic=go --snapshot ram ./host; rescue inspect ram
  rescue boot BOOTX64.EFI`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.boot(c, args[0], o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.machine, "machine", "", "`machine`: emulated, kvm or qemu (default: kvm, of arm64 emulated, of EFI applications qemu)")
	flags.StringVar(&o.arch, "arch", "amd64", "`architecture` of packages: amd64 or arm64")
	flags.StringVar(&o.memory, "memory", "64M", "memory of the machine, `bytes` with K, M, G or T")
	flags.IntVar(&o.cpus, "cpus", 1, "`number` of CPUs")
	flags.StringVar(&o.append, "append", "", "the host's command `line`")
	flags.StringVar(&o.rescue, "rescue", "", "the rescue program, an image or a package (default: none)")
	flags.StringSliceVar(&o.tags, "tags", nil, "build tags of packages, separated by commas")
	flags.DurationVar(&o.timeout, "timeout", 0, "stop the machine after this `time` (default: never)")
	flags.StringVar(&o.snapshot, "snapshot", "", "write the machine's memory to `file` at the end")
	return c
}

// config makes a machine's configuration, building what has to be built, and
// says what architecture it is of.
func (p *program) config(ctx context.Context, host string, o bootOptions) (machine.Config, handoff.Architecture, error) {
	memory, err := cli.ParseSize(o.memory)
	if err != nil || memory == 0 || memory%machine.PageSize != 0 {
		return machine.Config{}, 0, usagef("--memory %s: want whole pages of %d bytes", o.memory, machine.PageSize)
	}
	if o.cpus < 1 {
		return machine.Config{}, 0, usagef("--cpus %d: want 1 or more", o.cpus)
	}
	from := source{tags: o.tags}
	if from.architecture, err = parseArchitecture(o.arch); err != nil {
		return machine.Config{}, 0, err
	}
	if _, known := runners[o.machine]; !known && o.machine != "" { // before anything is built
		return machine.Config{}, 0, unknownMachine(o.machine)
	}
	config := machine.Config{MemorySize: memory, CPUs: o.cpus, InterruptController: o.cpus > 1, Boot: machine.Boot{CommandLine: o.append}}
	if config.Boot.Image, from.architecture, err = p.hostImage(ctx, host, from); err != nil || o.rescue == "" {
		return config, from.architecture, err
	}
	rescue, err := p.rescueImage(ctx, o.rescue, from)
	config.Boot.Modules = []machine.Module{{Data: rescue}}
	return config, from.architecture, err
}

func (p *program) boot(c *cobra.Command, host string, o bootOptions) (err error) {
	ctx := c.Context()
	config, architecture, err := p.config(ctx, host, o)
	if err != nil {
		return err
	}
	newMachine, err := o.runner(&config, architecture, c.Flags().Changed("memory"))
	if err != nil {
		return err
	}
	console := &console{w: p.out}
	config.Serial = console
	m, err := newMachine(config)
	if errors.Is(err, machine.ErrUnavailable) && o.machine == "kvm" {
		return fmt.Errorf("%w; --machine qemu needs no KVM", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.machine, err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	start := time.Now()
	exit, err := m.Run(ctx)
	took := time.Since(start)
	if endErr := console.end(); endErr != nil {
		return fmt.Errorf("console: %w", &outputError{endErr})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.machine, err)
	}
	code, text := ended(exit)
	p.warn("%s: %s after %v", o.machine, text, took.Round(100*time.Microsecond))
	if o.snapshot != "" {
		if err := writeMemory(o.snapshot, m); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	if code != exitDone {
		return verdict(code)
	}
	return nil
}

// runner makes the machine that a host needs, and completes o and its configuration.
func (o *bootOptions) runner(config *machine.Config, architecture handoff.Architecture, memoryGiven bool) (runner, error) {
	if !isEFIApplication(config.Boot.Image) {
		if o.machine == "" {
			o.machine = usualMachine(architecture)
		}
		return findRunner(o.machine, architecture)
	}
	if o.append != "" || o.rescue != "" {
		return nil, usagef("--append and --rescue: an EFI application has them in it; give them to rescue build --efi")
	}
	if o.machine != "" && o.machine != "qemu" {
		return nil, usagef("--machine %s: it has no UEFI firmware, which the EFI application needs; --machine qemu has", o.machine)
	}
	o.machine = "qemu"
	if !memoryGiven {
		config.MemorySize = firmwareMemory
	}
	return qemu.Options{Architecture: machine.Architecture(architecture.String()), UEFI: true}.New, nil
}

// firmwareMemory is enough for UEFI firmware and a host beside it.
const firmwareMemory = 256 << 20

// ended says what an exit means, as an exit code and in words.
func ended(exit machine.Exit) (code int, text string) {
	switch exit.Reason {
	case machine.PoweredOff:
		return exitDone, "the guest turned the machine off"
	case machine.Halted:
		return exitDone, "the guest halted the machine"
	case machine.DebugExit:
		if exit.Code == 0 { // what package kernel writes before it turns the machine off
			return exitDone, "the guest turned the machine off"
		}
		return exitGuest, fmt.Sprintf("the guest ended with code %d", exit.Code)
	case machine.Reset:
		return exitGuest, "the guest reset the machine"
	case machine.TripleFault:
		return exitGuest, fmt.Sprintf("the guest crashed: %v", exit)
	case machine.TimedOut:
		return exitTimeout, "the timeout passed"
	case machine.Canceled:
		return exitInterrupted, "interrupted"
	}
	return exitGuest, exit.String()
}

// console shows what the guest writes, as it comes. A terminal and a file end
// lines with a newline alone.
type console struct {
	w interface {
		io.Writer
		Flush() error
	}
	cr  bool // a carriage return was not yet shown
	err error
}

// Write implements io.Writer. It takes all, so that a guest runs on where its
// console is not read any more.
func (c *console) Write(p []byte) (int, error) {
	shown := make([]byte, 0, len(p)+1)
	for _, b := range p {
		if c.cr && b != '\n' {
			shown = append(shown, '\r')
		}
		if c.cr = b == '\r'; !c.cr {
			shown = append(shown, b)
		}
	}
	_, err := c.w.Write(shown)
	if err == nil {
		err = c.w.Flush()
	}
	if c.err == nil {
		c.err = err
	}
	return len(p), nil
}

// end returns the first error of writing.
func (c *console) end() error { return c.err }

// writeMemory writes a machine's memory to a file, each byte at the offset of
// its physical address. Pages of zeros are holes.
func writeMemory(path string, m machine.Machine) error {
	snapshot, err := m.Snapshot()
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	end := snapshot.RAM.Bounds().End
	err = file.Truncate(int64(end))
	if err == nil {
		var memory *physmem.File
		if memory, err = physmem.NewFile(file, physmem.FileExtent{Range: physmem.Range{End: end}}); err == nil {
			err = machine.CopyMemory(memory, snapshot.Memory, snapshot.Populated)
		}
	}
	return errors.Join(err, file.Close())
}
