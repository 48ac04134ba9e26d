package minidump

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// lending makes the memory of a generated machine a physmem.Viewer.
func lending(t testing.TB, m *machine) physmem.Reader {
	t.Helper()
	var banks []*physmem.Bytes
	for _, r := range m.config.ram {
		data := make([]byte, r.Size())
		_, err := m.memory.ReadPhysical(data, r.Start)
		require.NoError(t, err)
		banks = append(banks, physmem.NewBytes(r.Start, data))
	}
	memory, err := physmem.NewBanks(banks...)
	require.NoError(t, err)
	return memory
}

// smallMachine has a dump of some hundred KiB.
func smallMachine(t testing.TB) *machine {
	t.Helper()
	return generate(t, machineConfig{
		name: "small", architecture: AMD64, levels: 4, density: 300, kernelSize: 1 << 30,
		ram: []physmem.Range{{Start: 0x1000, End: 0x9f000}, {Start: 0x100000, End: 0x180000}},
	})
}

// writes counts the Writes that come.
type writes struct {
	bytes.Buffer
	sizes []int
}

func (w *writes) Write(p []byte) (int, error) {
	w.sizes = append(w.sizes, len(p))
	return w.Buffer.Write(p)
}

func TestWriteTo(t *testing.T) {
	t.Parallel()
	for _, lend := range []bool{false, true} {
		m := generate(t, machineConfigs()[1])
		s := m.withNotes(m.source(), 1)
		_, whole, _ := openDump(t, s)
		if lend {
			s.Memory = lending(t, m)
		}
		d, err := NewDumper(s)
		require.NoError(t, err)
		var w writes
		n, err := io.Copy(&w, d)
		require.NoError(t, err)
		require.Equal(t, d.Size(), n)
		require.True(t, bytes.Equal(whole, w.Bytes()))
		require.Less(t, len(w.sizes), 2*len(whole)/streamBuffer+200)
	}
}

// failing takes so many bytes and fails.
type failing struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("disk full")

func (w *failing) Write(p []byte) (int, error) {
	if len(p) > w.left {
		n, _ := w.Buffer.Write(p[:w.left])
		w.left = 0
		return n, errFull
	}
	w.left -= len(p)
	return w.Buffer.Write(p)
}

// TestWriterFails cuts a dump at every byte, and goes on from there.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	d := requireDumper(t, exactAMD64(t))
	whole := readAll(t, d)
	for n := range whole {
		_, err := d.Seek(0, io.SeekStart)
		require.NoError(t, err)
		w := &failing{left: n}
		written, err := d.WriteTo(w)
		require.ErrorIs(t, err, errFull)
		require.EqualValues(t, n, written)
		require.True(t, bytes.Equal(whole[:n], w.Bytes()), "cut at %#x", n)
		checkStart(t, w.Bytes(), whole)

		w.left = len(whole)
		written, err = d.WriteTo(w)
		require.NoError(t, err)
		require.EqualValues(t, len(whole)-n, written)
		require.True(t, bytes.Equal(whole, w.Bytes()), "resumed at %#x", n)
	}
}

func requireDumper(t testing.TB, s Source) *Dumper {
	t.Helper()
	d, err := NewDumper(s)
	require.NoError(t, err)
	return d
}

// checkStart opens the start of a dump: every page of it that is there reads as
// it should, and no other does.
func checkStart(t testing.TB, data, whole []byte) {
	t.Helper()
	r, err := Open(bytes.NewReader(data), int64(len(data)))
	if len(data) < 72 {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	require.False(t, r.Complete())
	page := make([]byte, r.PageSize())
	for at, offset := range r.Pages() {
		_, err := r.ReadPhysical(page, at)
		if offset+int64(len(page)) > int64(len(data)) {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.True(t, bytes.Equal(whole[offset:offset+int64(len(page))], page))
	}
}

func TestSeek(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	d := requireDumper(t, m.source())
	whole := readAll(t, d)
	for _, test := range []struct {
		offset int64
		whence int
		want   int64
	}{
		{100, io.SeekStart, 100}, {-50, io.SeekCurrent, 50}, {-10, io.SeekEnd, d.Size() - 10}, {99, io.SeekEnd, d.Size() + 99}, {4096*9 + 7, io.SeekStart, 4096*9 + 7},
	} {
		at, err := d.Seek(test.offset, test.whence)
		require.NoError(t, err)
		require.Equal(t, test.want, at)
	}
	rest, err := io.ReadAll(d)
	require.NoError(t, err)
	require.Equal(t, whole[4096*9+7:], rest)
	n, err := d.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
	for _, whence := range []int{io.SeekStart, 7} {
		_, err = d.Seek(-1, whence)
		require.Error(t, err)
	}
	_, err = d.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
}

// TestNoAllocations reads every page without allocating.
func TestNoAllocations(t *testing.T) {
	m := generate(t, machineConfigs()[0])
	s := m.source()
	s.Memory = lending(t, m)
	d := requireDumper(t, s)
	p := make([]byte, 1<<20)
	require.Zero(t, testing.AllocsPerRun(3, func() {
		for at := int64(0); at < d.Size(); at += int64(len(p)) {
			_, _ = d.ReadAt(p, at)
		}
	}))
}

func TestBitmapReader(t *testing.T) {
	t.Parallel()
	available, err := NewDumpAvail(4096, []physmem.Range{{Start: 0x1000, End: 0x1000 + 200*4096}})
	require.NoError(t, err)
	words := make([]uint64, available.NumWords())
	bitmap, err := NewPageBitmap(available, words)
	require.NoError(t, err)
	for page := range physmem.Address(200) {
		if page*page%7 < 3 {
			bitmap.Set(0x1000 + page*4096)
		}
	}
	want := make([]byte, 32)
	readWords(want, words, 0)
	r := NewBitmapReader(bitmap)
	require.EqualValues(t, 32, r.Size())
	for from := range int64(40) {
		for length := range 40 {
			p := make([]byte, length)
			n, err := r.ReadAt(p, from)
			require.Equal(t, want[min(from, 32):min(32, from+int64(length))], p[:n])
			require.Equal(t, from+int64(length) > 32 && length > 0, err == io.EOF, "%d %d", from, length)
		}
	}
	_, err = r.ReadAt(want, -1)
	require.Error(t, err)
}
