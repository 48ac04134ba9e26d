package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/symbols"
)

// parseLength reads a length: decimal, or hexadecimal with 0x.
func parseLength(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 0, 63)
	if err != nil {
		return 0, usagef("length %q: not a number of bytes", text)
	}
	return n, nil
}

// parseCount reads a positive count of at most limit.
func parseCount(text string, limit int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, usagef("count %q: not a number from 1 to %d", text, limit)
	}
	return n, nil
}

// address resolves an address of the command line.
func (d *dump) address(expression string) (uint64, error) { return resolve(d.symbols, expression) }

func resolve(table *symbols.Table, expression string) (uint64, error) {
	address, err := table.Resolve(expression)
	if err != nil {
		if table == nil && errors.Is(err, symbols.ErrNoSymbols) {
			return 0, usagef("%w (symbols need --kernel)", err)
		}
		return 0, usagef("%w", err)
	}
	return address, nil
}

// completeAddress completes a symbol of --kernel in the argument at an index;
// before it come files.
func (p *program) completeAddress(index int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		const most = 200
		switch {
		case len(args) < index:
			return nil, cobra.ShellCompDirectiveDefault
		case len(args) > index || p.kernelPath == "":
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		d := &dump{}
		defer func() { _ = d.Close() }()
		if err := p.openKernel(d); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return d.symbols.Names(typed, most), cobra.ShellCompDirectiveNoFileComp
	}
}
