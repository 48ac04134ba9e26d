package vmtests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// From the freeze point to the rescue program's first instruction in ring 3 the
// CPU executes fewer than 1000 instructions in ring 0: counted one by one.
func TestInstructionsInRing0(t *testing.T) {
	h := freezeAt(t, witnesses(), machine.Config{}, "call", "", witnessProgram)
	count := 0
	for ; count < 1000; count++ {
		state, err := h.machine.State(0)
		require.NoError(t, err)
		if state.(*machine.AMD64State).CS.Selector&3 == 3 {
			break
		}
		exit, err := h.machine.Step(h.context(), 0)
		require.NoError(t, err)
		require.Equal(t, machine.Stepped, exit.Reason, "%v after %d instructions", exit, count)
	}
	require.Less(t, count, 1000)
	t.Logf("%d instructions in ring 0 from the freeze point to ring 3", count)
}
