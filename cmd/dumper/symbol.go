package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/symbols"
)

func newSymbol(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "symbol --kernel ELF [FILE] NAME|ADDRESS",
		Short: "Find a symbol by name or address",
		Long: `Symbol looks a name or an address up in --kernel's symbols and prints

  ADDRESS NAME[+OFFSET] SIZE [FILE:LINE]

NAME may have an offset too. The kernel is an ELF file with a symbol table, or a
stripped Go program, whose function table has files and lines.

With a dump as FILE, the value at the address follows (8 bytes, or the symbol's
size if that is 1, 2 or 4), and a kernel of another build is warned of.`,
		Example: `  dumper symbol --kernel kernel.elf 0xffffffff80c09ade
  dumper symbol --kernel kernel.elf panic
  dumper symbol --kernel kernel.elf vmcore.0 dumptid`,
		Args: cobra.RangeArgs(1, 2),
		// The first may be a file as well.
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			names, _ := p.completeAddress(len(args))(c, args, typed)
			return names, cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if p.kernelPath == "" {
				return usagef("symbol needs --kernel")
			}
			if len(args) == 1 {
				return p.symbolOnly(args[0])
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
			found := p.showSymbol(d.symbols, address)
			return p.showValue(d, address, found)
		},
	}
}

// symbolOnly looks up a symbol without a dump.
func (p *program) symbolOnly(expression string) error {
	d := &dump{}
	defer func() { _ = d.Close() }()
	if err := p.openKernel(d); err != nil {
		return err
	}
	address, err := d.address(expression)
	if err != nil {
		return err
	}
	if found := p.showSymbol(d.symbols, address); found.Name == "" {
		return fmt.Errorf("address %#x: %w", address, errNoSymbolThere)
	}
	return nil
}

// errNoSymbolThere says that no symbol has an address.
var errNoSymbolThere = fmt.Errorf("no symbol there")

// showSymbol prints the line of an address, and returns its symbol.
func (p *program) showSymbol(table *symbols.Table, address uint64) symbols.Symbol {
	s, _, ok := table.Find(address)
	if !ok {
		p.printf("%#x", address)
	} else {
		p.printf("%#x %s %d", address, printable(table.Format(address)), s.Size)
	}
	if file, line, ok := table.Line(address); ok {
		p.printf(" %s:%d", printable(file), line)
	}
	p.printf("\n")
	return s
}

// showValue prints what a dump has at the address of a symbol.
func (p *program) showValue(d *dump, address uint64, s symbols.Symbol) error {
	width := 8
	switch s.Size {
	case 1, 2, 4:
		width = int(s.Size)
	}
	data := make([]byte, width)
	if _, err := d.ReadVirtual(data, address); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	header := d.Header()
	var wide [8]byte
	if header.BigEndian {
		copy(wide[8-width:], data)
	} else {
		copy(wide[:], data)
	}
	value := header.ByteOrder().Uint64(wide[:])
	p.printf("value %#x %d\n", value, value)
	return nil
}
