package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/drill"
)

// traceOptions are the flags of trace.
type traceOptions struct {
	drillOptions
	from, to string
	cpu      int
	limit    uint64
	output   string
}

func newTrace(p *program) *cobra.Command {
	o := traceOptions{drillOptions: drillOptions{machine: "emulated"}}
	c := &cobra.Command{
		Use:   "trace",
		Short: "Show each instruction of a hand-off",
		Long: `Trace runs a hand-off on the emulated machine, as drill does, and shows each of
its instructions: CPU and ring, address with its symbol, bytes, disassembly, and
the registers that are others afterwards.

It goes from one point to another, the second not included. Points are
  armed    the host has armed, and works
  panic    the panic's first write to the reservation
  freeze   the freeze point: the trampoline's first instruction
  entry    the rescue image's first instruction
  main     the rescue program's main.main
  0x…      an address      +N   N instructions behind the other point
or a symbol: of the host, or with rescue: in front, of the rescue program.
From the panic to main there are two million instructions.

With --json each instruction is an object on a line of its own. The same command
gives the same trace every time.`,
		Example: `  rescue trace
  rescue trace --from panic --to +40
  rescue trace --from entry --to rescue:runtime.schedinit -o trace.txt
  rescue trace --panic kernel --from freeze --to main --limit 1000 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.trace(c.Context(), o) },
	}
	flags := c.Flags()
	flags.StringVar(&o.from, "from", drill.PointFreeze, "the first `point`")
	flags.StringVar(&o.to, "to", drill.PointEntry, "the `point` that ends it")
	flags.IntVar(&o.cpu, "cpu", -1, "only this CPU's instructions, by its `number`; -1 is all")
	flags.Uint64Var(&o.limit, "limit", 0, "end after this `number` of instructions; 0 is none")
	flags.StringVarP(&o.output, "output", "o", "", "write to this `file`")
	flags.BoolVar(&o.json, "json", false, "print one JSON object a line")
	flags.StringVar(&o.arch, "arch", "amd64", "`architecture`: amd64 or arm64")
	flags.StringVar(&o.memory, "memory", "64M", "memory of the machine, `bytes` with K, M, G or T")
	flags.StringVar(&o.panic, "panic", "nil", "`kind` of panic: "+strings.Join(drill.Kinds(), ", "))
	flags.StringVar(&o.host, "host", "", "the host, an image or a package")
	flags.StringVar(&o.rescue, "rescue", "", "the rescue program, an image or a package")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "longest `time` that a guest may take")
	_ = c.RegisterFlagCompletionFunc("panic", cobra.FixedCompletions(drill.Kinds(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (p *program) trace(ctx context.Context, o traceOptions) (err error) {
	config := drill.TraceConfig{CPU: o.cpu, Limit: o.limit}
	if config.From, err = drill.ParsePoint(o.from); err != nil {
		return usagef("--from: %v", err)
	}
	if config.To, err = drill.ParsePoint(o.to); err != nil {
		return usagef("--to: %v", err)
	}
	if config.Config, err = p.drillConfig(ctx, o.drillOptions); err != nil {
		return err
	}
	config.Seed = 1
	directory, err := os.MkdirTemp("", "rescue-trace")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	config.Disk = filepath.Join(directory, "disk.img")
	out := p.out
	if o.output != "" {
		file, err := os.Create(o.output)
		if err != nil {
			return err
		}
		out = bufio.NewWriter(file)
		defer func() { err = errors.Join(err, out.Flush(), file.Close()) }()
	}
	show := showStep(out)
	if o.json {
		show = encodeStep(out)
	}
	steps, err := drill.Trace(ctx, config, show)
	if err != nil {
		return p.showFailure(err)
	}
	if o.output != "" {
		p.printf("%s in %s\n", plural(steps, "instruction"), o.output)
	}
	return nil
}

// showStep prints instructions for people, and where each phase begins.
func showStep(out io.Writer) func(drill.TraceStep) error {
	phase := ""
	return func(s drill.TraceStep) error {
		if s.Phase != phase {
			phase = s.Phase
			if _, err := fmt.Fprintf(out, "=== %s\n", phase); err != nil {
				return &outputError{err}
			}
		}
		var changes []string
		for _, name := range s.Changed {
			changes = append(changes, name+"="+s.Changes[name])
		}
		line := fmt.Sprintf("%7d %d:%d %#016x %-32s %-30x %-40s %s", s.Number, s.CPU, s.Level, s.PC, shortSymbol(s.Symbol), s.Bytes, s.Text, strings.Join(changes, " "))
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " ")); err != nil {
			return &outputError{err}
		}
		return nil
	}
}

// shortSymbol leaves the path of a package out.
func shortSymbol(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// encodeStep prints instructions for programs.
func encodeStep(out io.Writer) func(drill.TraceStep) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return func(s drill.TraceStep) error {
		err := encoder.Encode(struct {
			drill.TraceStep
			PC    hexadecimal `json:"pc"`
			Bytes string      `json:"bytes"`
		}{s, hexadecimal(s.PC), hex.EncodeToString(s.Bytes)})
		if err != nil {
			return &outputError{err}
		}
		return nil
	}
}
