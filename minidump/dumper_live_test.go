package minidump

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// TestSnapshot changes the host's bitmap after the Dumper was opened, and gives
// it storage that is not clear.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	s := m.source()
	want := readAll(t, requireDumper(t, s))
	s.Storage = make([]uint64, 100)
	for i := range s.Storage {
		s.Storage[i] = ^uint64(0)
	}
	s.Bitmap = bytes.NewReader(m.bitmap)
	d := requireDumper(t, s)
	for i := range m.bitmap {
		m.bitmap[i] ^= 0xff
	}
	require.True(t, bytes.Equal(want, readAll(t, d)))
}

// countingViewer counts what is lent.
type countingViewer struct {
	*physmem.Banks
	lent atomic.Int64
}

func (v *countingViewer) ViewPhysical(r physmem.Range) []byte {
	p := v.Banks.ViewPhysical(r)
	v.lent.Add(int64(len(p)))
	return p
}

// TestLends sees that long runs are lent and not read.
func TestLends(t *testing.T) {
	t.Parallel()
	m := generate(t, machineConfigs()[0])
	s := m.source()
	v := &countingViewer{Banks: lending(t, m).(*physmem.Banks)}
	s.Memory = v
	d := requireDumper(t, s)
	want := readAll(t, d)
	require.Zero(t, v.lent.Load())
	var w bytes.Buffer
	_, err := d.WriteTo(&w)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, w.Bytes()))
	require.Greater(t, v.lent.Load(), int64(len(want)/8))
}

// lateFailure is memory of which a page fails after a while.
type lateFailure struct {
	*patternMemory
	at      physmem.Range
	failing atomic.Bool
}

func (m *lateFailure) ReadPhysical(p []byte, address physmem.Address) (int, error) {
	r := physmem.Range{Start: address, End: address + physmem.Address(len(p))}
	if m.failing.Load() && r.Overlaps(m.at) {
		return 0, &physmem.AccessError{Operation: "read", Range: r, Err: errDamage}
	}
	return m.patternMemory.ReadPhysical(p, address)
}

// TestLateFailure has a page fail after the notes were given out: it is zero
// and one of Holes, and the notes stay as they were. Once failed, it stays
// zero.
func TestLateFailure(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	page := m.dumped[len(m.dumped)-1]
	memory := &lateFailure{patternMemory: m.memory, at: physmem.Range{Start: page + 8, End: page + 9}}
	s := m.withNotes(m.source(), 1)
	s.Memory = memory
	d := requireDumper(t, s)
	want := readAll(t, d)
	bit, ok := d.DumpAvail().Index(page)
	require.True(t, ok)
	offset := d.layout.PageOffset(d.Bitmap().Rank(bit))
	clear(want[offset : offset+4096])

	memory.failing.Store(true)
	require.True(t, bytes.Equal(want, readAll(t, d)))
	holes, _ := d.Holes()
	require.Contains(t, holes, Hole{Range: physmem.Range{Start: page, End: page + 4096}, Reason: HoleUnreadable})
	memory.failing.Store(false)
	require.True(t, bytes.Equal(want, readAll(t, d)))
}

// zeros is a message buffer of any size.
type zeros int64

func (z zeros) Size() int64 { return int64(z) }

func (z zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// TestSourceCorners has what no other test has.
func TestSourceCorners(t *testing.T) {
	t.Parallel()
	s := exactAMD64(t)
	s.MessageBuffer = MessageBuffer{Content: zeros(maxMessageBuffer + 1)}
	d := requireDumper(t, s)
	require.EqualValues(t, maxMessageBuffer, d.Header().MessageBufferSize)
	require.Contains(t, d.Marks()[1].Detail, "are more than")

	s = exactAMD64(t)
	s.Version, s.Bitmap, s.DumpAvail = 2, nil, nil // flat, and all of it
	d = requireDumper(t, s)
	require.EqualValues(t, 0x104, d.DumpAvail().Pages())
	require.EqualValues(t, 12, d.Bitmap().Count())

	s = exactAMD64(t)
	s.KernelBase, s.KernelEnd = 0xffffffff80000000, 0 // to the end of addresses
	d = requireDumper(t, s)
	layout := d.Layout()
	require.EqualValues(t, 2*4096, layout.Sections[SectionPageTables].Length)
	require.Zero(t, requireDumper(t, Source{Architecture: ARM64, Memory: s.Memory}).Bitmap().Count())
}
