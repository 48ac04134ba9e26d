package kerneldump

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// disk is a device in memory that takes whole sectors only and can fail after
// a number of writes.
type disk struct {
	b      []byte
	sector int
	left   int // writes until it fails, negative is never
	writes []int64
}

var errDisk = errors.New("disk failed")

func newDisk(size, sector int) *disk {
	d := &disk{b: make([]byte, size), sector: sector, left: -1}
	rand.New(rand.NewSource(3)).Read(d.b) // whatever was there before
	return d
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.b).ReadAt(p, off)
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 || len(p)%d.sector != 0 || off%int64(d.sector) != 0 || off < 0 || off+int64(len(p)) > int64(len(d.b)) {
		return 0, errors.New("EINVAL")
	}
	if d.left == 0 {
		return 0, errDisk
	}
	d.left--
	d.writes = append(d.writes, off)
	return copy(d.b[off:], p), nil
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

func options(d *disk) WriterOptions {
	return WriterOptions{Device: d, Size: int64(len(d.b)), SectorSize: d.sector, Buffer: make([]byte, 2*d.sector),
		Header: Header{Architecture: "amd64", ArchitectureVersion: 2, Time: 1000, HostName: "h", PanicString: "p"}}
}

// find finds the dump on d and gives its bytes.
func find(t *testing.T, d *disk) (*Dump, []byte) {
	t.Helper()
	dump, err := Find(d, int64(len(d.b)), FindOptions{})
	require.NoError(t, err)
	b, err := io.ReadAll(dump.Data(d))
	require.NoError(t, err)
	return dump, b
}

func TestRoundTrip(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		for _, n := range []int{0, 1, 511, 512, 513, 5000, 8192, 100_001} {
			for _, compressed := range []bool{false, true} {
				d := newDisk(512<<10, sector)
				before := bytes.Clone(d.b)
				o := options(d)
				o.KeyBlock = content(293)
				o.Extent = int64(n)
				if compressed || n == 0 {
					o.Extent, o.Header.Compression = 0, CompressionZstd
				}
				w, err := NewWriter(o)
				require.NoError(t, err)
				want := content(n)
				for rest := want; len(rest) > 0; {
					m := min(len(rest), 1+len(rest)/3)
					_, err := w.Write(rest[:m])
					require.NoError(t, err)
					rest = rest[m:]
				}
				require.NoError(t, w.Close())
				_, err = w.Write([]byte{1})
				require.ErrorIs(t, err, ErrClosed)

				dump, got := find(t, d)
				require.NoError(t, dump.Problem)
				require.Equal(t, want, append([]byte{}, got...))
				require.Equal(t, uint64(n), dump.Header.Length)
				require.Equal(t, uint32(sector), dump.Header.BlockSize)
				require.Equal(t, w.Layout(), dump.Layout)
				key, err := dump.KeyBlock(d)
				require.NoError(t, err)
				require.Equal(t, o.KeyBlock, key[:293])
				require.Equal(t, 0, len(key)%sector)
				require.Equal(t, before[:dump.Layout.Leading], d.b[:dump.Layout.Leading], "bytes before the dump changed")
				if o.Extent == 0 {
					require.Equal(t, int64(ReservedSize), dump.Layout.Leading)
				}
				require.Equal(t, bytes.TrimRight(d.b[dump.Layout.Leading:dump.Layout.Key], "\x00"), bytes.TrimRight(d.b[dump.Layout.Trailing:], "\x00"))
			}
		}
	}
}

// The device stops at every write in turn: the new dump is never taken for
// whole, the older one never for the new one, and what was written is there.
func TestStopAtEveryWrite(t *testing.T) {
	for _, oldExtent := range []int64{0, 3000} { // the older dump's leading header is at 64 KiB, or near the end
		base := newDisk(256<<10, 512)
		o := options(base)
		o.Extent = oldExtent
		o.Header.HostName = "older"
		w, err := NewWriter(o)
		require.NoError(t, err)
		_, err = w.Write(content(3000))
		require.NoError(t, err)
		require.NoError(t, w.Close())

		want := content(10_000)
		for stop := 0; ; stop++ {
			d := &disk{b: bytes.Clone(base.b), sector: 512, left: stop}
			o := options(d)
			o.Header.HostName = "newer"
			o.Header.Time = 500 // a clock that went back must not bring the older dump up
			w, err := NewWriter(o)
			require.NoError(t, err)
			_, err = w.Write(want)
			if err == nil {
				err = w.Close()
			}
			dump, findErr := Find(d, int64(len(d.b)), FindOptions{})
			if err == nil {
				require.NoError(t, findErr)
				require.NoError(t, dump.Problem)
				require.Equal(t, "newer", dump.Header.HostName)
				break
			}
			require.ErrorIs(t, err, errDisk)
			var device *DeviceError
			require.ErrorAs(t, err, &device)
			require.NoError(t, findErr, "stop after %d writes", stop)
			switch {
			case stop == 0:
				require.NoError(t, dump.Problem)
				require.Equal(t, "older", dump.Header.HostName)
			case stop <= 2: // between the old trailing header and the new leading one
				require.ErrorIs(t, dump.Problem, ErrNoTrailingHeader)
				require.Equal(t, "older", dump.Header.HostName)
			case stop > 3+min(1, int(oldExtent)):
				require.ErrorIs(t, dump.Problem, ErrNoTrailingHeader)
				require.Equal(t, "newer", dump.Header.HostName)
				got, err := io.ReadAll(dump.Data(d))
				require.NoError(t, err)
				n := int(w.flushed)
				require.Equal(t, want[:n], got[:n])
			}
		}
	}
}

func TestDoesNotFit(t *testing.T) {
	d := newDisk(128<<10, 512)
	o := options(d)
	o.Extent = 64<<10 - 1024 + 1
	_, err := NewWriter(o)
	require.ErrorIs(t, err, ErrTooBig)
	var space *SpaceError
	require.ErrorAs(t, err, &space)
	require.Equal(t, uint64(128<<10), space.Have)

	o.Extent = 64<<10 - 1024
	w, err := NewWriter(o)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, o.Extent-10))
	require.NoError(t, err)
	n, err := w.Write(make([]byte, 11))
	require.ErrorIs(t, err, ErrNoSpace)
	require.Zero(t, n)
	require.Equal(t, int64(10), w.Remaining())
	_, err = w.Write(make([]byte, 10)) // a refusal does not end the dump
	require.NoError(t, err)
	require.NoError(t, w.Close())

	o.Extent = 0
	w, err = NewWriter(o)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 64<<10))
	require.ErrorIs(t, err, ErrTooBig)
	require.NoError(t, w.CloseIncomplete())
	dump, _ := find(t, d)
	require.ErrorIs(t, dump.Problem, ErrNoTrailingHeader)
	require.True(t, dump.Header.Incomplete)

	for _, bad := range []WriterOptions{
		{Device: d, Size: 100}, {Device: d, Size: 1 << 20, SectorSize: 500}, {Device: d, Size: 1 << 20, Buffer: make([]byte, 700)},
		{Device: d, Size: 1 << 20, Extent: -1}, {Device: d, Size: 1 << 20, KeyBlock: make([]byte, 1<<20)},
		{Device: d, Size: 1 << 20, Extent: 1<<63 - 1},
	} {
		_, err := NewWriter(bad)
		require.Error(t, err)
	}
}

func TestFlushAndCheckpoint(t *testing.T) {
	d := newDisk(256<<10, 512)
	o := options(d)
	o.Checkpoint = 2048
	w, err := NewWriter(o)
	require.NoError(t, err)
	want := content(5000)
	_, err = w.Write(want[:700])
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.Equal(t, want[:700], d.b[w.layout.Data:][:700], "a flush puts the partial sector on the device")
	_, err = w.Write(want[700:])
	require.NoError(t, err)
	dump, got := find(t, d)
	require.ErrorIs(t, dump.Problem, ErrNoTrailingHeader)
	require.GreaterOrEqual(t, len(got), 4096)
	require.Equal(t, want[:len(got)], got)
	require.Equal(t, int64(5000), w.Written())
	require.NoError(t, w.Close())
	_, got = find(t, d)
	require.Equal(t, want, got)
}
