package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// hexadecimal is an address in JSON: a string with 0x.
type hexadecimal uint64

// MarshalText makes it so.
func (h hexadecimal) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(h)), nil }

// UnmarshalText reads it back.
func (h *hexadecimal) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 0, 64)
	*h = hexadecimal(n)
	return err
}

// json prints a value as indented JSON.
func (p *program) json(value any) error {
	encoder := json.NewEncoder(p.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// size prints bytes in the largest binary unit that is at least one.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	unit, value := 0, float64(n)
	for units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}; ; unit++ {
		if value /= 1024; value < 1024 || unit == len(units)-1 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + units[unit]
		}
	}
}

// plural is "1 page" or "n pages".
func plural[N ~int | ~int64 | ~uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printable makes text of a dump harmless for a terminal: bytes that are not
// printable ASCII come as \x… .
func printable[T ~string | ~[]byte](text T) string {
	q := strconv.QuoteToASCII(string(text))
	return strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), `\\`, `\`)
}

// fields prints "name  value" lines with the values in one column.
type field struct{ name, value string }

func (p *program) fields(fields []field) {
	width := 0
	for _, f := range fields {
		width = max(width, len(f.name))
	}
	for _, f := range fields {
		p.printf("%-*s  %s\n", width, f.name, f.value)
	}
}
