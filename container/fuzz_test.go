package container

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// FuzzOpen opens anything: it ends soon, in little memory, with a dump or an
// error.
func FuzzOpen(f *testing.F) {
	dump := fakeDump(20_000)
	for _, file := range [][]byte{
		nil, dump, gzipped(f, dump), oneFrame(f, dump), inFrames(f, dump, 3), elfCore(4, 0, binary.LittleEndian, "LINUX"),
		elfCore(4, 255, binary.BigEndian, "x"), smallDevice(f, dump), smallDevice(f, gzipped(f, dump)),
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		d, err := Open(bytes.NewReader(file), int64(len(file)), WithSpool(SpoolOptions{Limit: 8 << 20, Memory: 8 << 20}), WithKeyBlock(nil))
		if err != nil {
			return
		}
		require.NotEmpty(t, d.Layers())
		_, _ = io.CopyN(io.Discard, io.NewSectionReader(d, 0, d.Size()), 8<<20)
		require.NoError(t, d.Close())
	})
}

// smallDevice is onDevice without the 64 KiB of nothing at the start.
func smallDevice(t testing.TB, dump []byte) []byte {
	d := make(disk, len(dump)+4096&^511)
	w, err := kerneldump.NewWriter(kerneldump.WriterOptions{Device: d, Size: int64(len(d)), Reserved: -1, Buffer: make([]byte, 512)})
	require.NoError(t, err)
	_, err = w.Write(dump)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return d
}
