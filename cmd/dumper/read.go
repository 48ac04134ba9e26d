package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/physmem"
)

const defaultReadLength = 64

func newRead(p *program) *cobra.Command {
	var physical, raw bool
	c := &cobra.Command{
		Use:   "read FILE ADDRESS [LENGTH]",
		Short: "Print memory",
		Long: fmt.Sprintf(`Read prints LENGTH bytes of memory, %d if it is not given, from a kernel virtual
address on, or with --physical a physical one. LENGTH is decimal, or hexadecimal
with 0x.

Where the memory ends or a page is not in the dump, it prints what comes before,
says why, and exits with code 7 (or 5 where the file was cut).`, defaultReadLength),
		Example: `  dumper read vmcore.0 0xffffffff81cd4c0c 4
  dumper read --physical vmcore.0 0x1cd4c0c 0x100
  dumper read --kernel kernel.elf vmcore.0 version+0x10 200
  dumper read --raw vmcore.0 0xfffff80003369380 4096 >page`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: p.completeAddress(1),
		RunE: func(_ *cobra.Command, args []string) error {
			length := uint64(defaultReadLength)
			if len(args) == 3 {
				var err error
				if length, err = parseLength(args[2]); err != nil {
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
			return p.showMemory(d, address, length, physical, raw)
		},
	}
	c.Flags().BoolVarP(&physical, "physical", "p", false, "ADDRESS is a physical address")
	c.Flags().BoolVar(&raw, "raw", false, "write the bytes as they are")
	return c
}

// showMemory prints a piece at a time, so that any length will do.
func (p *program) showMemory(d *dump, address, length uint64, physical, raw bool) error {
	if physical && address > uint64(physmem.MaxAddress) {
		return usagef("address %#x: not a physical address", address)
	}
	buffer := make([]byte, min(length, 1<<16))
	for length > 0 {
		piece := buffer[:min(uint64(len(buffer)), length)]
		var n int
		var err error
		if physical {
			n, err = d.ReadPhysical(piece, physmem.Address(address))
		} else {
			n, err = d.ReadVirtual(piece, address)
		}
		if raw {
			if _, err := p.out.Write(piece[:n]); err != nil {
				return &outputError{err}
			}
		} else {
			p.hexdump(piece[:n], address)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		address += uint64(n)
		length -= uint64(n)
	}
	return nil
}
