package emulated_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// TestMemoryInUse: what an emulated machine needs beside its guest's RAM is less
// than 100 MiB. It runs alone.
func TestMemoryInUse(t *testing.T) {
	var before, after runtime.MemStats
	runGuest(t, "hello", nil) // builds the image
	runtime.GC()
	runtime.ReadMemStats(&before)
	m, _ := startGuest(t, "collect", nil)
	_, err := m.Run(t.Context())
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapAlloc - before.HeapAlloc
	t.Logf("%d MiB, of it RAM at most 64 MiB", used>>20)
	require.Less(t, used, uint64(machine.DefaultMemorySize+100<<20))
}
