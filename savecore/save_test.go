package savecore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
	"github.com/seed64aab995/rescuekernel/savecore"
)

// disk is a device in memory. From failAt on, if set, its reads fail.
type disk struct {
	data   []byte
	failAt int64
	writes int
}

var errDisk = errors.New("the disk is on fire")

func (d *disk) ReadAt(p []byte, offset int64) (int, error) {
	if d.failAt > 0 && offset <= d.failAt && d.failAt < offset+int64(len(p)) {
		return copy(p, d.data[offset:d.failAt]), errDisk
	}
	n := copy(p, d.data[min(offset, int64(len(d.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *disk) WriteAt(p []byte, offset int64) (int, error) {
	d.writes++
	return copy(d.data[offset:], p), nil
}

// dumpText is a dump with a hole, long enough for several copies.
func dumpText() []byte {
	dump := bytes.Repeat([]byte("minidump "), 300_000)
	clear(dump[1<<20 : 1<<20+64<<10])
	return dump
}

// newDisk makes a disk of 8 MiB with dump on it, whole or cut.
func newDisk(t *testing.T, dump []byte, header kerneldump.Header, key []byte, whole bool) *disk {
	t.Helper()
	d := &disk{data: make([]byte, 8<<20)}
	extent := int64(len(dump)+511) &^ 511
	w, err := kerneldump.NewWriter(kerneldump.WriterOptions{Device: d, Size: int64(len(d.data)), Extent: extent, KeyBlock: key, Header: header})
	require.NoError(t, err)
	_, err = w.Write(dump)
	require.NoError(t, err)
	if whole {
		require.NoError(t, w.Close())
	} else {
		require.NoError(t, w.Flush())
	}
	d.writes = 0
	return d
}

func save(d *disk, o savecore.Options) (savecore.Result, error) {
	return savecore.Save(context.Background(), d, int64(len(d.data)), o)
}

func readFile(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	require.NoError(t, err)
	return data
}

var header = kerneldump.Header{Architecture: "amd64", ArchitectureVersion: 2, Time: 1_700_000_000, BlockSize: 512,
	HostName: "host\n  Header Digest: forged", PanicString: "page fault", VersionString: "one\ntwo\n"}

func TestSaveKeepsTheDevice(t *testing.T) {
	t.Parallel()
	dir, dump := t.TempDir(), dumpText()
	d := newDisk(t, dump, header, nil, true)
	before := bytes.Clone(d.data)

	var seen int64
	result, err := save(d, savecore.Options{Directory: dir, Device: "/dev/ada0p2", Progress: func(done, total int64) {
		require.Equal(t, int64(len(dump)), total)
		seen = done
	}})
	require.NoError(t, err)
	require.Equal(t, 0, result.Number)
	require.Equal(t, int64(len(dump)), result.Kept)
	require.Equal(t, result.Kept, seen)
	require.False(t, result.Cleared)
	require.Equal(t, dump, readFile(t, dir, "vmcore.0"))
	require.Equal(t, before, d.data)
	require.Zero(t, d.writes)
	require.Equal(t, "1\n", string(readFile(t, dir, "bounds")))

	info := string(readFile(t, dir, "info.0"))
	for _, line := range []string{"Dump header from device: /dev/ada0p2\n", "  Panic String: page fault\n", "  Dump Status: good\n",
		"  Hostname: host   Header Digest: forged\n", "  Version String: one two\n", "  Bounds: 0\n", "  Compression: none\n"} {
		require.Contains(t, info, line)
	}
	if runtime.GOOS != "windows" {
		require.Equal(t, dump, readFile(t, dir, "vmcore.last"))
	}
}

func TestSaveOnlyOnce(t *testing.T) {
	t.Parallel()
	dir, dump := t.TempDir(), dumpText()
	d := newDisk(t, dump, header, nil, true)
	for range 3 {
		result, err := save(d, savecore.Options{Directory: dir})
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "vmcore.0"), result.Path)
	}
	other := header
	other.Time++
	result, err := save(newDisk(t, dump, other, nil, true), savecore.Options{Directory: dir})
	require.NoError(t, err)
	require.False(t, result.Earlier)
	require.Equal(t, 1, result.Number)
	require.NoFileExists(t, filepath.Join(dir, "vmcore.2"))
}

func TestSaveClears(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := newDisk(t, dumpText(), header, nil, true)
	_, err := save(d, savecore.Options{Directory: dir})
	require.NoError(t, err)
	result, err := save(d, savecore.Options{Directory: dir, Clear: true})
	require.NoError(t, err)
	require.True(t, result.Earlier)
	require.True(t, result.Cleared)
	_, err = save(d, savecore.Options{Directory: dir})
	require.ErrorIs(t, err, savecore.ErrCleared)

	readOnly := struct{ io.ReaderAt }{newDisk(t, dumpText(), header, nil, true)}
	_, err = savecore.Save(context.Background(), readOnly, 8<<20, savecore.Options{Directory: dir, Clear: true})
	require.ErrorContains(t, err, "not opened for writing")
}

func TestSaveNamesFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*kerneldump.Header)
		key    []byte
		want   []string
	}{
		{"gzip", func(h *kerneldump.Header) { h.Compression = kerneldump.CompressionGzip }, nil, []string{"vmcore.0.gz"}},
		{"zstd", func(h *kerneldump.Header) { h.Compression = kerneldump.CompressionZstd }, nil, []string{"vmcore.0.zst"}},
		{"encrypted", func(*kerneldump.Header) {}, []byte("key"), []string{"vmcore_encrypted.0", "key.0"}},
		{"encrypted zstd", func(h *kerneldump.Header) { h.Compression = kerneldump.CompressionZstd }, []byte("key"), []string{"vmcore_encrypted.0.zst", "key.0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir, h, dump := t.TempDir(), header, dumpText()
			test.change(&h)
			_, err := save(newDisk(t, dump, h, test.key, true), savecore.Options{Directory: dir})
			require.NoError(t, err)
			require.Equal(t, dump, readFile(t, dir, test.want[0]))
			if test.key != nil {
				require.Equal(t, append(bytes.Clone(test.key), make([]byte, 512-len(test.key))...), readFile(t, dir, test.want[1]))
			}
		})
	}
}

func TestSaveSalvagesACutDump(t *testing.T) {
	t.Parallel()
	dir, dump := t.TempDir(), dumpText()
	d := newDisk(t, dump, header, nil, false)
	result, err := save(d, savecore.Options{Directory: dir})
	require.NoError(t, err)
	require.ErrorIs(t, result.Dump.Problem, kerneldump.ErrNoTrailingHeader)
	require.Contains(t, string(readFile(t, dir, "info.0")), "  Dump Status: incomplete: no trailing header")
	saved := readFile(t, dir, "vmcore.0")
	require.Equal(t, dump, saved[:len(dump)])

	again, err := save(d, savecore.Options{Directory: dir})
	require.NoError(t, err)
	require.True(t, again.Earlier)
}

// compress makes seekable zstd of data, in frames of 64 KiB, as a writer onto a
// device does.
func compress(t *testing.T, data []byte, stream uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := seekable.NewWriter(&b, seekable.WriterOptions{FrameSize: 64 << 10, Stream: stream})
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// noise is content that hardly compresses, so that its frames are many and
// large.
func noise(size int, seed uint64) []byte {
	b := make([]byte, size)
	for i := range b {
		seed = seed*6364136223846793005 + 1442695040888963407
		b[i] = byte(seed >> 56)
	}
	return b
}

// writeZstd begins a dump of data on d and cuts it after some bytes of its
// compressed stream; a negative number is the whole.
func writeZstd(t *testing.T, d *disk, data []byte, second uint64, length int, checkpoint int64) (identity uint32, compressed []byte) {
	t.Helper()
	h := header
	h.Time, h.Compression = second, kerneldump.CompressionZstd
	w, err := kerneldump.NewWriter(kerneldump.WriterOptions{Device: d, Size: int64(len(d.data)), Header: h, Checkpoint: checkpoint})
	require.NoError(t, err)
	compressed = compress(t, data, w.Identity())
	if length < 0 {
		length = len(compressed)
	}
	_, err = w.Write(compressed[:length])
	require.NoError(t, err)
	if length == len(compressed) {
		require.NoError(t, w.Close())
	} else {
		require.NoError(t, w.Flush())
	}
	return w.Identity(), compressed
}

// Where zstd was cut, an older dump lies behind it, whose frames would fit.
func TestSaveSalvagesZstdToItsLastFrame(t *testing.T) {
	t.Parallel()
	older, data := noise(3<<20, 1), noise(2<<20, 2)
	for _, checkpoint := range []int64{0, 256 << 10} {
		for _, length := range []int{70_000, 131_200, 1 << 20, 1<<20 + 12_345, 2 << 20} {
			t.Run(fmt.Sprintf("cut after %d, checkpoints of %d", length, checkpoint), func(t *testing.T) {
				t.Parallel()
				d := &disk{data: make([]byte, 8<<20)}
				writeZstd(t, d, older, 1_600_000_000, -1, 0)
				identity, compressed := writeZstd(t, d, data, 1_700_000_000, length, checkpoint)

				dir := t.TempDir()
				result, err := save(d, savecore.Options{Directory: dir})
				require.NoError(t, err)
				require.ErrorIs(t, result.Dump.Problem, kerneldump.ErrNoTrailingHeader)
				require.Contains(t, string(readFile(t, dir, "info.0")), "  Dump Status: incomplete: ")
				saved := readFile(t, dir, "vmcore.0.zst")
				require.LessOrEqual(t, len(saved), length)
				require.Less(t, length-len(saved), 70_000, "less than a frame is lost")
				require.Equal(t, compressed[:len(saved)], saved)
				require.Equal(t, int64(len(saved)), result.Size)

				r, err := seekable.NewReader(bytes.NewReader(saved), int64(len(saved)), seekable.ReaderOptions{Stream: &identity})
				require.NoError(t, err)
				require.False(t, r.Complete())
				require.Equal(t, int64(len(saved)), r.FileEnd(), "it must end with a frame")
				got := make([]byte, r.Size())
				_, err = r.ReadAt(got, 0)
				require.NoError(t, err)
				require.NotEmpty(t, got)
				require.Equal(t, data[:len(got)], got)

				again, err := save(d, savecore.Options{Directory: dir})
				require.NoError(t, err)
				require.True(t, again.Earlier)
				require.Equal(t, result.Size, again.Size)
			})
		}
	}
}

// Only the leading header was written: all frames are an older dump's.
func TestSaveTakesNoOlderDump(t *testing.T) {
	t.Parallel()
	d := &disk{data: make([]byte, 8<<20)}
	writeZstd(t, d, noise(3<<20, 1), 1_600_000_000, -1, 0)
	writeZstd(t, d, noise(2<<20, 2), 1_700_000_000, 0, 0)
	dir := t.TempDir()
	_, err := save(d, savecore.Options{Directory: dir})
	require.ErrorIs(t, err, container.ErrNoData)
	require.NoFileExists(t, filepath.Join(dir, "info.0"))
}

func TestSaveKeepsWhatItCould(t *testing.T) {
	t.Parallel()
	dump := dumpText()
	for _, test := range []struct {
		name   string
		cause  error
		damage func(d *disk, cancel func())
	}{
		{"unreadable disk", errDisk, func(d *disk, _ func()) { d.failAt = int64(len(d.data)) - 1<<20 }},
		{"cancelled", context.Canceled, func(_ *disk, cancel func()) { cancel() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := newDisk(t, dump, header, nil, true)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			test.damage(d, cancel)
			result, err := savecore.Save(ctx, d, int64(len(d.data)), savecore.Options{Directory: dir, Clear: true})
			require.ErrorIs(t, err, test.cause)
			var cut *savecore.CutError
			require.ErrorAs(t, err, &cut)
			require.Equal(t, int64(len(dump)), cut.Size)
			require.Equal(t, dump[:cut.Kept], readFile(t, dir, "vmcore.0"))
			require.False(t, result.Cleared)
			require.Contains(t, string(readFile(t, dir, "info.0")), "  Dump Status: incomplete: ")

			d.failAt = 0
			result, err = save(d, savecore.Options{Directory: dir})
			require.NoError(t, err, "a copy that was cut must not count as saved")
			require.Equal(t, dump, readFile(t, dir, "vmcore.1"))
			require.Equal(t, 1, result.Number)
		})
	}
}

func TestSaveLimits(t *testing.T) {
	t.Parallel()
	dir, dump := t.TempDir(), dumpText()
	_, err := save(newDisk(t, dump, header, nil, true), savecore.Options{Directory: dir, MinimumFree: 1 << 62})
	require.ErrorIs(t, err, savecore.ErrLittleSpace)
	require.NoFileExists(t, filepath.Join(dir, "info.0"))

	for i := range 5 {
		h := header
		h.Time += uint64(i)
		result, err := save(newDisk(t, dump, h, nil, true), savecore.Options{Directory: dir, Maximum: 2})
		require.NoError(t, err)
		require.Equal(t, i%2, result.Number)
	}
	require.NoFileExists(t, filepath.Join(dir, "vmcore.2"))

	// bounds is lost: what is there is not written over.
	require.NoError(t, os.Remove(filepath.Join(dir, "bounds")))
	h := header
	h.Time += 100
	result, err := save(newDisk(t, dump, h, nil, true), savecore.Options{Directory: dir})
	require.NoError(t, err)
	require.Equal(t, 2, result.Number)
}

func TestSaveFindsNothing(t *testing.T) {
	t.Parallel()
	_, err := save(&disk{data: make([]byte, 1<<20)}, savecore.Options{Directory: t.TempDir(), Device: "/dev/null"})
	require.ErrorIs(t, err, kerneldump.ErrNoDump)
	require.ErrorContains(t, err, "/dev/null")

	_, err = save(newDisk(t, dumpText(), header, nil, true), savecore.Options{Directory: filepath.Join(t.TempDir(), "absent")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSaveLeavesHoles(t *testing.T) {
	t.Parallel()
	dump := make([]byte, 4<<20)
	copy(dump, "minidump")
	dir := t.TempDir()
	_, err := save(newDisk(t, dump, header, nil, true), savecore.Options{Directory: dir})
	require.NoError(t, err)
	require.Equal(t, dump, readFile(t, dir, "vmcore.0"), "a hole at the end must still count")
	require.True(t, strings.HasSuffix(filepath.Join(dir, "vmcore.0"), ".0"))
}
