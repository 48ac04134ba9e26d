package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/postmortem"
)

const defaultInstructions = 16

func newDisasm(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "disasm FILE ADDRESS [COUNT]",
		Short: "Disassemble code",
		Long: fmt.Sprintf(`Disasm prints COUNT instructions, %d if it is not given, in GNU syntax, for
the dump's architecture. With --kernel, addresses have names.

Code that the dump does not have is taken from --kernel's file, and standard
error says so. Bytes that are no instruction are shown as .byte or .inst.`, defaultInstructions),
		Example: `  dumper disasm vmcore.0 0xffffffff80c09ade
  dumper disasm --kernel kernel.elf vmcore.0 panic+0x10 40`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: p.completeAddress(1),
		RunE: func(_ *cobra.Command, args []string) error {
			count := defaultInstructions
			if len(args) == 3 {
				var err error
				if count, err = parseCount(args[2], postmortem.MaxInstructions); err != nil {
					return err
				}
			}
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			address, err := d.address(args[1])
			if err != nil {
				return err
			}
			return p.showCode(d, address, count)
		},
	}
}

func (p *program) showCode(d *dump, address uint64, count int) error {
	list, err := d.kernel().Disassemble(address, count)
	if err != nil && d.symbols != nil {
		if spliced, imageErr := d.kernel().WithImage().Disassemble(address, count); imageErr == nil {
			p.warn("not in the dump, shown as in %s: %v", p.kernelPath, err)
			list, err = spliced, nil
		}
	}
	for i, instruction := range list {
		if s, offset, ok := d.symbols.Find(instruction.Address); ok && (offset == 0 || i == 0) {
			p.printf("%s:\n", d.symbols.Format(s.Address+offset))
		}
		p.printf("  %016x  %-30s  %s\n", instruction.Address, fmt.Sprintf("% x", instruction.Bytes), instruction.Text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	return nil
}
