package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/postmortem"
)

func newThreads(p *program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "threads --kernel ELF FILE",
		Short: "List the threads of a FreeBSD kernel",
		Long: `Threads lists the threads of a FreeBSD kernel: the one that crashed first, then
all others in the kernel's order. A thread that was on no CPU has - there.

What of the lists cannot be read is reported on standard error, and the rest is
listed. With --json each thread has its registers; bt shows its calls.`,
		Example: `  dumper threads --kernel /boot/kernel/kernel vmcore.0
  dumper threads --json --kernel kernel.elf vmcore.0 | jq '.threads[0].registers.rip'`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if p.kernelPath == "" {
				return usagef("threads needs --kernel")
			}
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			list, err := d.kernel().Threads()
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			for _, problem := range list.Problems {
				p.warn("%s: %v", d.name, problem)
			}
			if asJSON {
				return p.json(threadsJSON(list))
			}
			p.showThreads(d, list)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// threadFact is a thread in JSON.
type threadFact struct {
	Index     int                    `json:"index"`
	TID       int32                  `json:"tid"`
	PID       int32                  `json:"pid"`
	Process   string                 `json:"process"`
	Name      string                 `json:"name"`
	CPU       *int32                 `json:"cpu"` // null: on none
	Crashed   bool                   `json:"crashed"`
	Address   hexadecimal            `json:"address"`
	PCB       hexadecimal            `json:"pcb"`
	Registers map[string]hexadecimal `json:"registers"`
	Error     string                 `json:"error,omitempty"`
}

type threadsFact struct {
	Threads  []threadFact `json:"threads"`
	Problems []string     `json:"problems"`
}

func threadsJSON(list *postmortem.ThreadList) threadsFact {
	facts := threadsFact{Threads: []threadFact{}, Problems: []string{}}
	for i, t := range list.Threads {
		fact := threadFact{
			Index: i, TID: t.ID, PID: t.PID, Process: t.Process, Name: t.Name, Crashed: t.Crashed,
			Address: hexadecimal(t.Address), PCB: hexadecimal(t.PCB), Registers: registersJSON(t.Registers),
		}
		if t.CPU != postmortem.NoCPU {
			fact.CPU = &t.CPU
		}
		if t.Err != nil {
			fact.Error = t.Err.Error()
		}
		facts.Threads = append(facts.Threads, fact)
	}
	for _, problem := range list.Problems {
		facts.Problems = append(facts.Problems, problem.Error())
	}
	return facts
}

func registersJSON(r postmortem.Registers) map[string]hexadecimal {
	m := make(map[string]hexadecimal, len(r.List))
	for _, register := range r.List {
		m[register.Name] = hexadecimal(register.Value)
	}
	return m
}

func (p *program) showThreads(d *dump, list *postmortem.ThreadList) {
	p.printf("%5s  %7s  %6s  %3s  %-18s  %s\n", "INDEX", "TID", "PID", "CPU", "PC", "THREAD")
	for i, t := range list.Threads {
		cpu, where := "-", "?"
		if t.CPU != postmortem.NoCPU {
			cpu = fmt.Sprint(t.CPU)
		}
		if pc, ok := t.Registers.PC(); ok {
			where = fmt.Sprintf("%#x", pc)
		}
		title := t.Title()
		if t.Crashed {
			title += " (crashed)"
		}
		p.printf("%5d  %7d  %6d  %3s  %-18s  %s\n", i, t.ID, t.PID, cpu, where, title)
		if t.Err != nil {
			p.warn("%s: thread %d: %v", d.name, i, t.Err)
		}
	}
}
