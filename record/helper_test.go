package record_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

var (
	first  = record.ID{0: 1, 15: 0xaa}
	second = record.ID{0: 2, 15: 0xbb}
)

// newArea is an area whose source "task" has so many slots. The loss that it
// begins with is acknowledged.
func newArea(t testing.TB, slots int) *record.Area {
	t.Helper()
	a := freshArea(t, slots)
	freed, err := a.Acknowledge(first, 1)
	require.NoError(t, err)
	require.Equal(t, 1, freed)
	return a
}

func taskLayout(slots int) record.Layout {
	return record.Layout{PanicSlotSize: 2048, Sources: []record.SourceLayout{{Name: "task", Slots: slots, SlotSize: 1024}, {Name: "other", Slots: 2, SlotSize: 1024}}}
}

func freshArea(t testing.TB, slots int) *record.Area {
	t.Helper()
	layout := taskLayout(slots)
	a, err := record.Format(make([]byte, layout.Size()), layout, first)
	require.NoError(t, err)
	return a
}

const task, other = record.FirstSource, record.FirstSource + 1

// add records a fault of a task at a time.
func add(t testing.TB, a *record.Area, source int, time int64) uint64 {
	t.Helper()
	sequence, err := a.Add(source, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU, Time: time, Message: "broke"})
	require.NoError(t, err)
	return sequence
}

// records are what an area holds, decoded.
func records(t testing.TB, a *record.Area) []*record.Record {
	t.Helper()
	c, err := a.Contents()
	require.NoError(t, err)
	require.False(t, c.Damaged)
	return decode(t, c)
}

func decode(t testing.TB, c *record.Contents) (list []*record.Record) {
	t.Helper()
	for _, s := range c.Records {
		r, err := record.Decode(s.Data)
		require.NoError(t, err)
		require.Equal(t, s.Sequence, r.Sequence)
		require.Equal(t, s.RestartID, r.RestartID)
		list = append(list, r)
	}
	return list
}

// brief is what the tests of losses compare.
type brief struct {
	sequence uint64
	time     int64
	lost     uint64
}

func briefs(list []*record.Record) []brief {
	got := []brief{}
	for _, r := range list {
		got = append(got, brief{r.Sequence, r.Time, r.Count})
	}
	return got
}

func requireRecords(t testing.TB, a *record.Area, want ...brief) {
	t.Helper()
	require.Equal(t, append([]brief{}, want...), briefs(records(t, a)))
}

// acknowledge acknowledges in this restart.
func acknowledge(t testing.TB, a *record.Area, sequence uint64, freed int) {
	t.Helper()
	n, err := a.Acknowledge(first, sequence)
	require.NoError(t, err)
	require.Equal(t, freed, n)
}

// sourceLock is the lock of a source's block in an area: the block's second word.
func sourceLock(a *record.Area, source int) *uint32 {
	return (*uint32)(unsafe.Pointer(&a.Memory()[512+160*source+4]))
}

// at is an area as the panic path knows it.
func at(memory []byte) (address, size uintptr) {
	return uintptr(unsafe.Pointer(unsafe.SliceData(memory))), uintptr(len(memory))
}
