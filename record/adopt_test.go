package record_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

// reboot adopts an area into new memory.
func reboot(t testing.TB, old []byte, layout record.Layout, id record.ID) (*record.Area, record.Adopted) {
	t.Helper()
	a, adopted, err := record.Adopt(make([]byte, layout.Size()), old, layout, id)
	require.NoError(t, err)
	return a, adopted
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	before := tornArea(t)
	old := records(t, before)
	a, adopted := reboot(t, before.Memory(), taskLayout(2), second)
	require.Equal(t, record.Adopted{Found: true, Boot: 2, Records: 4, Panics: 1}, adopted)
	require.Equal(t, second, a.RestartID())
	require.Equal(t, uint32(2), a.Boot())
	require.Equal(t, uint32(1), a.Panics())
	require.Equal(t, old, records(t, a), "with their restart id and sequence numbers")

	n := add(t, a, other, 9)
	require.Equal(t, uint64(1), n, "sequence numbers begin again")
	list := records(t, a)
	require.Len(t, list, 5)
	require.Equal(t, second, list[4].RestartID)

	// Each restart is acknowledged by itself.
	freed, err := a.Acknowledge(first, 1000)
	require.NoError(t, err)
	require.Zero(t, freed, "never given out")
	freed, err = a.Acknowledge(first, old[len(old)-1].Sequence)
	require.NoError(t, err)
	require.Equal(t, 4, freed)
	require.Equal(t, list[4:], records(t, a))

	faults, err := (&record.Reporter{Area: a}).Flush(record.ClassTaskUnknown)
	require.NoError(t, err)
	require.Equal(t, 1, faults, "what was noted before the reboot")
}

// TestAdoptInPlace has the new area in the memory of the old one.
func TestAdoptInPlace(t *testing.T) {
	t.Parallel()
	before := tornArea(t)
	want := records(t, before)
	a, _, err := record.Adopt(before.Memory(), before.Memory(), taskLayout(2), second)
	require.NoError(t, err)
	require.Equal(t, want, records(t, a))
}

// TestAdoptAnotherLayout has less room, and sources that are gone.
func TestAdoptAnotherLayout(t *testing.T) {
	t.Parallel()
	before := newArea(t, 6)
	for i := range int64(6) {
		add(t, before, task, i+1)
	}
	add(t, before, other, 10)
	a, adopted := reboot(t, before.Memory(), record.Layout{Sources: []record.SourceLayout{{Name: "task", Slots: 3, SlotSize: 1024}}}, second)
	require.Equal(t, 7, adopted.Records)
	times := []int64{}
	count := uint64(0)
	for _, r := range records(t, a) {
		times = append(times, r.Time)
		count += r.Count
	}
	require.Equal(t, []int64{1, 5, 6, 10, 0}, times)
	require.Equal(t, uint64(3), count)
}

func TestAdoptNothing(t *testing.T) {
	t.Parallel()
	for _, old := range [][]byte{nil, make([]byte, 100), make([]byte, 9000), bytes.Repeat([]byte{0xff}, 9000)} {
		a, adopted := reboot(t, old, taskLayout(2), second)
		require.Equal(t, record.Adopted{Boot: 1}, adopted)
		require.Equal(t, uint64(record.UnknownCount), records(t, a)[0].Count)
	}
}

// TestAdoptTorn says what was broken.
func TestAdoptTorn(t *testing.T) {
	t.Parallel()
	before := tornArea(t)
	memory := bytes.Clone(before.Memory())
	memory[bytes.LastIndex(memory, []byte("broke"))]++
	a, adopted := reboot(t, memory, taskLayout(2), second)
	require.Equal(t, 1, adopted.Torn)
	list := records(t, a)
	require.Equal(t, uint64(1), list[len(list)-1].Count)
	require.Equal(t, record.ClassLoss, list[len(list)-1].Class)

	memory = bytes.Clone(before.Memory())
	memory[40]++ // the restart id in the header
	a, adopted = reboot(t, memory, taskLayout(2), second)
	require.True(t, adopted.Damaged)
	require.Equal(t, uint32(1), adopted.Panics)
	list = records(t, a)
	require.Len(t, list, 4, "three that were found, all in the space of who is unknown or of the host")
	require.Equal(t, uint64(record.UnknownCount), list[3].Count)
}

// TestPanicLoop counts boots that end in a panic, in a row.
func TestPanicLoop(t *testing.T) {
	t.Parallel()
	a := newArea(t, 2)
	for boot := range uint32(5) {
		address, size := at(a.Memory())
		require.Equal(t, boot, record.Panics(address, size))
		n, f := beginPanic(t, address, size, "again")
		require.True(t, record.CompletePanic(address, size, n, f))
		beginPanic(t, address, size, "and nested")
		require.Equal(t, boot+1, record.Panics(address, size))
		a, _ = reboot(t, a.Memory(), taskLayout(2), record.ID{byte(boot + 2)})
	}
	list := records(t, a)
	require.Equal(t, first, list[0].RestartID)
	require.Equal(t, "again", list[0].Message, "the first of all is kept")
	require.Equal(t, uint32(5), a.Panics())
	a, _ = reboot(t, a.Memory(), taskLayout(2), second)
	require.Zero(t, a.Panics(), "a boot that did not panic")
	address, size := at(a.Memory())
	beginPanic(t, address, size, "x")
	require.Equal(t, uint32(1), a.Panics())
	a.Healthy()
	require.Zero(t, a.Panics())
}

func TestOpen(t *testing.T) {
	t.Parallel()
	before := tornArea(t)
	a, err := record.Open(before.Memory())
	require.NoError(t, err)
	require.Equal(t, records(t, before), records(t, a))
	require.Equal(t, []string{"host", "unknown", "record", "task", "other"}, a.Sources())
	_, err = record.Open(before.Memory()[1:])
	require.ErrorIs(t, err, record.ErrNoArea)
	_, err = record.Open(nil)
	require.ErrorIs(t, err, record.ErrNoArea)
	_, err = record.Open(make([]byte, 4096))
	require.ErrorIs(t, err, record.ErrNoArea)
	damaged := bytes.Clone(before.Memory())
	damaged[20]++
	_, err = record.Open(damaged)
	require.ErrorIs(t, err, record.ErrDamaged)
}

func TestFormatRefuses(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 64<<10)
	for name, l := range map[string]record.Layout{
		"no name":    {Sources: []record.SourceLayout{{}}},
		"twice":      {Sources: []record.SourceLayout{{Name: "host"}}},
		"slots":      {Sources: []record.SourceLayout{{Name: "a", Slots: -1}}},
		"small slot": {Sources: []record.SourceLayout{{Name: "a", SlotSize: 64}}},
		"odd slot":   {Sources: []record.SourceLayout{{Name: "a", SlotSize: 1030}}},
		"panic slot": {PanicSlotSize: 128},
		"too large":  {Sources: []record.SourceLayout{{Name: "a", Slots: 1000}}},
		"many":       {Sources: make([]record.SourceLayout, 100)},
	} {
		_, err := record.Format(memory, l, first)
		require.ErrorIs(t, err, record.ErrLayout, name)
	}
	layout := record.DefaultLayout()
	require.LessOrEqual(t, layout.Size(), 64<<10, "what a reservation has for records")
	_, err := record.Format(memory[1:], layout, first)
	require.ErrorIs(t, err, record.ErrLayout)
	a, err := record.Format(memory, layout, first)
	require.NoError(t, err)
	for _, i := range []int{-1, record.SourceHost, 99} {
		_, err = a.Add(i, &record.Record{})
		require.ErrorIs(t, err, record.ErrSource)
	}
	_, err = a.Source("nobody")
	require.ErrorIs(t, err, record.ErrSource)
}
