package minidump

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// hugeDump is the dump of a machine with memory bytes of RAM, as a file that
// is made up while it is read: half of the bits are set.
type hugeDump struct {
	start  []byte // header and dump_avail
	bitmap [2]int64
	size   int64
}

func newHugeDump(memory uint64) *hugeDump {
	m := &image{architecture: AMD64, version: 3, pageSize: PageSize4K}
	pages := memory / PageSize4K
	bitmapSize := pages / 8
	d := &hugeDump{start: make([]byte, 2*4096)}
	copy(d.start, m.header(0, uint32(bitmapSize), 0, 4096))
	binary.LittleEndian.PutUint64(d.start[4096+8:], memory)
	d.bitmap = [2]int64{8192, 8192 + int64(bitmapSize)}
	d.size = d.bitmap[1] + int64(pages/2)*PageSize4K
	return d
}

func (d *hugeDump) ReadAt(p []byte, offset int64) (int, error) {
	for i := range p {
		p[i] = 0x5a
	}
	if offset < int64(len(d.start)) {
		copy(p, d.start[offset:])
	}
	return len(p), nil
}

// TestOpenHuge opens the dump of an 8 TiB machine, whose bitmap has 256 MiB,
// with less than 64 MiB beside it.
func TestOpenHuge(t *testing.T) {
	d := newHugeDump(8 << 40)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := Open(d, d.size)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.True(t, r.Complete())
	require.EqualValues(t, 1<<30, r.NumPages())
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256+64)<<20)
	offset, err := r.Locate(8<<40 - 2*4096) // 0x5a is 01011010: bit 6 of the last byte
	require.NoError(t, err)
	require.Equal(t, d.size-4096, offset)
	_, err = r.Locate(8<<40 - 1)
	require.ErrorIs(t, err, ErrNotInBitmap)
}

// BenchmarkOpen8TiB bounds opening at 0.5 s.
func BenchmarkOpen8TiB(b *testing.B) {
	d := newHugeDump(8 << 40)
	fast := &patternReaderAt{hugeDump: d, block: make([]byte, bitmapBlock)}
	for i := range fast.block {
		fast.block[i] = 0x5a
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(fast, d.size); err != nil {
			b.Fatal(err)
		}
	}
}

// patternReaderAt is a hugeDump that reads at the speed of memory.
type patternReaderAt struct {
	*hugeDump
	block []byte
}

func (d *patternReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], d.block)
	}
	if offset < int64(len(d.start)) {
		copy(p, d.start[offset:])
	}
	return len(p), nil
}

// benchmarkDump is a 256 MiB machine's dump in a file, its pages' addresses in
// random order.
func benchmarkDump(b *testing.B) (*os.File, *Reader, []physmem.Address) {
	b.Helper()
	m := &image{architecture: AMD64, version: 3, pageSize: PageSize4K, ranges: [][2]uint64{{0, 0x9f000}, {0x104000, 64 << 20}},
		dumped: func(bit uint64) bool { return bit*0x9e3779b97f4a7c15>>62 != 0 }, directMap: [2]uint64{0xfffff80000000000, 0xfffffc0000000000},
		kernelBase: 0xfffffe0000000000}
	data, pages := m.write()
	path := filepath.Join(b.TempDir(), "vmcore")
	require.NoError(b, os.WriteFile(path, data, 0o600))
	file, err := os.Open(path)
	require.NoError(b, err)
	b.Cleanup(func() { file.Close() })
	r, err := Open(file, int64(len(data)))
	require.NoError(b, err)
	addresses := make([]physmem.Address, len(pages))
	for i, at := range rand.New(rand.NewPCG(1, 2)).Perm(len(pages)) {
		addresses[i] = physmem.Address(pages[at])
	}
	return file, r, addresses
}

// BenchmarkRandomPage compares a random page with a bare ReadAt of 4096 bytes:
// the bound is twice.
func BenchmarkRandomPage(b *testing.B) {
	file, r, addresses := benchmarkDump(b)
	buffer := make([]byte, PageSize4K)
	data := make([]byte, r.Size())
	_, err := file.ReadAt(data, 0)
	require.NoError(b, err)
	inMemory, err := Open(bytes.NewReader(data), r.Size())
	require.NoError(b, err)
	offsets := make([]int64, len(addresses))
	for i, address := range addresses {
		offsets[i], err = r.Locate(address)
		require.NoError(b, err)
	}
	b.Run("bare ReadAt", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _ = file.ReadAt(buffer, offsets[i%len(offsets)])
		}
	})
	b.Run("ReadPhysical", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _ = r.ReadPhysical(buffer, addresses[i%len(addresses)])
		}
	})
	b.Run("ReadVirtual", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _ = r.ReadVirtual(buffer, 0xfffff80000000000+uint64(addresses[i%len(addresses)]))
		}
	})
	b.Run("memory: bare ReadAt", func(b *testing.B) {
		source := bytes.NewReader(data)
		for i := 0; b.Loop(); i++ {
			_, _ = source.ReadAt(buffer, offsets[i%len(offsets)])
		}
	})
	b.Run("memory: ReadPhysical", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _ = inMemory.ReadPhysical(buffer, addresses[i%len(addresses)])
		}
	})
	b.Run("Locate", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			_, _ = r.Locate(addresses[i%len(addresses)])
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	_, r, _ := benchmarkDump(b)
	b.SetBytes(r.Size())
	for b.Loop() {
		if _, err := r.Verify(context.Background(), VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
