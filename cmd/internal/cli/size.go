// Package cli is what the command lines of this module read alike.
package cli

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// ParseSize reads a number of bytes with an optional binary unit: 512, 64K,
// 10M, 2GiB.
func ParseSize(text string) (uint64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	shift := 0
	if i := strings.IndexAny(number, "KMGT"); i > 0 && i == len(number)-1 {
		shift = 10 * (strings.IndexByte("KMGT", number[i]) + 1)
		number = number[:i]
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || bits.Len64(n)+shift > 64 {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	return n << shift, nil
}
