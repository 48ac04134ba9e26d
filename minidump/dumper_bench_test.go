package minidump

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// The benchmarks read a host of 256 MiB, far beyond the caches, into a buffer
// of 1 MiB, with CRC-32C over it, and say which part of memmove's speed that
// is: as many bytes of such memory copied into the same buffer, in turn with
// the reads. Bitmaps: all pages; runs of 1 to 64 pages; every other page, which
// is the worst there can be.
const (
	benchmarkMemory = 256 << 20
	benchmarkBlock  = 1 << 20
)

func benchmarkSource(b *testing.B, memory physmem.Reader, bitmap func(page int) bool) *Dumper {
	b.Helper()
	bits := make([]byte, benchmarkMemory/4096/8)
	for page := range benchmarkMemory / 4096 {
		if bitmap(page) {
			bits[page/8] |= 1 << (page % 8)
		}
	}
	return requireDumper(b, Source{
		Architecture: AMD64, Memory: memory, Bitmap: bytes.NewReader(bits),
		Readable: physmem.Ranges{{Start: 0, End: benchmarkMemory}},
	})
}

func allPages(int) bool { return true }

func runsOfPages() func(int) bool {
	random := rand.New(rand.NewPCG(1, 1))
	left, on := 0, false
	return func(int) bool {
		if left == 0 {
			left, on = 1+random.IntN(64), !on
		}
		left--
		return on
	}
}

func everyOther(page int) bool { return page%2 == 0 }

func BenchmarkDumper(b *testing.B) {
	data := make([]byte, benchmarkMemory)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	path := filepath.Join(b.TempDir(), "memory")
	require.NoError(b, os.WriteFile(path, data, 0o600))
	f, err := os.Open(path)
	require.NoError(b, err)
	b.Cleanup(func() { _ = f.Close() })
	all := physmem.Range{Start: 0, End: benchmarkMemory}
	file, err := physmem.NewFile(f, physmem.FileExtent{Range: all})
	require.NoError(b, err)
	sparse := physmem.NewSparse(physmem.Ranges{all})
	for at := 0; at < len(data); at += 8192 { // half of it was ever written
		_, err := sparse.WritePhysical(data[at:at+4096], physmem.Address(at))
		require.NoError(b, err)
	}
	for _, memory := range []struct {
		name   string
		memory physmem.Reader
	}{{"file", file}, {"sparse", sparse}, {"bytes", physmem.NewBytes(0, data)}} {
		for _, pages := range []struct {
			name   string
			bitmap func(int) bool
		}{{"all", allPages}, {"runs", runsOfPages()}, {"other", everyOther}} {
			b.Run(memory.name+"/"+pages.name, func(b *testing.B) {
				benchmarkRead(b, benchmarkSource(b, memory.memory, pages.bitmap), data)
			})
		}
	}
}

// benchmarkRead reads a dump by blocks, with CRC-32C as a target makes it.
func benchmarkRead(b *testing.B, d *Dumper, data []byte) {
	b.Helper()
	buffer := make([]byte, benchmarkBlock)
	b.SetBytes(d.Size())
	b.ReportAllocs()
	var sum uint32
	var reading, moving time.Duration
	for b.Loop() {
		start := time.Now()
		for at := int64(0); at < d.Size(); {
			n, _ := d.ReadAt(buffer, at)
			sum = crc32.Update(sum, castagnoli, buffer[:n])
			at += int64(n)
		}
		reading += time.Since(start)
		b.StopTimer()
		start = time.Now()
		for at := 0; at < len(data); at += len(buffer) {
			copy(buffer, data[at:])
		}
		moving += time.Since(start)
		b.StartTimer()
	}
	n := float64(b.N)
	read, move := float64(d.Size())*n/reading.Seconds(), float64(len(data))*n/moving.Seconds()
	b.ReportMetric(move/1e6, "memmove-MB/s")
	b.ReportMetric(read/move, "of-memmove")
}

// discard is io.Discard with a checksum.
type discard struct{ sum uint32 }

func (w *discard) Write(p []byte) (int, error) {
	w.sum = crc32.Update(w.sum, castagnoli, p)
	return len(p), nil
}

// BenchmarkDumperWriteTo writes lent memory, which is not copied.
func BenchmarkDumperWriteTo(b *testing.B) {
	d := benchmarkSource(b, physmem.NewBytes(0, bytes.Repeat([]byte{1, 2, 3, 4}, benchmarkMemory/4)), allPages)
	b.SetBytes(d.Size())
	b.ReportAllocs()
	var w discard
	for b.Loop() {
		_, err := d.Seek(0, 0)
		require.NoError(b, err)
		_, err = d.WriteTo(&w)
		require.NoError(b, err)
	}
}

// BenchmarkNewDumper opens a host of 8 TiB (a bitmap of 256 MiB, of which one
// page in 4096 bits is set).
func BenchmarkNewDumper(b *testing.B) {
	const pages = 8 << 40 / 4096
	bitmap := make([]byte, pages/8)
	for i := 0; i < len(bitmap); i += 512 {
		bitmap[i] = 0x80
	}
	storage := make([]uint64, pages/64)
	all := physmem.Ranges{{Start: 0, End: pages * 4096}}
	b.ReportAllocs()
	for b.Loop() {
		_, err := NewDumper(Source{
			Architecture: AMD64, Memory: physmem.NewSparse(all), Readable: all,
			Bitmap: bytes.NewReader(bitmap), Storage: storage,
		})
		require.NoError(b, err)
	}
}
