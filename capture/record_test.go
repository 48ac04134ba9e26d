package capture_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/record"
)

// recordArea is an area as a host leaves it that had the fault of a task and then
// panicked.
func recordArea(t testing.TB) []byte {
	t.Helper()
	layout := record.DefaultLayout()
	memory := make([]byte, layout.Size())
	a, err := record.Format(memory, layout, record.ID{7})
	require.NoError(t, err)
	_, err = a.Add(record.FirstSource, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU, Message: "a task broke"})
	require.NoError(t, err)
	address, size := uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory))
	f := record.PanicFields(address, size)
	f.Message = record.ViewString("the host broke")
	n := record.BeginPanic(address, size, f)
	require.True(t, record.CompletePanic(address, size, n, f))
	return memory
}

// The fault records are in the dump's notes and ahead of the dump.
func TestRecords(t *testing.T) {
	t.Parallel()
	m := newMachine(t, machineOptions{records: recordArea(t)})
	host, err := capture.Open(m.memory, m.block.Reservation.Start)
	require.NoError(t, err)
	want := record.AppendValid(nil, recordArea(t), 1<<20)
	require.Equal(t, want, host.Records())
	require.Contains(t, string(want), "the host broke")
	require.Contains(t, string(want), "a task broke")

	d, err := host.NewDumper(nil)
	require.NoError(t, err)
	r, err := minidump.Open(d, d.Size())
	require.NoError(t, err)
	notes, err := r.Notes()
	require.NoError(t, err)
	require.Equal(t, want, notes.FaultRecord)
}

// A target that fails at each write of a dump has the records as soon as they are
// written, before anything of the dump.
func TestRecordsOnATargetThatFails(t *testing.T) {
	t.Parallel()
	want := record.AppendValid(nil, recordArea(t), 1<<20)
	base := newDisk(8 * mib)
	m := newMachine(t, machineOptions{records: recordArea(t), targets: []handoff.Target{base.prepare(t, 0, 0)}})
	l, err := target.Read(base, base.Size(), 0)
	require.NoError(t, err)
	found := 0
	for stop := range 12 {
		d := base.clone()
		d.left = stop
		result, _ := dump(t, m, d)
		require.Error(t, result.Err(), "stop %d", stop)
		early, err := target.ReadEarly(d, l)
		if err != nil {
			require.LessOrEqual(t, stop, 1, "one write of records, one of the header")
			continue
		}
		require.Equal(t, want, early.Section(target.KindRecord).Data, "stop %d", stop)
		require.False(t, early.Section(target.KindRecord).Damaged)
		found++
	}
	require.GreaterOrEqual(t, found, 10)
}
