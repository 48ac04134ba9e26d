package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A dump that was cut is incomplete and no worse, wherever it was cut and in
// whatever it is wrapped: nothing in it is wrong.
func TestVerifyOfACutDump(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sample")
	requireDone(t, "sample", path)
	data := contents(t, path)
	for _, wrapped := range []struct {
		name  string
		data  []byte
		least int // bytes without which it is not known what it is
	}{
		{"plain", data, 64},
		{"zstd", zstandard(t, data), 8 << 10},
		{"gzip", gzipped(t, data), 8 << 10},
	} {
		t.Run(wrapped.name, func(t *testing.T) {
			t.Parallel()
			require.Greater(t, len(wrapped.data), 2*wrapped.least)
			for size := wrapped.least; size < len(wrapped.data); size += len(wrapped.data) / 24 {
				r := dumper(t, "verify", writeTemporary(t, "cut", wrapped.data[:size]))
				require.Equal(t, exitIncomplete, r.code, "cut to %d of %d bytes: %s%s", size, len(wrapped.data), r.out, r.errors)
			}
		})
	}
	for size := 128; size < 9<<12; size += 512 { // the metadata
		r := dumper(t, "verify", writeTemporary(t, "cut", data[:size]))
		require.Equal(t, exitIncomplete, r.code, "cut to %d bytes: %s%s", size, r.out, r.errors)
	}
}
