package record

import (
	"hash/crc32"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	l := DefaultLayout()
	memory := make([]byte, 64<<10)
	t.Log(l.Size())
	a, err := Format(memory, l, ID{1})
	require.NoError(t, err)
	at := uintptr(unsafe.Pointer(&memory[0]))
	f := PanicFields(at, uintptr(len(memory)))
	f.Message = ViewString("boom")
	n := BeginPanic(at, uintptr(len(memory)), f)
	require.NotZero(t, n)
	require.True(t, CompletePanic(at, uintptr(len(memory)), n, f))
	p, length := LatestPanic(at, uintptr(len(memory)))
	t.Logf("%x", unsafe.Slice((*byte)(pointer(p)), length))
	require.Equal(t, crc32.Checksum([]byte("123456789"), crc32.MakeTable(crc32.Castagnoli)), crc32C(unsafe.Pointer(unsafe.StringData("123456789")), 0, 9))
	r := Record{Class: ClassTaskPanic, Message: "x"}
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = a.Add(FirstSource, &r) }))
}
