package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{"0": 0, "512": 512, "64K": 64 << 10, "10m": 10 << 20, "2GiB": 2 << 30, "1T": 1 << 40, "3KB": 3 << 10} {
		n, err := ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "K", "-1", "1.5G", "1KK", "99999999999T", "0x10", "ten"} {
		_, err := ParseSize(text)
		require.Error(t, err, text)
	}
}
