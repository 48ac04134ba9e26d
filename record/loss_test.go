package record_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

// The eleven cases of Hubris's snitch-core (lib/snitch-core/src/lib.rs), for a
// store that has slots instead of bytes, keeps the first and the newest, and says
// what lay between.

// 1: memory that nobody knows begins with a loss of an unknown count.
func TestInitialLoss(t *testing.T) {
	t.Parallel()
	a := freshArea(t, 2)
	list := records(t, a)
	require.Len(t, list, 1)
	require.Equal(t, record.ClassLoss, list[0].Class)
	require.Equal(t, "record", list[0].Source)
	require.Equal(t, uint64(1), list[0].Sequence)
	require.Equal(t, uint64(record.UnknownCount), list[0].Count)
	acknowledge(t, a, 1, 1)
	requireRecords(t, a)
}

// 2: a record comes out as it went in, and is gone once it is acknowledged.
func TestRecordThroughArea(t *testing.T) {
	t.Parallel()
	a := newArea(t, 2)
	in := record.Record{Class: record.ClassTaskPanic, Time: 5, CPU: 3, Message: "hello, world", Source: "task 7", Generation: 2}
	sequence, err := a.Add(task, &in)
	require.NoError(t, err)
	require.Equal(t, uint64(2), sequence)
	in.RestartID, in.Sequence = first, 2
	require.Equal(t, []*record.Record{&in}, records(t, a))
	acknowledge(t, a, 2, 1)
	requireRecords(t, a)
}

// 3: the last slot takes a record, too.
func TestFillCompletely(t *testing.T) {
	t.Parallel()
	a := newArea(t, 3)
	for i := range int64(3) {
		add(t, a, task, 5+i)
	}
	requireRecords(t, a, brief{2, 5, 0}, brief{3, 6, 0}, brief{4, 7, 0})
	acknowledge(t, a, 4, 3)
	requireRecords(t, a)
}

// 4: a record that finds no room at all is counted, and that is read at once.
func TestLossWithoutRoom(t *testing.T) {
	t.Parallel()
	a := newArea(t, 1)
	add(t, a, task, 5)
	_, err := a.Add(task, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU, Time: 6})
	require.ErrorIs(t, err, record.ErrFull)
	requireRecords(t, a, brief{2, 5, 0}, brief{3, 0, 1})
}

// 5: a loss stands behind what was there before it.
func TestLossWithData(t *testing.T) {
	t.Parallel()
	a := newArea(t, 2)
	for i := range int64(3) {
		add(t, a, task, 5+i)
	}
	requireRecords(t, a, brief{2, 5, 0}, brief{4, 0, 1}, brief{5, 7, 0})
	loss := records(t, a)[1]
	require.Equal(t, "task", loss.Source)
	require.Equal(t, uint64(4), loss.First)
}

// 6: losses of one source add up to one record.
func TestLossRepeated(t *testing.T) {
	t.Parallel()
	a := newArea(t, 2)
	for i := range int64(13) {
		add(t, a, task, i+1)
	}
	list := records(t, a)
	require.Len(t, list, 3)
	require.Equal(t, []int64{1, 0, 13}, []int64{list[0].Time, list[1].Time, list[2].Time})
	require.Equal(t, uint64(11), list[1].Count)
	require.Equal(t, uint64(4), list[1].First, "when losing began")
}

// 7: there is always room to say what was lost, and every source has its own.
func TestLossOnFullArea(t *testing.T) {
	t.Parallel()
	a := newArea(t, 1)
	full := func(source int) {
		_, err := a.Add(source, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU})
		require.ErrorIs(t, err, record.ErrFull)
	}
	add(t, a, other, 1) // 2
	add(t, a, other, 2) // 3
	add(t, a, task, 3)  // 4
	full(task)          // 5
	requireRecords(t, a, brief{2, 1, 0}, brief{3, 2, 0}, brief{4, 3, 0}, brief{5, 0, 1})
	acknowledge(t, a, 4, 3)
	requireRecords(t, a, brief{5, 0, 1})
	add(t, a, task, 9)
	requireRecords(t, a, brief{5, 0, 1}, brief{6, 9, 0})
}

// 8: data, a loss, data.
func TestLossSandwich(t *testing.T) {
	t.Parallel()
	a := newArea(t, 3)
	for i := range int64(5) {
		add(t, a, task, 5+i)
	}
	// 2, 3, 4; 5 says that 3 was lost, 6; 7 says that 4 was, 8.
	requireRecords(t, a, brief{2, 5, 0}, brief{6, 8, 0}, brief{7, 0, 2}, brief{8, 9, 0})
}

// 9: records are acknowledged bit by bit.
func TestIncrementalAcknowledge(t *testing.T) {
	t.Parallel()
	a := newArea(t, 5)
	for i := range int64(5) {
		add(t, a, task, 5+i)
	}
	acknowledge(t, a, 2, 1)
	requireRecords(t, a, brief{3, 6, 0}, brief{4, 7, 0}, brief{5, 8, 0}, brief{6, 9, 0})
	acknowledge(t, a, 5, 3)
	requireRecords(t, a, brief{6, 9, 0})
	acknowledge(t, a, 6, 1)
	requireRecords(t, a)
}

// 10: what is gone already is not acknowledged again.
func TestOldSequenceNumbers(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	add(t, a, task, 5)
	add(t, a, task, 6)
	acknowledge(t, a, 1, 0)
	acknowledge(t, a, 2, 1)
	for _, n := range []uint64{0, 1, 2} {
		acknowledge(t, a, n, 0)
		requireRecords(t, a, brief{3, 6, 0})
	}
}

// 11: a sequence number that was not given out acknowledges nothing, and neither
// does one of another restart.
func TestFutureSequenceNumbers(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	add(t, a, task, 5)
	add(t, a, task, 6)
	for _, n := range []uint64{4, 5, 1 << 40, ^uint64(0)} {
		acknowledge(t, a, n, 0)
	}
	freed, err := a.Acknowledge(second, 3)
	require.NoError(t, err)
	require.Zero(t, freed, "wrong restart id")
	requireRecords(t, a, brief{2, 5, 0}, brief{3, 6, 0})
	acknowledge(t, a, 3, 2)
}

// TestLossThatGrew is read, grows, and is acknowledged as it was read: it stays.
func TestLossThatGrew(t *testing.T) {
	t.Parallel()
	a := newArea(t, 2)
	for i := range int64(3) {
		add(t, a, task, i+1)
	}
	read := records(t, a)[1]
	require.Equal(t, uint64(1), read.Count)
	add(t, a, task, 4)
	acknowledge(t, a, read.Sequence, 1) // the first record
	left := records(t, a)
	require.Len(t, left, 2)
	require.Equal(t, uint64(2), left[0].Count)
	require.Equal(t, read.First, left[0].First, "the same loss")
	acknowledge(t, a, left[0].Sequence, 1)
}

// TestSourcesDoNotCrowdOut has one source fail without end.
func TestSourcesDoNotCrowdOut(t *testing.T) {
	t.Parallel()
	a := newArea(t, 4)
	add(t, a, other, 1)
	add(t, a, record.SourceUnknown, 2)
	for i := range int64(1000) {
		add(t, a, task, 1000+i)
	}
	list := records(t, a)
	count := map[string]int{}
	for _, r := range list {
		count[r.Source]++
	}
	require.Equal(t, map[string]int{"other": 1, "unknown": 1, "task": 5}, count)
	require.Equal(t, int64(1000), list[2].Time, "the first of a source is kept")
	require.Equal(t, int64(1999), list[len(list)-1].Time, "and the last")
}
