package container_test

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/seekable"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// corpus gives a real dump. They are found through RESCUE_CORPUS.
func corpus(t *testing.T, name string) []byte {
	t.Helper()
	root := os.Getenv("RESCUE_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(root, "freebsd", name+".bz2"))
	if err != nil {
		t.Skip("no real dumps: set RESCUE_CORPUS: ", err)
	}
	defer f.Close()
	b, err := io.ReadAll(bzip2.NewReader(f))
	require.NoError(t, err)
	return b
}

// A real dump in seekable zstd opens like the plain one, and says the same.
func TestRealDumps(t *testing.T) {
	for name, want := range map[string]minidump.Architecture{"vmcore-amd64-minidump": minidump.AMD64, "vmcore-arm64-minidump": minidump.ARM64} {
		dump := corpus(t, name)
		var file bytes.Buffer
		w, err := seekable.NewWriter(&file, seekable.WriterOptions{Workers: runtime.GOMAXPROCS(0)})
		require.NoError(t, err)
		_, err = w.Write(dump)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		t.Logf("%s: %d bytes in %d", name, len(dump), file.Len())

		plain, err := container.Open(bytes.NewReader(dump), int64(len(dump)))
		require.NoError(t, err)
		packed, err := container.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
		require.NoError(t, err)
		require.True(t, packed.Complete())
		require.Equal(t, plain.Size(), packed.Size())
		for _, f := range []*container.File{plain, packed} {
			r, err := minidump.Open(f, f.Size())
			require.NoError(t, err)
			require.Equal(t, want, r.Header().Architecture)
			require.NoError(t, f.Close())
		}
	}
}
