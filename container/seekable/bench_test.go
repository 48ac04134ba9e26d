package seekable

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkWriter compares frame sizes: the ratio is content to compressed.
func BenchmarkWriter(b *testing.B) {
	content := dumpLike(1, 64<<20)
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		for _, frameSize := range []int{64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("workers=%d/frame=%dK", workers, frameSize>>10), func(b *testing.B) {
				b.SetBytes(int64(len(content)))
				var size int64
				for b.Loop() {
					w, err := NewWriter(io.Discard, WriterOptions{FrameSize: frameSize, Workers: workers})
					require.NoError(b, err)
					_, err = w.Write(content)
					require.NoError(b, err)
					require.NoError(b, w.Close())
					size = w.CompressedSize()
				}
				b.ReportMetric(float64(len(content))/float64(size), "ratio")
			})
		}
	}
}

// BenchmarkWriterZeros is what a page of zeros costs.
func BenchmarkWriterZeros(b *testing.B) {
	content := make([]byte, 64<<20)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		w, err := NewWriter(io.Discard, WriterOptions{})
		require.NoError(b, err)
		_, _ = w.Write(content)
		require.NoError(b, w.Close())
		b.ReportMetric(float64(w.CompressedSize())/float64(len(content)/4096), "B/page")
	}
}

// BenchmarkRandomPage reads a page from a frame that is not in the cache.
func BenchmarkRandomPage(b *testing.B) {
	content := dumpLike(1, 64<<20)
	for _, frameSize := range []int{64 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("frame=%dK", frameSize>>10), func(b *testing.B) {
			file := compress(b, content, WriterOptions{FrameSize: frameSize, Workers: 4})
			r := open(b, file, ReaderOptions{CacheSize: 1})
			p := make([]byte, 4096)
			random := rand.New(rand.NewSource(1))
			for b.Loop() {
				if _, err := r.ReadAt(p, random.Int63n(r.Size()/4096)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAgainstStock compresses one file with us and with `zstd -T0 -1`,
// in turns, from a file to a file, and gives the ratio of the times: below 1
// we are faster. The file is SEEKABLE_FILE, or 256 MiB that are made up.
func BenchmarkAgainstStock(b *testing.B) {
	path, err := exec.LookPath("zstd")
	if err != nil {
		b.Skip("no zstd program: ", err)
	}
	dir := b.TempDir()
	in := os.Getenv("SEEKABLE_FILE")
	if in == "" {
		in = filepath.Join(dir, "dump")
		require.NoError(b, os.WriteFile(in, dumpLike(1, 256<<20), 0o600))
	}
	out := filepath.Join(dir, "out")
	var ours, stock time.Duration
	var oursSize, stockSize int64
	b.ResetTimer()
	for b.Loop() {
		start := time.Now()
		require.NoError(b, exec.Command(path, "-q", "-f", "-T0", "-1", in, "-o", out).Run())
		stock += time.Since(start)
		stockSize = fileSize(b, out)
		start = time.Now()
		compressFile(b, in, out)
		ours += time.Since(start)
		oursSize = fileSize(b, out)
	}
	b.SetBytes(fileSize(b, in))
	b.ReportMetric(ours.Seconds()/float64(b.N), "ours-s")
	b.ReportMetric(stock.Seconds()/float64(b.N), "zstd-s")
	b.ReportMetric(ours.Seconds()/stock.Seconds(), "time-ratio")
	b.ReportMetric(float64(oursSize)/float64(stockSize), "size-ratio")
}

func compressFile(b *testing.B, in, out string) {
	b.Helper()
	r, err := os.Open(in)
	require.NoError(b, err)
	defer r.Close()
	f, err := os.Create(out)
	require.NoError(b, err)
	w, err := NewWriter(f, WriterOptions{Workers: runtime.GOMAXPROCS(0)})
	require.NoError(b, err)
	_, err = w.ReadFrom(r)
	require.NoError(b, err)
	require.NoError(b, w.Close())
	require.NoError(b, f.Close())
}

func fileSize(b *testing.B, name string) int64 {
	b.Helper()
	info, err := os.Stat(name)
	require.NoError(b, err)
	return info.Size()
}

// The memory that a serial writer takes is known: a rescue program has little.
func TestSerialMemory(t *testing.T) {
	content := dumpLike(1, 8<<20)
	o := WriterOptions{FrameSize: 64 << 10, LowMemory: true}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w, err := NewWriter(io.Discard, o)
	require.NoError(t, err)
	_, err = io.Copy(struct{ io.Writer }{w}, bytes.NewReader(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("all that was allocated: %d KiB", allocated>>10)
	require.Less(t, allocated, uint64(2<<20))
	runtime.KeepAlive(w)
}
