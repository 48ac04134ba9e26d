package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// program is what commands share: the streams and the flags of all commands.
type program struct {
	ctx    context.Context // of the run
	in     io.Reader
	out    *bufio.Writer
	errors io.Writer

	terminal bool // out is a terminal

	kernelPath     string
	privateKeyPath string
	keyBlockPath   string
	spoolLimit     int64
}

// commands makes the commands, in the order of the help. A command is one
// file, and one line here.
var commands = []func(*program) *cobra.Command{
	newInfo, newLog, newRead, newTranslate, newDisasm, newSymbol,
	newThreads, newRegs, newBacktrace, newVerify, newConvert, newPrepare, newSave, newReceive, newRecords, newMap, newSample,
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, messages io.Writer) int {
	p := &program{ctx: ctx, in: in, out: bufio.NewWriter(out), errors: messages, terminal: isTerminal(out)}
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
		Use:   "dumper",
		Short: "Read, check and explain kernel crash dumps",
		Long: `Dumper reads kernel crash dumps: FreeBSD's minidumps and full dumps of amd64
and arm64, which are also what this repository's rescue program writes.

FILE is a dump, plain or compressed, or the device or image that it was dumped
to. It is opened read-only, and may be - for standard input. ADDRESS is 0x and
hexadecimal digits, or with --kernel symbol[+offset].`,
		Example: `  dumper info vmcore.0
  dumper log vmcore.0
  dumper bt --kernel /boot/kernel/kernel vmcore.0
  dumper read --kernel kernel.elf vmcore.0 allproc 8
  dumper verify /dev/da0p3`,
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
	flags := root.PersistentFlags()
	flags.StringVarP(&p.kernelPath, "kernel", "k", "", "the kernel's `ELF` file, for symbols")
	flags.Int64Var(&p.spoolLimit, "spool-limit", defaultSpoolLimit, "most `bytes` of standard input or unpacked dump to keep in a temporary file")
	flags.StringVar(&p.privateKeyPath, "private-key", "", "RSA private key of an encrypted dump (PEM `file`)")
	flags.StringVar(&p.keyBlockPath, "key-block", "", "key.N of a saved encrypted dump (default: beside vmcore_encrypted.N)")
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
	return usagef("unknown command %q (see dumper --help)", name)
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
		_, _ = fmt.Fprint(p.errors, "dumper: "+line)
	}
}

// printf prints a result. A failed write is found when out is flushed.
func (p *program) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...)
}
