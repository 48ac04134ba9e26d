package seekable

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand"
	"os/exec"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// small is a file of some frames of every sort: stored, compressed, zeros.
func small(t testing.TB) (content, file []byte) {
	content = make([]byte, 40<<10+77)
	r := rand.New(rand.NewSource(11))
	for i := 0; i < 5000; i++ {
		content[i] = "abcdefghijklmnop"[r.Intn(1+i%3)]
	}
	r.Read(content[30<<10 : 30<<10+200])
	copy(content[40<<10:], "the end")
	return content, compress(t, content, WriterOptions{FrameSize: 4096, Stream: 7})
}

func TestCutAtEveryByte(t *testing.T) {
	content, file := small(t)
	whole := open(t, file, ReaderOptions{})
	for n := range file {
		r, err := NewReader(bytes.NewReader(file[:n]), int64(n), ReaderOptions{})
		want := int64(0) // content of the whole frames before the cut
		for i := range whole.Frames() {
			if f := whole.Frame(i); f.Offset+f.CompressedSize <= int64(n) {
				want = f.Start + f.Size
			}
		}
		if want == 0 {
			require.ErrorIs(t, err, ErrNotSeekable)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, r.Size(), "cut at %d", n)
		require.LessOrEqual(t, r.FileEnd(), int64(n))
		last := r.Frame(r.Frames() - 1)
		require.Equal(t, last.Offset+last.CompressedSize, r.FileEnd())
		require.Equal(t, want, checkReadable(t, r, content))
		require.NotEmpty(t, r.Damage())
		_, err = r.ReadAt(make([]byte, 1), want)
		require.ErrorIs(t, err, io.EOF)
		if want < int64(len(content)) {
			require.False(t, r.Complete())
		}
	}
}

// Every bit flip is named by VerifyFrames, and no byte ever reads wrong.
func TestFlipEveryBit(t *testing.T) {
	content, file := small(t)
	step := 1
	if testing.Short() {
		step = 7
	}
	for bit := 0; bit < len(file)*8; bit += step {
		flipped := bytes.Clone(file)
		flipped[bit/8] ^= 1 << (bit % 8)
		r, err := NewReader(bytes.NewReader(flipped), int64(len(flipped)), ReaderOptions{})
		require.NoError(t, err, "bit %d", bit)
		readable := checkReadable(t, r, content)
		bad, err := r.VerifyFrames(t.Context(), nil)
		require.NoError(t, err)
		require.NotEmpty(t, bad, "bit %d is not named", bit)
		lost := int64(0)
		for _, e := range bad {
			lost += e.End - e.Start
		}
		require.Equal(t, int64(len(content)), readable+lost, "bit %d: %v", bit, bad)
	}
}

// The same without the seek table, as in a file that was cut.
func TestFlipWithoutTable(t *testing.T) {
	content, file := small(t)
	whole := open(t, file, ReaderOptions{})
	last := whole.Frame(whole.Frames() - 1)
	cut := file[:last.Offset+last.CompressedSize]
	for bit := 0; bit < len(cut)*8; bit += 5 {
		flipped := bytes.Clone(cut)
		flipped[bit/8] ^= 1 << (bit % 8)
		r := open(t, flipped, ReaderOptions{})
		readable := checkReadable(t, r, content)
		bad, err := r.VerifyFrames(t.Context(), nil)
		require.NoError(t, err)
		require.Greater(t, len(bad), 1, "bit %d: the flip beside the cut", bit)
		require.GreaterOrEqual(t, readable, int64(len(content))-4096*6, "bit %d loses more than a frame", bit) // the zero frame is the largest
	}
}

// A hole of many bytes loses the frames in it and no others.
func TestHole(t *testing.T) {
	content := dumpLike(3, 2<<20)
	file := compress(t, content, WriterOptions{FrameSize: 16 << 10})
	whole := open(t, file, ReaderOptions{})
	at := whole.Frame(whole.Frames() / 2)
	clear(file[at.Offset-10 : at.Offset+at.CompressedSize/2])
	for _, scan := range []bool{false, true} {
		r := open(t, file, ReaderOptions{Scan: scan})
		require.Equal(t, int64(len(content)), r.Size())
		require.True(t, r.Complete())
		require.Equal(t, int64(len(content))-at.Size, checkReadable(t, r, content))
		_, err := r.ReadAt(make([]byte, 10), at.Start+5)
		var frame *FrameError
		require.ErrorAs(t, err, &frame)
		require.LessOrEqual(t, frame.Start, at.Start+5)
		require.Equal(t, at.Start+at.Size, frame.End)
		bad, err := r.VerifyFrames(t.Context(), nil)
		require.NoError(t, err)
		require.NotEmpty(t, bad)
	}
}

// What an older stream left behind a cut one is not read for its end.
func TestOlderStreamBehindTheCut(t *testing.T) {
	older, newer := dumpLike(1, 1<<20), dumpLike(2, 1<<20)
	disk := compress(t, older, WriterOptions{FrameSize: 16 << 10, Stream: 1})
	fresh := compress(t, newer, WriterOptions{FrameSize: 16 << 10, Stream: 2})
	for cut := 20_000; cut < min(len(disk), len(fresh)); cut += 7001 {
		mixed := bytes.Clone(disk)
		copy(mixed, fresh[:cut])
		r := open(t, mixed, ReaderOptions{})
		require.False(t, r.HasSeekTable())
		checkReadable(t, r, newer)
	}

	// Nothing of the new one was written: its number keeps the older one out.
	stream := uint32(2)
	_, err := NewReader(bytes.NewReader(disk), int64(len(disk)), ReaderOptions{Stream: &stream})
	require.ErrorIs(t, err, ErrNotSeekable)
	stream = 1
	r := open(t, disk, ReaderOptions{Stream: &stream})
	require.True(t, r.HasSeekTable())
}

func TestRandomAccess(t *testing.T) {
	content := dumpLike(8, 9<<20+5)
	file := compress(t, content, WriterOptions{FrameSize: 64 << 10, Workers: 2})
	for _, o := range []ReaderOptions{{}, {CacheSize: 1}, {CacheSize: 200 << 10}} {
		r := open(t, file, o)
		var wait sync.WaitGroup
		for seed := range int64(4) {
			wait.Go(func() {
				random := rand.New(rand.NewSource(seed))
				for range 300 {
					off := random.Int63n(r.Size())
					p := make([]byte, random.Intn(200_000))
					n, err := r.ReadAt(p, off)
					if err != nil && err != io.EOF || !bytes.Equal(p[:n], content[off:off+int64(n)]) || n < len(p) && off+int64(n) != r.Size() {
						t.Errorf("read %d at %d: %d, %v", len(p), off, n, err)
						return
					}
				}
			})
		}
		wait.Wait()
		require.LessOrEqual(t, r.cache.used, max(o.CacheSize, DefaultCacheSize))
		require.LessOrEqual(t, r.cache.order.Len(), len(r.frames))
	}
}

// A page is had by reading and decoding one frame at most, and none twice.
func TestOneFrameAnAccess(t *testing.T) {
	content := dumpLike(8, 4<<20)
	file := compress(t, content, WriterOptions{FrameSize: 64 << 10})
	counter := &counting{r: bytes.NewReader(file)}
	r, err := NewReader(counter, int64(len(file)), ReaderOptions{})
	require.NoError(t, err)
	p := make([]byte, 4096)
	for off := int64(0); off < r.Size(); off += 64 << 10 {
		counter.n = 0
		for i := range int64(16) {
			_, err := r.ReadAt(p, off+i*4096)
			require.NoError(t, err)
		}
		require.LessOrEqual(t, counter.n, 1)
	}
	_, err = r.ReadAt(p, -1)
	require.Error(t, err)
}

type counting struct {
	r io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return c.r.ReadAt(p, off)
}

// Files of others: several frames, with and without a seek table.
func TestForeign(t *testing.T) {
	content := dumpLike(12, 1<<20)
	e, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	require.NoError(t, err)
	var frames, table []byte
	for at := 0; at < len(content); at += 100_000 {
		before := len(frames)
		piece := content[at:min(at+100_000, len(content))]
		frames = e.EncodeAll(piece, frames)
		table = binary.LittleEndian.AppendUint32(table, uint32(len(frames)-before))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(piece)))
		table = append(table, "sums"...) // an XXH64 that we do not use
	}
	r := open(t, frames, ReaderOptions{})
	require.True(t, r.Complete())
	require.False(t, r.HasRecords())
	require.Empty(t, r.Damage())
	same(t, content, readAll(t, r))

	cut := open(t, frames[:len(frames)-10], ReaderOptions{})
	require.False(t, cut.Complete())
	same(t, content[:1_000_000], readAll(t, cut))

	file := append(bytes.Clone(frames), 0x5E, 0x2A, 0x4D, 0x18)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(table)+9))
	file = append(file, table...)
	file = binary.LittleEndian.AppendUint32(file, 11)
	file = append(file, 0x80, 0xB1, 0xEA, 0x92, 0x8F)
	for _, scan := range []bool{false, true} {
		r = open(t, file, ReaderOptions{Scan: scan})
		require.Equal(t, !scan, r.HasSeekTable())
		require.True(t, r.Complete())
		same(t, content, readAll(t, r))
		bad, err := r.VerifyFrames(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, bad)
	}
}

func TestNotSeekable(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	large := e.EncodeAll(make([]byte, 3<<20), nil)
	var streamed bytes.Buffer
	w, err := zstd.NewWriter(&streamed)
	require.NoError(t, err)
	_, err = w.Write(dumpLike(1, 1<<20))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.NoError(t, w.Close())
	for name, file := range map[string][]byte{
		"empty": {}, "text": []byte("minidump FreeBSD/amd64"), "zeros": make([]byte, 10_000), "a large frame": large,
		"no content size": streamed.Bytes(), "noise": dumpLike(2, 4096*3),
	} {
		_, err := NewReader(bytes.NewReader(file), int64(len(file)), ReaderOptions{MaxFrame: 1 << 20})
		require.ErrorIs(t, err, ErrNotSeekable, name)
	}
}

// Seek tables that lie: the reader falls back on the frames.
func TestHostileSeekTable(t *testing.T) {
	content, file := small(t)
	whole := open(t, file, ReaderOptions{})
	table := int(seekTableSize(int64(whole.Frames())))
	for name, change := range map[string]func(b []byte){
		"count too large":   func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-9:], 0x7FFFFFFF) },
		"count 0":           func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-9:], 0) },
		"reserved bits":     func(b []byte) { b[len(b)-5] = 0x40 },
		"checksum flag":     func(b []byte) { b[len(b)-5] = 0x80 },
		"huge frame":        func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-table+8+8:], 0xFFFFFFFF) },
		"huge content":      func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-table+8+12:], 0xFFFFFFFF) },
		"tiny frame":        func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-table+8+8:], 1) },
		"size of the frame": func(b []byte) { b[len(b)-table+4]++ },
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(file)
			change(b)
			r := open(t, b, ReaderOptions{})
			require.False(t, r.HasSeekTable())
			require.True(t, r.Complete())
			require.True(t, errors.Is(r.Damage()[0], ErrSeekTable))
			same(t, content, readAll(t, r))
		})
	}
}

func TestFrameTooLarge(t *testing.T) {
	content := dumpLike(3, 64<<10)
	file := compress(t, content, WriterOptions{FrameSize: 64 << 10})
	r := open(t, file, ReaderOptions{MaxFrame: 4096})
	_, err := r.ReadAt(make([]byte, 10), 5)
	require.ErrorIs(t, err, ErrFrameTooLarge)
}

func TestVerifyStops(t *testing.T) {
	_, file := small(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := open(t, file, ReaderOptions{}).VerifyFrames(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// The pieces that zstd's own program makes are read too.
func TestStockFrames(t *testing.T) {
	path, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("no zstd program: ", err)
	}
	content := dumpLike(20, 2<<20)
	var file []byte
	for at := 0; at < len(content); at += 512 << 10 {
		cmd := exec.Command(path, "-c", "--stream-size=524288", "--check")
		cmd.Stdin = bytes.NewReader(content[at : at+512<<10])
		out, err := cmd.Output()
		require.NoError(t, err)
		file = append(file, out...)
	}
	r := open(t, file, ReaderOptions{})
	require.Equal(t, 4, r.Frames())
	require.True(t, r.Complete())
	same(t, content, readAll(t, r))
}

// A frame that an older stream left, and whose record was written over, is not
// taken for one of the stream that is asked for; one whose own record is
// damaged is, where the next record vouches for it.
func TestFrameWithoutRecordOnADisk(t *testing.T) {
	t.Parallel()
	frames := func(stream uint32, fill byte) []byte {
		var b bytes.Buffer
		w, err := NewWriter(&b, WriterOptions{FrameSize: 4096, Stream: stream})
		require.NoError(t, err)
		_, err = w.Write(bytes.Repeat([]byte{fill, 1, 2, 3}, 4*1024))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	disk, newer := frames(1, 'o'), frames(2, 'n')
	stream := uint32(2)
	open := func(b []byte) *Reader {
		r, err := NewReader(bytes.NewReader(b), int64(len(b)), ReaderOptions{Stream: &stream})
		require.NoError(t, err)
		return r
	}
	first := open(newer).Frame(1).Offset - RecordSize
	copy(disk, newer[:first])
	clear(disk[first:][:20]) // the sector was padded
	require.Equal(t, int64(4096), open(disk).Size())

	newer[first+20] ^= 1
	r := open(newer[:len(newer)-20])
	require.Equal(t, int64(4*4096), r.Size())
	require.NotEmpty(t, r.Damage())
}
