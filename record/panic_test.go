package record_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

// panicArea is an area with nothing in it.
func panicArea(t testing.TB) (*record.Area, uintptr, uintptr) {
	t.Helper()
	a := newArea(t, 2)
	address, size := at(a.Memory())
	return a, address, size
}

// beginPanic does what a panic path does first.
func beginPanic(t testing.TB, address, size uintptr, message string) (uint64, *record.Fields) {
	t.Helper()
	f := record.PanicFields(address, size)
	require.NotNil(t, f)
	f.Message = record.ViewString(message)
	f.CPU, f.Reason, f.PC, f.Time, f.Uptime = 3, 1, 0x401000, 77, 5
	n := record.BeginPanic(address, size, f)
	require.NotZero(t, n)
	return n, f
}

func latest(address, size uintptr) []byte {
	p, n := record.LatestPanic(address, size)
	if n == 0 {
		return nil
	}
	start := address // the record lies in the area
	return unsafe.Slice((*byte)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&start)), p-address)), n)
}

func TestPanic(t *testing.T) {
	t.Parallel()
	a, address, size := panicArea(t)
	require.Nil(t, latest(address, size))
	require.Nil(t, record.CurrentFields(address, size))
	n, f := beginPanic(t, address, size, "boom")
	require.Same(t, f, record.CurrentFields(address, size))
	want := &record.Record{
		RestartID: first, Sequence: 2, Time: 77, Uptime: 5, CPU: 3, Class: record.ClassPanic, Source: "host",
		Generation: 1, Flags: record.FlagMinimal, Reason: 1, PC: 0x401000, Message: "boom",
	}
	require.Equal(t, []*record.Record{want}, records(t, a))
	r, err := record.Decode(latest(address, size))
	require.NoError(t, err)
	require.Equal(t, want, r)

	registers, stack := []byte("registers"), []byte("stack")
	f.Registers, f.Architecture = record.ViewBytes(registers), record.AMD64
	f.Stack, f.StackAddress = record.ViewBytes(stack), 0xffff8000
	f.Stopped, f.NotStopped = 3, 1
	f.BuildID = record.ViewString("build")
	require.True(t, record.CompletePanic(address, size, n, f))
	want.Flags, want.Registers, want.Architecture = 0, registers, record.AMD64
	want.Stack, want.StackAddress, want.Stopped, want.NotStopped, want.BuildID = stack, 0xffff8000, 3, 1, "build"
	require.Equal(t, []*record.Record{want}, records(t, a), "the complete one alone")
	r, err = record.Decode(latest(address, size))
	require.NoError(t, err)
	require.Equal(t, want, r)
	require.Equal(t, uint32(1), record.Panics(address, size))
	acknowledge(t, a, 2, 1)
	require.Empty(t, records(t, a))
}

// TestPanicsKeepFirstAndLast has one after the other: the first stays, the last
// is there, and those between are counted.
func TestPanicsKeepFirstAndLast(t *testing.T) {
	t.Parallel()
	a, address, size := panicArea(t)
	for _, message := range []string{"one", "two", "three", "four"} {
		n, f := beginPanic(t, address, size, message)
		require.True(t, record.CompletePanic(address, size, n, f))
	}
	list := records(t, a)
	require.Len(t, list, 3)
	require.Equal(t, "one", list[0].Message)
	require.Equal(t, record.ClassLoss, list[1].Class)
	require.Equal(t, uint64(2), list[1].Count)
	require.Equal(t, "four", list[2].Message)
	require.Equal(t, uint32(1), record.Panics(address, size), "one boot")
	require.Equal(t, "four", mustDecode(t, latest(address, size)).Message)
}

func mustDecode(t testing.TB, data []byte) *record.Record {
	t.Helper()
	r, err := record.Decode(data)
	require.NoError(t, err)
	return r
}

// TestPanicWithoutArea has nothing, or nonsense, where the area should be.
func TestPanicWithoutArea(t *testing.T) {
	t.Parallel()
	a, address, size := panicArea(t)
	var f record.Fields
	require.Zero(t, record.BeginPanic(0, size, &f))
	require.Zero(t, record.BeginPanic(address+4, size, &f))
	require.Zero(t, record.BeginPanic(address, 16, &f))
	require.Zero(t, record.BeginPanic(address, size, nil))
	require.Zero(t, record.BeginPanic(address, 3000, &f), "slots beyond its end")
	require.False(t, record.CompletePanic(address, size, 99, &f), "never begun")
	clear(a.Memory()[:8])
	require.Zero(t, record.BeginPanic(address, size, &f))
	require.Nil(t, record.PanicFields(address, size))
	require.False(t, record.CompletePanic(address, size, 1, &f))
	require.Zero(t, record.Panics(address, size))
	require.Nil(t, latest(address, size))
}

// TestPanicCutsToFit has more to say than there is room.
func TestPanicCutsToFit(t *testing.T) {
	t.Parallel()
	a, address, size := panicArea(t)
	f := record.PanicFields(address, size)
	f.Message = record.ViewString(strings.Repeat("mä", 4000))
	f.Class, f.Source = record.ViewString(strings.Repeat("c", 300)), record.ViewString(strings.Repeat("s", 300))
	f.BuildID = record.ViewString(strings.Repeat("b", 300))
	f.Registers = record.ViewBytes(make([]byte, 432))
	f.Stack = record.ViewBytes(make([]byte, 1<<20))
	f.Trace = record.ViewString("no room for this")
	n := record.BeginPanic(address, size, f)
	require.True(t, record.CompletePanic(address, size, n, f))
	r := records(t, a)[0]
	require.Equal(t, record.FlagMessageCut|record.FlagStackCut|record.FlagTraceCut, r.Flags)
	require.Len(t, r.Class, record.MaxName)
	require.Len(t, r.Registers, 432)
	require.NotEmpty(t, r.Stack)
	require.Greater(t, len(r.Message), 300)
	f = record.PanicFields(address, size)
	f.Registers = record.ViewBytes(make([]byte, 4096))
	record.BeginPanic(address, size, f)
	list := records(t, a)
	require.Equal(t, record.FlagNoRegisters|record.FlagMinimal, list[len(list)-1].Flags)
}

func TestPanicPathAllocatesNothing(t *testing.T) {
	_, address, size := panicArea(t)
	require.Zero(t, testing.AllocsPerRun(20, func() {
		f := record.PanicFields(address, size)
		f.Message = record.ViewString("boom")
		n := record.BeginPanic(address, size, f)
		record.CompletePanic(address, size, n, f)
		record.LatestPanic(address, size)
		record.Panics(address, size)
	}))
	a := newArea(t, 2)
	r := record.Record{Class: record.ClassTaskPanic, Message: "broke", Stack: make([]byte, 64)}
	require.Zero(t, testing.AllocsPerRun(20, func() { _, _ = a.Add(task, &r) }))
}

func BenchmarkBeginPanic(b *testing.B) {
	a := newArea(b, 2)
	address, size := at(a.Memory())
	registers := make([]byte, 0x140)
	for b.Loop() {
		f := record.PanicFields(address, size)
		f.Message, f.Registers = record.ViewString("runtime error: invalid memory address or nil pointer dereference"), record.ViewBytes(registers)
		record.BeginPanic(address, size, f)
	}
}

func BenchmarkAdd(b *testing.B) {
	a := newArea(b, 8)
	r := record.Record{Class: record.ClassTaskPanic, Message: "runtime error: index out of range", Trace: strings.Repeat("main.f(0x1)\n", 40)}
	for b.Loop() {
		_, _ = a.Add(task, &r)
	}
}

func TestNanoseconds(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint64(0), record.Nanoseconds(5, 0))
	require.Equal(t, uint64(1e9), record.Nanoseconds(2_500_000_000, 2_500_000))
	require.Equal(t, uint64(400), record.Nanoseconds(1000, 2_500_000))
}
