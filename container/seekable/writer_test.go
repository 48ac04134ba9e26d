package seekable

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// goldenZeros is the file of 12 KiB of zeros in chunks of 4 KiB, put together
// by a Python script with its own CRC-32C and the checksum of zstd --check.
// No encoder has a part in it, so it never changes.
const goldenZeros = "" +
	"5c2a4d1820000000534b46310403020100000000000000000030000012000000cdc885c0fcc46f4f" + // record
	"28b52ffd8438003000000380010070d96e56" + // frame
	"5c2a4d1820000000534b4631040302010030000000000000000000002900000062c9f6a9431d5536" + // record
	"5e2a4d18210000002800000000000000120000000030000028000000000000000300000000b1ea928f" // seek table

func TestGolden(t *testing.T) {
	file := compress(t, make([]byte, 12<<10), WriterOptions{FrameSize: 4096, Stream: 0x01020304})
	require.Equal(t, goldenZeros, hex.EncodeToString(file))
	same(t, make([]byte, 12<<10), readAll(t, open(t, file, ReaderOptions{})))
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 4095, 4096, 4097, 65535, 65536, 300_000, 1 << 20} {
		for _, frameSize := range []int{4 << 10, 64 << 10, 256 << 10} {
			content := dumpLike(int64(n), n)
			o := WriterOptions{FrameSize: frameSize}
			file := compress(t, content, o)
			for _, scan := range []bool{false, true} {
				r := open(t, file, ReaderOptions{Scan: scan})
				require.Equal(t, int64(n), r.Size())
				require.True(t, r.Complete())
				require.True(t, r.HasRecords())
				require.Equal(t, !scan, r.HasSeekTable())
				require.Empty(t, r.Damage())
				same(t, content, readAll(t, r))
				bad, err := r.VerifyFrames(t.Context(), nil)
				require.NoError(t, err)
				require.Empty(t, bad)
			}
		}
	}
}

// Any number of workers, and memory saved or not, gives the same bytes.
func TestSameBytes(t *testing.T) {
	content := dumpLike(1, 8<<20+1234)
	clear(content[2<<20 : 5<<20])
	for _, o := range []WriterOptions{
		{}, {FrameSize: 64 << 10, WindowSize: 32 << 10}, {FrameSize: 512 << 10, Level: LevelDefault}, {FrameSize: 20 << 10, Level: LevelBetter},
	} {
		want := compress(t, content, o)
		for _, workers := range []int{2, 5} {
			o.Workers = workers
			same(t, want, compress(t, content, o))
		}
		o.Workers, o.LowMemory = 1, true
		same(t, want, compress(t, content, o))

		var out bytes.Buffer
		o.Workers = 3
		w, err := NewWriter(&out, o)
		require.NoError(t, err)
		n, err := io.Copy(w, bytes.NewReader(content)) // ReadFrom
		require.NoError(t, err)
		require.Equal(t, int64(len(content)), n)
		require.NoError(t, w.Close())
		same(t, want, out.Bytes())
	}
}

// An encoder that has made many frames makes the next like a new one: its
// tables carry nothing over, which "same bytes" stands on.
func TestEncoderKeepsNothing(t *testing.T) {
	o := WriterOptions{FrameSize: 4096}
	require.NoError(t, o.fill())
	used, err := newEncoder(&o)
	require.NoError(t, err)
	content := dumpLike(5, 400*4096)
	for at := 0; at < len(content); at += 4096 {
		fresh, err := newEncoder(&o)
		require.NoError(t, err)
		same(t, fresh.encode(nil, content[at:at+4096], 7), used.encode(nil, content[at:at+4096], 7))
	}
}

// Stock zstd unpacks what we write, and finds nothing wrong with it.
func TestStockZstd(t *testing.T) {
	path, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("no zstd program: ", err)
	}
	for _, n := range []int{0, 1, 100_000, 40 << 20} {
		content := dumpLike(int64(n), n)
		if n > 30<<20 {
			clear(content[:18<<20]) // a zero run of more than one frame
		}
		file := compress(t, content, WriterOptions{Workers: 2})
		cmd := exec.Command(path, "-d", "-c")
		cmd.Stdin = bytes.NewReader(file)
		var errs strings.Builder
		cmd.Stderr = &errs
		got, err := cmd.Output()
		require.NoError(t, err, errs.String())
		same(t, content, got)
	}
}

// The library's own stream decoder agrees.
func TestStreamDecoder(t *testing.T) {
	content := dumpLike(9, 3<<20)
	d, err := zstd.NewReader(bytes.NewReader(compress(t, content, WriterOptions{})))
	require.NoError(t, err)
	defer d.Close()
	got, err := io.ReadAll(d)
	require.NoError(t, err)
	same(t, content, got)
}

func TestZeroPagesCost(t *testing.T) {
	for _, frameSize := range []int{4 << 10, 64 << 10, DefaultFrameSize, 1 << 20} {
		const pages = 64 << 20 / 4096
		file := compress(t, make([]byte, 64<<20), WriterOptions{FrameSize: frameSize})
		require.Less(t, float64(len(file))/pages, 0.2, "bytes a zero page, frames of %d", frameSize)
	}
}

// The checksum of zero frames is XXH64, as klauspost's encoder computes it.
func TestZeroHash(t *testing.T) {
	o := WriterOptions{}
	require.NoError(t, o.fill())
	e, err := newEncoder(&o)
	require.NoError(t, err)
	h := newZeroHash()
	for n := 4096; n <= 64<<10; n += 4096 {
		h.add(4096)
		frame := e.encode(nil, make([]byte, n), 0)
		sum := h.sum()
		require.Equal(t, frame[len(frame)-4:], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
	}
}

func TestFlushFrame(t *testing.T) {
	content := dumpLike(2, 300_000)
	for _, workers := range []int{1, 3} {
		var out bytes.Buffer
		w, err := NewWriter(&out, WriterOptions{FrameSize: 64 << 10, Workers: workers})
		require.NoError(t, err)
		for at := 0; at < len(content); at += 50_000 {
			_, err = w.Write(content[at : at+50_000])
			require.NoError(t, err)
			require.NoError(t, w.FlushFrame())
			require.Equal(t, int64(at+50_000), w.ContentSize())
			r := open(t, bytes.Clone(out.Bytes()), ReaderOptions{})
			require.False(t, r.Complete())
			same(t, content[:at+50_000], readAll(t, r))
		}
		require.NoError(t, w.Close())
		r := open(t, out.Bytes(), ReaderOptions{})
		require.Equal(t, 6, r.Frames())
		same(t, content, readAll(t, r))
	}
}

// failing takes n bytes, then fails.
type failing struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("disk is full")

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	f.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// The underlying writer fails after n bytes: what it took is usable.
func TestWriterFails(t *testing.T) {
	content := dumpLike(4, 120_000)
	whole := compress(t, content, WriterOptions{FrameSize: 16 << 10})
	for n := 0; n < len(whole); n += 997 {
		for _, workers := range []int{1, 2} {
			f := &failing{left: n}
			w, err := NewWriter(f, WriterOptions{FrameSize: 16 << 10, Workers: workers})
			require.NoError(t, err)
			_, _ = w.Write(content)
			require.ErrorIs(t, w.Close(), errFull)
			require.ErrorIs(t, w.Close(), errFull)
			_, err = w.Write(content)
			require.ErrorIs(t, err, ErrClosed)
			same(t, whole[:n], f.Bytes())
			r, err := NewReader(bytes.NewReader(f.Bytes()), int64(n), ReaderOptions{})
			if err != nil {
				require.ErrorIs(t, err, ErrNotSeekable)
				require.Zero(t, w.ContentSize())
				continue
			}
			require.Equal(t, w.ContentSize(), checkReadable(t, r, content))
		}
	}
}

func TestLimit(t *testing.T) {
	content := dumpLike(6, 500_000)
	whole := int64(len(compress(t, content, WriterOptions{FrameSize: 16 << 10})))
	for _, workers := range []int{1, 2} {
		for _, limit := range []int64{1000, whole / 3, whole - 1, whole} {
			var out bytes.Buffer
			w, err := NewWriter(&out, WriterOptions{FrameSize: 16 << 10, Limit: limit, Workers: workers})
			require.NoError(t, err)
			_, writeErr := w.Write(content)
			closeErr := w.Close()
			require.LessOrEqual(t, int64(out.Len()), limit)
			r := open(t, out.Bytes(), ReaderOptions{})
			require.True(t, r.HasSeekTable())
			require.Equal(t, w.ContentSize(), r.Size())
			same(t, content[:r.Size()], readAll(t, r))
			if limit < whole {
				require.ErrorIs(t, closeErr, ErrLimit)
				require.Less(t, r.Size(), int64(len(content)))
				if workers == 1 && limit < whole-1 { // the last frame is written by Close
					require.ErrorIs(t, writeErr, ErrLimit)
				}
			} else {
				require.NoError(t, closeErr)
			}
		}
	}
}

func TestTableLimit(t *testing.T) {
	content := dumpLike(6, 500_000)
	file := compress(t, content, WriterOptions{FrameSize: 4096, TableLimit: 20})
	r := open(t, file, ReaderOptions{})
	require.False(t, r.HasSeekTable())
	require.True(t, r.Complete(), "the last record says that this was all")
	same(t, content, readAll(t, r))
}

func TestOptionsRefused(t *testing.T) {
	for _, o := range []WriterOptions{
		{FrameSize: 1000}, {FrameSize: 4096 + 32}, {FrameSize: 32 << 20}, {FrameSize: -4096}, {Level: 9}, {Level: -1},
		{Workers: -1}, {Workers: 5000}, {Limit: -1}, {TableLimit: -1}, {WindowSize: 3000}, {WindowSize: 512}, {WindowSize: 3000, Workers: 2},
	} {
		_, err := NewWriter(io.Discard, o)
		require.Error(t, err, fmt.Sprintf("%+v", o))
	}
}
