package kernel

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// Arming asks the CPU: this one has what Go needs, and five levels or not.
func TestCheckProcessor(t *testing.T) {
	t.Parallel()
	id, ok := amd64.Snapshot()
	if !ok || runtime.GOOS != "linux" || amd64.FeaturesOf(id).FiveLevels {
		t.Skip("not on Linux and amd64, or this CPU has five levels of page tables")
	}
	require.NoError(t, checkProcessor(4))
	require.ErrorIs(t, checkProcessor(5), amd64.ErrNoFiveLevels)
}
