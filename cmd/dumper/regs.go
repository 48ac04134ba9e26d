package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/postmortem"
)

func newRegs(p *program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "regs FILE",
		Short: "Show the registers of the CPUs",
		Long: `Regs shows the registers of each CPU, the one that panicked first. Our dumps
have them in the dump notes. A FreeBSD kernel keeps some of them for the threads
that were running, which --kernel finds; threads --json has those of all threads.`,
		Example: `  dumper regs vmcore
  dumper regs --json --kernel /boot/kernel/kernel vmcore.0 | jq '.cpus[0]'`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			list, err := d.cpus()
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			if asJSON {
				return p.json(cpusJSON(list))
			}
			p.showCPUs(d, list)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// cpus finds the CPUs in the dump notes, or by the kernel's symbols.
func (d *dump) cpus() ([]postmortem.CPU, error) {
	notes, _ := d.Notes()
	list, err := postmortem.CPUs(notes)
	if err == nil {
		return list, nil
	}
	if d.symbols == nil {
		return nil, fmt.Errorf("%w (a FreeBSD dump needs --kernel)", err)
	}
	threads, threadsErr := d.kernel().Threads()
	if threadsErr != nil {
		return nil, errors.Join(err, threadsErr)
	}
	return threads.CPUs()
}

type cpuFact struct {
	Number    uint32                 `json:"cpu"`
	Panicked  bool                   `json:"panicked"`
	Late      bool                   `json:"late"`
	Time      uint64                 `json:"time"`
	TID       *int32                 `json:"tid"` // null: not known
	Registers map[string]hexadecimal `json:"registers"`
	Error     string                 `json:"error,omitempty"`
}

type cpusFact struct {
	CPUs []cpuFact `json:"cpus"`
}

func cpusJSON(list []postmortem.CPU) cpusFact {
	facts := cpusFact{CPUs: []cpuFact{}}
	for _, c := range list {
		fact := cpuFact{Number: c.Number, Panicked: c.Panicked, Late: c.Late, Time: c.Time, Registers: registersJSON(c.Registers)}
		if c.Thread != nil {
			fact.TID = &c.Thread.ID
		}
		if c.Err != nil {
			fact.Error = c.Err.Error()
		}
		facts.CPUs = append(facts.CPUs, fact)
	}
	return facts
}

func (p *program) showCPUs(d *dump, list []postmortem.CPU) {
	for i, c := range list {
		if i > 0 {
			p.printf("\n")
		}
		p.printf("%s\n", c.Title())
		p.showRegisters(d, c.Registers)
		if c.Err != nil {
			p.warn("%s: cpu%d: %v", d.name, c.Number, c.Err)
		}
	}
}

// showRegisters prints three registers a line, or one with --kernel, which
// names those that are addresses.
func (p *program) showRegisters(d *dump, registers postmortem.Registers) {
	columns := 3
	if d.symbols != nil {
		columns = 1
	}
	for i, r := range registers.List {
		text := fmt.Sprintf("  %-8s 0x%016x", r.Name, r.Value)
		if _, _, ok := d.symbols.Find(r.Value); ok {
			text += " " + printable(d.symbols.Format(r.Value))
		}
		if i%columns == columns-1 || i == len(registers.List)-1 {
			text += "\n"
		}
		p.printf("%s", text)
	}
}
