package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/postmortem"
)

func newBacktrace(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "bt FILE [THREAD|CPU]",
		Short: "Show the calls that led to the crash, or those of another thread or CPU",
		Long: `Bt shows the calls on a stack, innermost first, by following frame pointers; with
--kernel the functions, and the files and lines of Go functions. The last line
says why there are no more.

Without THREAD or CPU it is the stack of what crashed. cpuN is that of CPU N.
A number is the TID or, below 100000 where no TID is, the INDEX of a thread in
threads' list; in our dumps, which know CPUs only, it is the number of a CPU. A
FreeBSD kernel's dump needs --kernel.`,
		Example: `  dumper bt --kernel /boot/kernel/kernel vmcore.0
  dumper bt --kernel kernel.elf vmcore.0 100670
  dumper bt --kernel host.elf vmcore cpu1`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			which := ""
			if len(args) == 2 {
				which = args[1]
			}
			title, registers, err := d.choose(which)
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			p.printf("%s\n", printable(title))
			p.showBacktrace(d.kernel().Backtrace(registers))
			return nil
		},
	}
}

// firstTID is the lowest thread id of FreeBSD (sys/proc.h: NO_PID).
const firstTID = 100000

// choose finds the registers of the thread or CPU that a user named.
func (d *dump) choose(which string) (title string, r postmortem.Registers, err error) {
	cpuOnly := strings.HasPrefix(which, "cpu")
	number, err := strconv.ParseInt(strings.TrimPrefix(which, "cpu"), 10, 32)
	if which != "" && (err != nil || number < 0) {
		return "", r, usagef("%q is neither a thread's number nor cpuN", which)
	}
	notes, _ := d.Notes()
	cpus, notesErr := postmortem.CPUs(notes)
	if notesErr == nil {
		return chooseCPU(cpus, which, number)
	}
	if d.symbols == nil {
		return "", r, fmt.Errorf("%w (a FreeBSD dump needs --kernel)", notesErr)
	}
	threads, err := d.kernel().Threads()
	if err != nil {
		return "", r, errors.Join(notesErr, err)
	}
	if cpuOnly {
		if cpus, err = threads.CPUs(); err != nil {
			return "", r, err
		}
		return chooseCPU(cpus, which, number)
	}
	return chooseThread(threads, which, number)
}

func chooseCPU(list []postmortem.CPU, which string, number int64) (string, postmortem.Registers, error) {
	for _, c := range list {
		if which == "" || int64(c.Number) == number {
			return c.Title(), c.Registers, c.Err
		}
	}
	return "", postmortem.Registers{}, usagef("no CPU %d among %d", number, len(list))
}

func chooseThread(list *postmortem.ThreadList, which string, number int64) (string, postmortem.Registers, error) {
	for i, t := range list.Threads {
		if which == "" || int64(t.ID) == number || number < firstTID && int64(i) == number {
			title := fmt.Sprintf("thread %d, pid %d, %s", t.ID, t.PID, t.Title())
			if t.Crashed {
				title += " (crashed)"
			}
			return title, t.Registers, t.Err
		}
	}
	return "", postmortem.Registers{}, usagef("no thread %d among %d", number, len(list.Threads))
}

func (p *program) showBacktrace(b postmortem.Backtrace) {
	for i, f := range b.Frames {
		if f.Exception != "" {
			p.printf("     --- %s ---\n", f.Exception)
		}
		p.printf("%3d  0x%016x", i, f.PC)
		if f.Function != "" {
			p.printf("  %s+%#x", printable(f.Function), f.Offset)
		}
		if f.File != "" {
			p.printf("  %s:%d", printable(f.File), f.Line)
		}
		p.printf("\n")
	}
	p.printf("     %v\n", b.Stop)
}
