package symbols

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Resolve turns what a user typed into an address: 0x and hexadecimal digits,
// or a symbol, either with +offset, which is hexadecimal with 0x and decimal
// without. A nil Table resolves addresses in digits alone.
//
// A whole expression that is a symbol's name is that symbol, whatever it
// looks like.
func (t *Table) Resolve(expression string) (uint64, error) {
	if s, ok := t.Lookup(expression); ok {
		return s.Address, nil
	}
	base, offset := expression, uint64(0)
	if i := strings.LastIndexByte(expression, '+'); i > 0 {
		n, err := parseNumber(expression[i+1:])
		if err != nil {
			return 0, fmt.Errorf("offset of %q: %w", expression, err)
		}
		base, offset = expression[:i], n
	}
	address, err := t.resolveBase(base)
	if err != nil {
		return 0, err
	}
	if address > math.MaxUint64-offset {
		return 0, fmt.Errorf("%q: beyond 64 bits: %w", expression, ErrSyntax)
	}
	return address + offset, nil
}

func (t *Table) resolveBase(base string) (uint64, error) {
	if isHexadecimal(base) {
		address, err := parseNumber(base)
		if err != nil {
			return 0, fmt.Errorf("address %q: %w", base, err)
		}
		return address, nil
	}
	if base == "" {
		return 0, fmt.Errorf("empty address: %w", ErrSyntax)
	}
	if s, ok := t.Lookup(base); ok {
		return s.Address, nil
	}
	if _, err := strconv.ParseUint(base, 16, 64); err == nil {
		return 0, fmt.Errorf("address %q: write 0x before hexadecimal digits: %w", base, ErrSyntax)
	}
	if t.Len() == 0 {
		return 0, fmt.Errorf("symbol %q: %w", base, ErrNoSymbols)
	}
	return 0, fmt.Errorf("%w: %q", ErrUnknownSymbol, base)
}

func isHexadecimal(s string) bool {
	return strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X")
}

// parseNumber reads an unsigned number of 64 bits, without Go's underscores
// and octal.
func parseNumber(s string) (uint64, error) {
	digits, base := s, 10
	if isHexadecimal(s) {
		digits, base = s[2:], 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return n, nil
}
