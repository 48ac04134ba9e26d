package minidump_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A program for people dumps both architectures, and refuses to make what nobody
// could read.
func TestCanDump(t *testing.T) {
	t.Parallel()
	for a := minidump.UnknownArchitecture; a <= minidump.MIPS; a++ {
		want := a == minidump.AMD64 || a == minidump.ARM64
		require.Equal(t, want, a.CanDump(), "%v", a)
		_, err := minidump.NewDumper(minidump.Source{Architecture: a, Memory: physmem.NewBytes(0, make([]byte, 1<<20))})
		require.Equal(t, !want, err != nil, "%v: %v", a, err)
		if err != nil {
			require.ErrorIs(t, err, minidump.ErrSource)
		}
	}
}
