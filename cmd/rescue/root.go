package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// program is what commands share: the streams, and where images are cached.
type program struct {
	ctx    context.Context // of the run
	out    *bufio.Writer
	errors io.Writer

	cache string // directory of built images; "" = the user's
}

// commands makes the commands, in the order of the help. A command is one
// file, and one line here.
var commands = []func(*program) *cobra.Command{newBuild, newBoot, newDrill, newTrace, newInspect}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, messages io.Writer) int {
	p := &program{ctx: ctx, out: bufio.NewWriter(out), errors: messages, cache: os.Getenv("RESCUE_CACHE")}
	root := newRoot(p)
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	root.SetIn(in)
	root.SetOut(p.out)
	root.SetErr(messages)
	err := root.ExecuteContext(ctx)
	if flushErr := p.out.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("write: %w", &outputError{flushErr})
	}
	switch {
	case err == nil || isSilent(err):
	case err == context.Canceled:
		p.warn("interrupted")
	default:
		p.warn("%v", err)
	}
	return exitCode(ctx, err)
}

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "rescue",
		Short: "Build, inspect and boot rescue kernels and their hosts",
		Long: `Rescue builds Go programs as images that run as kernels, looks into images and
into the memory that a rescue program was armed in, and boots hosts in a VM.`,
		Example: `  rescue build ./host
  rescue boot --rescue ./dump ./host
  rescue boot --machine qemu --append panic=nil --snapshot ram host.elf
  rescue inspect ram`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%v (see %s --help)", err, c.CommandPath())
	})
	for _, make := range commands {
		command := make(p)
		command.Args = usageArgs(command.Args)
		root.AddCommand(command)
	}
	root.AddCommand(newExitCodes())
	return root
}

// unknownCommand is an error with what may have been meant.
func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		return usagef("unknown command %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return usagef("unknown command %q (see rescue --help)", name)
}

// usageArgs makes what a command says of its arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return usagef("%v\nusage: %s", err, c.UseLine())
		}
		return nil
	}
}

// warn prints to standard error. Every line says who speaks.
func (p *program) warn(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...) + "\n") {
		_, _ = fmt.Fprint(p.errors, "rescue: "+line)
	}
}

// printf prints a result. A failed write is found when out is flushed.
func (p *program) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...)
}
