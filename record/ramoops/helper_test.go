package ramoops_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

// sample is a record of a panic.
func sample(t testing.TB, message string) []byte {
	t.Helper()
	r := record.Record{RestartID: record.ID{1}, Sequence: 7, CPU: 2, Class: record.ClassPanic, Source: "host", Message: message, Stack: make([]byte, 512)}
	data, err := r.AppendBinary(nil)
	require.NoError(t, err)
	return data
}

// put writes a record into a zone.
func put(t testing.TB, zone []byte, message string) []byte {
	t.Helper()
	data := sample(t, message)
	require.True(t, tryPut(zone, message, data))
	return data
}

func tryPut(zone []byte, message string, data []byte) bool {
	e := ramoops.Entry{
		Seconds: 1763768700, Microseconds: 123456, Class: record.ViewString(record.ClassPanic), Source: record.ViewString("host"),
		Message: record.ViewString(message), Record: record.ViewBytes(data),
	}
	return ramoops.Put(uintptr(unsafe.Pointer(unsafe.SliceData(zone))), uintptr(len(zone)), &e)
}

// memory is n bytes on the heap, which are aligned; those on a stack need not be.
//
//go:noinline
func memory(n int) []byte { return make([]byte, n) }
