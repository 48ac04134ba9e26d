package container

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math"
	mathrand "math/rand"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/ekcd"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
)

// fakeDump is n bytes that begin like a minidump.
func fakeDump(n int) []byte {
	b := make([]byte, n)
	r := mathrand.New(mathrand.NewSource(int64(n)))
	for at := 4096; at+4096 <= n; at += 4096 {
		if kind := r.Intn(3); kind == 1 {
			r.Read(b[at : at+4096])
		} else if kind == 2 {
			for i := range 4096 {
				b[at+i] = "panic: page fault\n"[i%18]
			}
		}
	}
	copy(b, "minidump FreeBSD/amd64\x00\x00\x03")
	return b
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, 1)
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// oneFrame is what the kernel and savecore make: one frame that does not tell
// its content size.
func oneFrame(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	require.NoError(t, err)
	_, err = w.Write(b[:len(b)/2])
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	_, err = w.Write(b[len(b)/2:])
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func inFrames(t testing.TB, b []byte, stream uint32) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := seekable.NewWriter(&out, seekable.WriterOptions{FrameSize: 16 << 10, Stream: stream})
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// disk is a device in memory.
type disk []byte

func (d disk) ReadAt(p []byte, off int64) (int, error)  { return bytes.NewReader(d).ReadAt(p, off) }
func (d disk) WriteAt(p []byte, off int64) (int, error) { return copy(d[off:], p), nil }

func onDevice(t testing.TB, dump []byte, o kerneldump.WriterOptions) disk {
	t.Helper()
	d := make(disk, 2<<20)
	o.Device, o.Size = d, int64(len(d))
	o.Header.HostName = "crash"
	w, err := kerneldump.NewWriter(o)
	require.NoError(t, err)
	_, err = w.Write(dump)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return d
}

func open(t testing.TB, file []byte, o ...Option) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(file), int64(len(file)), o...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func formats(f *File) (s []string) {
	for _, l := range f.Layers() {
		s = append(s, l.Format.String())
	}
	return s
}

func checkContent(t testing.TB, want []byte, f *File) {
	t.Helper()
	require.Equal(t, int64(len(want)), f.Size())
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	p := make([]byte, 100)
	_, err = f.ReadAt(p, int64(len(want)/2))
	require.NoError(t, err)
	require.Equal(t, want[len(want)/2:][:100], p)
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// encrypted gives the dump encrypted, and its key block.
func encrypted(t testing.TB, dump []byte, cipher ekcd.Cipher) (file, keyBlock []byte) {
	t.Helper()
	key, block, err := ekcd.NewKey(&testKey().PublicKey, cipher, ekcd.OAEP, nil)
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := ekcd.NewWriter(&out, block, key)
	require.NoError(t, err)
	_, err = w.Write(dump)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	keyBlock, err = block.AppendBinary(nil)
	require.NoError(t, err)
	return out.Bytes(), keyBlock
}

func TestOpenThroughLayers(t *testing.T) {
	dump := fakeDump(300 << 10)
	chacha, chachaKey := encrypted(t, dump, ekcd.ChaCha20)
	aes, aesKey := encrypted(t, dump, ekcd.AES256CBC)
	chachaZstd, chachaZstdKey := encrypted(t, oneFrame(t, dump), ekcd.ChaCha20)
	extent := int64(len(dump))
	zstdHeader := kerneldump.Header{Compression: kerneldump.CompressionZstd}
	private := WithPrivateKey(testKey())

	for name, c := range map[string]struct {
		file    []byte
		options []Option
		layers  string
	}{
		"plain":             {dump, nil, ""},
		"gzip":              {gzipped(t, dump), nil, "gzip"},
		"gzip twice":        {gzipped(t, gzipped(t, dump)), nil, "gzip,gzip"},
		"zstd, one frame":   {oneFrame(t, dump), nil, "zstd"},
		"zstd, seekable":    {inFrames(t, dump, 0), nil, "zstd"},
		"device":            {onDevice(t, dump, kerneldump.WriterOptions{Extent: extent}), nil, "kernel dump device"},
		"device, 4K":        {onDevice(t, dump, kerneldump.WriterOptions{Extent: extent, SectorSize: 4096}), nil, "kernel dump device"},
		"device, zstd":      {onDevice(t, oneFrame(t, dump), kerneldump.WriterOptions{Header: zstdHeader}), nil, "kernel dump device,zstd"},
		"device, seekable":  {onDevice(t, inFrames(t, dump, 9), kerneldump.WriterOptions{Header: zstdHeader}), nil, "kernel dump device,zstd"},
		"device, gzip":      {onDevice(t, gzipped(t, dump), kerneldump.WriterOptions{Header: kerneldump.Header{Compression: kerneldump.CompressionGzip}}), nil, "kernel dump device,gzip"},
		"image, gzipped":    {gzipped(t, onDevice(t, dump, kerneldump.WriterOptions{Extent: extent})), nil, "gzip,kernel dump device"},
		"device, chacha20":  {onDevice(t, chacha, kerneldump.WriterOptions{Extent: extent, KeyBlock: chachaKey}), []Option{private}, "kernel dump device,encrypted kernel dump"},
		"device, aes":       {onDevice(t, aes, kerneldump.WriterOptions{Extent: extent, KeyBlock: aesKey}), []Option{private}, "kernel dump device,encrypted kernel dump"},
		"device, both":      {onDevice(t, chachaZstd, kerneldump.WriterOptions{KeyBlock: chachaZstdKey, Header: zstdHeader}), []Option{private}, "kernel dump device,encrypted kernel dump,zstd"},
		"vmcore_encrypted":  {chacha, []Option{private, WithKeyBlock(chachaKey)}, "encrypted kernel dump"},
		"same, with zstd":   {chachaZstd, []Option{private, WithKeyBlock(append(chachaZstdKey, make([]byte, 200)...))}, "encrypted kernel dump,zstd"},
		"spooled to a file": {gzipped(t, dump), []Option{WithSpool(SpoolOptions{Memory: 5000, Directory: t.TempDir()})}, "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, c.file, c.options...)
			want := append(strings.FieldsFunc(c.layers, func(r rune) bool { return r == ',' }), "FreeBSD minidump")
			require.Equal(t, want, formats(f))
			require.Equal(t, FormatMinidump, f.Format())
			require.True(t, f.Complete(), f.Problems())
			require.Equal(t, strings.Contains(c.layers, "device"), f.KernelDump() != nil)
			require.Equal(t, int64(len(c.file)), f.Layers()[0].Size)
			checkContent(t, dump, f)
			if strings.Contains(name, "seekable") {
				require.NotNil(t, f.Frames())
			}
		})
	}
}

func TestRefused(t *testing.T) {
	chacha, chachaKey := encrypted(t, fakeDump(20_000), ekcd.ChaCha20)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	private := WithPrivateKey(testKey())
	_, wrongBlock := encrypted(t, fakeDump(20_000), ekcd.ChaCha20)
	for name, c := range map[string]struct {
		file    []byte
		options []Option
		want    error
	}{
		"no private key":    {chacha, []Option{WithKeyBlock(chachaKey)}, ErrKeyNeeded},
		"wrong private key": {chacha, []Option{WithKeyBlock(chachaKey), WithPrivateKey(other)}, ekcd.ErrWrongKey},
		"bad key block":     {chacha, []Option{WithKeyBlock(chachaKey[:20]), private}, ekcd.ErrKeyBlock},
		"other key block":   {chacha, []Option{WithKeyBlock(wrongBlock), private}, ErrNotDump},
		"device, no key":    {onDevice(t, chacha, kerneldump.WriterOptions{KeyBlock: chachaKey}), nil, ErrKeyNeeded},
		"spool limit":       {gzipped(t, fakeDump(100_000)), []Option{WithSpool(SpoolOptions{Limit: 50_000})}, ErrSpoolLimit},
		"gzip header only":  {gzipped(t, fakeDump(100_000))[:10], nil, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(bytes.NewReader(c.file), int64(len(c.file)), c.options...)
			require.ErrorIs(t, err, c.want)
		})
	}
	deep := fakeDump(5000)
	for range 10 {
		deep = gzipped(t, deep)
	}
	_, err = Open(bytes.NewReader(deep), int64(len(deep)))
	require.ErrorIs(t, err, ErrTooDeep)
}

// Compressed dumps that were cut open with what is before the cut.
func TestCutCompressed(t *testing.T) {
	dump := fakeDump(400 << 10)
	for name, file := range map[string][]byte{"gzip": gzipped(t, dump), "one frame": oneFrame(t, dump), "seekable": inFrames(t, dump, 0)} {
		f := open(t, file[:len(file)*3/4])
		require.False(t, f.Complete(), name)
		require.Greater(t, f.Size(), int64(100<<10), name)
		require.Less(t, f.Size(), int64(len(dump)), name)
		checkContent(t, dump[:f.Size()], f)
	}
}

// A dump whose writer died is found by its leading header, at every length.
func TestSalvage(t *testing.T) {
	dump := fakeDump(200 << 10)
	for _, compression := range []kerneldump.Compression{kerneldump.CompressionNone, kerneldump.CompressionZstd} {
		for written := 0; written < 150_000; written += 37_000 {
			// An older dump fills the disk; the new one is cut.
			older := fakeDump(1 << 20)
			copy(older[100:], "older")
			header := kerneldump.Header{HostName: "older", Time: 5, Compression: compression}
			if compression == kerneldump.CompressionZstd {
				older = inFrames(t, older, header.Identity()+1)
			}
			d := onDevice(t, older, kerneldump.WriterOptions{Header: header})
			w, err := kerneldump.NewWriter(kerneldump.WriterOptions{
				Device: d, Size: int64(len(d)), Header: kerneldump.Header{HostName: "newer", Time: 6, Compression: compression}})
			require.NoError(t, err)
			stream := dump
			if compression == kerneldump.CompressionZstd {
				stream = inFrames(t, dump, w.Identity())
			}
			written := min(written, len(stream)-1000)
			require.NoError(t, w.Begin())
			_, err = w.Write(stream[:written])
			require.NoError(t, err)
			require.NoError(t, w.Flush())

			f, err := Open(d, int64(len(d)))
			if written == 0 {
				require.ErrorIs(t, err, ErrNoData)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, "newer", f.KernelDump().Header.HostName)
			require.False(t, f.Complete())
			require.ErrorIs(t, f.Problems()[0], kerneldump.ErrNoTrailingHeader)
			n := int64(written)
			if compression == kerneldump.CompressionZstd {
				n = f.Size()
				require.Greater(t, n, int64(written)/2)
			} else {
				require.ErrorIs(t, f.Problems()[1], ErrUnknownEnd)
			}
			got := make([]byte, n)
			_, err = f.ReadAt(got, 0)
			require.NoError(t, err)
			require.True(t, bytes.Equal(dump[:n], got))
			require.NoError(t, f.Close())
		}
	}
}

// The new dump's header is there and all of its data is an older dump's: it is
// not taken for the new one's.
func TestOlderDataUnderNewHeader(t *testing.T) {
	dump := fakeDump(200 << 10)
	d := onDevice(t, inFrames(t, dump, 1), kerneldump.WriterOptions{Header: kerneldump.Header{Compression: kerneldump.CompressionZstd}})
	found, err := kerneldump.Find(d, int64(len(d)), kerneldump.FindOptions{})
	require.NoError(t, err)
	h := found.Header
	h.Length, h.Incomplete, h.Time = 0, true, 77
	b, err := h.AppendBinary(nil)
	require.NoError(t, err)
	copy(d[found.Layout.Leading:], b)
	clear(d[found.Layout.Trailing:])
	_, err = Open(d, int64(len(d)))
	require.ErrorIs(t, err, ErrNoData)
}

func TestLazySpool(t *testing.T) {
	dump := fakeDump(3 << 20)
	for _, file := range [][]byte{gzipped(t, dump), oneFrame(t, dump)} {
		source := &counting{r: bytes.NewReader(file)}
		f, err := Open(source, int64(len(file)), WithLazySpool())
		require.NoError(t, err)
		require.Equal(t, int64(math.MaxInt64), f.Size())
		p := make([]byte, 4096)
		_, err = f.ReadAt(p, 8192)
		require.NoError(t, err)
		require.Equal(t, dump[8192:12288], p)
		n, err := f.ReadAt(p, int64(len(dump)-100))
		require.Equal(t, 100, n)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, dump[len(dump)-100:], p[:100])
		require.NoError(t, f.Close())
		_, err = f.ReadAt(p, 0)
		require.ErrorIs(t, err, os.ErrClosed)
	}
}

type counting struct {
	r io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += n
	return n, err
}

// broken fails behind an offset, as a disk with a bad sector.
type broken struct {
	r  io.ReaderAt
	at int64
}

var errBroken = errors.New("bad sector")

func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.at {
		return 0, errBroken
	}
	return b.r.ReadAt(p, off)
}

// What cannot be read is an error of the file, not a dump that was cut.
func TestUnreadable(t *testing.T) {
	dump := fakeDump(600 << 10)
	for _, file := range [][]byte{gzipped(t, dump), oneFrame(t, dump), dump} {
		_, err := Open(&broken{bytes.NewReader(file), 100}, int64(len(file)))
		require.ErrorIs(t, err, errBroken)
	}
	file := gzipped(t, dump)
	_, err := Open(&broken{bytes.NewReader(file), 100_000}, int64(len(file)))
	require.ErrorIs(t, err, errBroken)
}

func TestHostileKernelDumpLeadsNowhere(t *testing.T) {
	// A device whose dump is again a device, and so on, ends.
	image := make([]byte, 512)
	h := kerneldump.Header{BlockSize: 512, Extent: 0, Length: 0}
	b, err := h.AppendBinary(nil)
	require.NoError(t, err)
	image = append(append(image, b...), b...)
	_, err = Open(bytes.NewReader(image), int64(len(image)))
	require.ErrorIs(t, err, ErrNotDump)
	var format *FormatError
	require.ErrorAs(t, err, &format)
	require.Equal(t, FormatEmpty, format.Format)
}
