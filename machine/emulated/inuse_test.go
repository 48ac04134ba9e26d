package emulated_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// TestMemoryInUse: what an emulated machine needs beside its guest's RAM is less
// than 100 MiB. It runs alone.
func TestMemoryInUse(t *testing.T) {
	for _, architecture := range []machine.Architecture{machine.AMD64, machine.ARM64} {
		t.Run(string(architecture), func(t *testing.T) {
			needGuest(t, architecture)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			m, _ := startGuestOn(t, emulated.Options{Architecture: architecture}, "collect", nil)
			_, err := m.Run(t.Context())
			require.NoError(t, err)
			runtime.GC()
			runtime.ReadMemStats(&after)
			used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
			t.Logf("%d MiB, of it RAM at most 64 MiB", used>>20)
			require.Less(t, used, int64(machine.DefaultMemorySize+100<<20))
		})
	}
}
