package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/minidump"
)

func newLog(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "log FILE",
		Short: "Print the kernel's message buffer",
		Long: `Log prints the kernel's message buffer, oldest message first.

The buffer is a ring. Where its structure is not in the dump, the order is a
guess, and standard error says so. The text is printed as the kernel wrote it;
on a terminal, control characters are shown as \x…. A full dump needs --kernel.`,
		Example: `  dumper log vmcore.0
  dumper log vmcore.0 | tail -40`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := p.openLazily(args[0]) // the messages are near the start
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			return p.showLog(d)
		},
	}
}

func (p *program) showLog(d *dump) error {
	messages, err := d.MessageBuffer()
	if messages == nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	text := messages.Text
	if p.terminal {
		text = harmless(text)
	}
	_, _ = p.out.Write(text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		p.printf("\n")
	}
	switch {
	case len(text) == 0:
		p.warn("%s: the message buffer is empty", d.name)
	case messages.Order != minidump.OrderKnown:
		p.warn("%s: the order of the messages is %v", d.name, messages.Order)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	return nil
}

// harmless replaces the control characters by which text could make a
// terminal do things.
func harmless(text []byte) []byte {
	safe := make([]byte, 0, len(text))
	for _, c := range text {
		if c >= ' ' && c != 0x7f || c == '\n' || c == '\t' {
			safe = append(safe, c)
		} else if c != '\r' {
			safe = fmt.Appendf(safe, `\x%02x`, c)
		}
	}
	return safe
}
