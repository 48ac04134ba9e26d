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

// TestWriterFails cuts a dump at many places, for all bytes of its header and
// around every page's edge, and goes on from there.
func TestWriterFails(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	s := m.withNotes(m.source(), 1)
	s.Memory = lending(t, m)
	whole := readAll(t, requireDumper(t, s))
	for n := 0; n < len(whole); n++ {
		if at := n % 4096; n > 5000 && at > 2 && at < 4094 && at != 1777 {
			continue
		}
		d := requireDumper(t, s)
		w := &failing{left: n}
		written, err := d.WriteTo(w)
		require.ErrorIs(t, err, errFull)
		require.EqualValues(t, n, written)
		require.True(t, bytes.Equal(whole[:n], w.Bytes()), "cut at %#x", n)
		m.checkCut(t, w.Bytes(), whole)

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

// checkCut opens the start of a dump: every page of it that is there reads as
// it should, and no other does.
func (m *machine) checkCut(t testing.TB, data, whole []byte) {
	t.Helper()
	r, err := Open(bytes.NewReader(data), int64(len(data)))
	if len(data) < 72 {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	require.False(t, r.Complete())
	page := make([]byte, m.config.pageSize)
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
