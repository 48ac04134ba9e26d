package minidump

import (
	"bytes"
	"context"
	"debug/elf"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzELFCore converts files that open as minidumps, whatever is in them: the
// core must be as large as it says and hold no segment that leaves it.
func FuzzELFCore(f *testing.F) {
	// Of the seeds only what comes before the pages, and a few of those.
	for _, i := range []int{0, 4, 7} {
		m := generate(f, machineConfig{
			name: "seed", architecture: machineConfigs()[i].architecture, levels: 4, pageSize: machineConfigs()[i].pageSize,
			ram: machineConfigs()[i].ram, density: 1 << 20, kernelSize: 2 << 20,
		})
		_, data, r := openDump(f, m.withNotes(m.source(), 1))
		f.Add(data[:min(len(data), int(r.layout.PageOffset(2)))])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		c, err := NewELFCore(context.Background(), r)
		if err != nil {
			return
		}
		if c.Size() > 64<<20 {
			return
		}
		var w bytes.Buffer
		_, err = c.WriteTo(&w)
		require.NoError(t, err)
		require.EqualValues(t, c.Size(), w.Len())
		core, err := elf.NewFile(bytes.NewReader(w.Bytes()))
		require.NoError(t, err)
		for _, p := range core.Progs {
			require.LessOrEqual(t, p.Filesz, uint64(w.Len()))
			require.LessOrEqual(t, p.Off, uint64(w.Len())-p.Filesz)
		}
		_, err = r.CopyMinidump(context.Background(), io.Discard, nil)
		require.NoError(t, err)
	})
}
