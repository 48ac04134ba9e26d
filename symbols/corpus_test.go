package symbols_test

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/symbols"
)

// corpusFile unpacks a file of the corpus of real kernels and dumps.
func corpusFile(t *testing.T, name string) []byte {
	t.Helper()
	directory := os.Getenv("RESCUE_CORPUS")
	if directory == "" {
		directory = filepath.Join("..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(directory, "freebsd", name+".bz2"))
	if err != nil {
		t.Skipf("no corpus (set RESCUE_CORPUS): %v", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(bzip2.NewReader(file))
	require.NoError(t, err)
	return data
}

func TestFreeBSDKernels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file, architecture string
		want               map[string]uint64
	}{
		{"kernel-amd64", "amd64", map[string]uint64{
			"kernbase": 0xffffffff80000000, "hz": 0xffffffff81cd4c0c, "dumptid": 0xffffffff81ca69a8,
			"dumppcb": 0xffffffff81ca6868, "allproc": 0xffffffff81c9a2f0,
		}},
		{"kernel-arm64", "arm64", map[string]uint64{
			"hz": 0xffff000000e2651c, "dumptid": 0xffff000000df3cf0, "dumppcb": 0xffff000000df3790,
			"allproc": 0xffff000000de7230,
		}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			table, err := symbols.Open(bytes.NewReader(corpusFile(t, test.file)))
			require.NoError(t, err)
			require.Equal(t, test.architecture, table.Architecture())
			for name, want := range test.want {
				s, ok := table.Lookup(name)
				require.True(t, ok, name)
				require.Equal(t, want, s.Address, name)
				if name != "kernbase" {
					require.Equal(t, name, table.Format(want))
				}
			}
			address, err := table.Resolve("dumppcb+0x28")
			require.NoError(t, err)
			require.Equal(t, "dumppcb+0x28", table.Format(address))
		})
	}
}
