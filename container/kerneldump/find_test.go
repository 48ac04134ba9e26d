package kerneldump

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// dumped is a disk with a dump of n bytes on it.
func dumped(t *testing.T, size, n int, extent int64) *disk {
	t.Helper()
	d := newDisk(size, 512)
	o := options(d)
	o.Extent = extent
	w, err := NewWriter(o)
	require.NoError(t, err)
	_, err = w.Write(content(n))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return d
}

func TestFindNothing(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 1024, 200_000} {
		_, err := Find(bytes.NewReader(make([]byte, size)), int64(size), FindOptions{})
		require.ErrorIs(t, err, ErrNoDump)
	}
	_, err := Find(bytes.NewReader(nil), 0, FindOptions{SectorSize: 77})
	require.Error(t, err)
}

func TestClear(t *testing.T) {
	d := dumped(t, 200_192, 9000, 9000)
	dump, _ := find(t, d)
	require.NoError(t, Clear(d, dump))
	require.NoError(t, Clear(d, dump), "twice is as good as once")
	dump, got := find(t, d)
	require.Equal(t, KindCleared, dump.Header.Kind)
	require.NoError(t, dump.Problem, "its leading header is still its twin")
	require.Equal(t, content(9000), got)

	// Salvaged, then cleared: it is not found again.
	d = dumped(t, 200_192, 9000, 9000)
	clear(d.b[len(d.b)-512:])
	dump, _ = find(t, d)
	require.ErrorIs(t, dump.Problem, ErrNoTrailingHeader)
	require.NoError(t, Clear(d, dump))
	_, err := Find(d, int64(len(d.b)), FindOptions{})
	require.ErrorIs(t, err, ErrNoDump)
}

func TestHeadersDiffer(t *testing.T) {
	d := dumped(t, 200_192, 9000, 9000)
	dump, _ := find(t, d)
	d.b[dump.Layout.Leading+70] ^= 1
	dump, got := find(t, d)
	require.ErrorIs(t, dump.Problem, ErrHeadersDiffer)
	require.Equal(t, content(9000), got)
}

func TestSalvageChoosesByPlaceAndTime(t *testing.T) {
	d := dumped(t, 300_032, 9000, 50_000)
	whole, _ := find(t, d)
	header := bytes.Clone(d.b[whole.Layout.Leading:][:512])
	clear(d.b[len(d.b)-512:])

	// A copy of the header elsewhere, as dumped memory has it, is none.
	copy(d.b[whole.Layout.Data+20_480:], header)
	dump, got := find(t, d)
	require.Equal(t, whole.Layout, dump.Layout)
	require.Equal(t, content(9000), got[:9000])

	// A later one in its right place wins.
	later := whole.Header
	later.Time, later.Extent, later.Length = 2000, 20_480, 0
	b, err := later.AppendBinary(nil)
	require.NoError(t, err)
	copy(d.b[len(d.b)-512-20_480-512:], b)
	dump, _ = find(t, d)
	require.Equal(t, uint64(2000), dump.Header.Time)
	require.Equal(t, int64(20_480), dump.Size(), "a length not known is the extent")

	_, err = Find(d, int64(len(d.b)), FindOptions{NoSalvage: true})
	require.ErrorIs(t, err, ErrNoDump)

	// Bounded: beyond the limit only a hint finds it.
	d = dumped(t, 300_032, 9000, 50_000)
	clear(d.b[len(d.b)-512:])
	_, err = Find(d, int64(len(d.b)), FindOptions{ScanLimit: 1024})
	require.ErrorIs(t, err, ErrNoDump)
	_, err = Find(d, int64(len(d.b)), FindOptions{ScanLimit: 1024, LeadingAt: []int64{whole.Layout.Leading}})
	require.NoError(t, err)
	_, err = Find(d, int64(len(d.b)), FindOptions{ScanLimit: -1})
	require.NoError(t, err)
}

func TestLiveDump(t *testing.T) {
	want := content(9000)
	h := Header{Architecture: "amd64", BlockSize: 4096, Length: 9000, Extent: 12288}
	image := append(bytes.Clone(want), make([]byte, 12288-9000)...)
	image, err := h.AppendBinary(image)
	require.NoError(t, err)
	dump, err := Find(bytes.NewReader(image), int64(len(image)), FindOptions{})
	require.NoError(t, err)
	require.True(t, dump.Live)
	got, err := io.ReadAll(dump.Data(bytes.NewReader(image)))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestTextDump(t *testing.T) {
	const blocks, size = 7, 100 * 512
	image := make([]byte, size)
	want := content(blocks * 512)
	for i := range blocks { // block i lies i+1 blocks before the trailing header
		copy(image[size-512-(i+1)*512:], want[i*512:(i+1)*512])
	}
	h := Header{Kind: KindText, Architecture: "amd64", BlockSize: 512, Length: blocks * 512}
	b, err := h.AppendBinary(nil)
	require.NoError(t, err)
	copy(image[size-512:], b)
	copy(image[size-512-blocks*512-512:], b)
	r := bytes.NewReader(image)
	dump, err := Find(r, size, FindOptions{})
	require.NoError(t, err)
	require.NoError(t, dump.Problem)
	require.Equal(t, KindText, dump.Header.Kind)
	got, err := io.ReadAll(dump.Data(r))
	require.NoError(t, err)
	require.Equal(t, want, got)
	part := make([]byte, 700)
	_, err = dump.Data(r).ReadAt(part, 333)
	require.NoError(t, err)
	require.Equal(t, want[333:1033], part)
}

func TestHostileBounds(t *testing.T) {
	for _, change := range []func(h *Header){
		func(h *Header) { h.Extent = 1 << 63 },
		func(h *Header) { h.Extent = 1<<64 - 1 },
		func(h *Header) { h.Length = h.Extent + 1 },
		func(h *Header) { h.KeySize = 1<<32 - 1 },
		func(h *Header) { h.KeySize = 513 },
	} {
		d := dumped(t, 200_192, 9000, 9000)
		dump, _ := find(t, d)
		h := dump.Header
		change(&h)
		b, err := h.AppendBinary(nil)
		require.NoError(t, err)
		copy(d.b[dump.Layout.Trailing:], b)
		clear(d.b[dump.Layout.Leading:][:512])
		_, err = Find(d, int64(len(d.b)), FindOptions{})
		require.ErrorIs(t, err, ErrNoDump)
		require.ErrorIs(t, err, ErrHeaderBounds)
	}
}

func FuzzFind(f *testing.F) {
	h := goldenHeader
	h.Extent, h.Length, h.KeySize = 2048, 1000, 0
	b, _ := h.AppendBinary(nil)
	image := append(append(append(make([]byte, 1024), b...), make([]byte, 2048)...), b...)
	f.Add(image)
	f.Add(image[:len(image)-512])
	f.Fuzz(func(t *testing.T, image []byte) {
		r := bytes.NewReader(image)
		d, err := Find(r, int64(len(image)), FindOptions{})
		if err != nil {
			return
		}
		require.LessOrEqual(t, d.Size(), int64(len(image)))
		require.LessOrEqual(t, d.Layout.Data+d.Layout.Extent, int64(len(image)))
		_, _ = io.Copy(io.Discard, d.Data(r))
		_, _ = d.KeyBlock(r)
	})
}
