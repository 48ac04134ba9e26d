package kernel_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Ring 0 is small: counted by single steps from the boot stub to ring 3. (The
// steps are KVM's, and in ring 0 they are exact on every KVM.)
func TestRing0Instructions(t *testing.T) {
	t.Parallel()
	m, _ := start(t, "hello")
	_, symbols := image(t)
	stub, entered := 0, false
	for n := 1; ; n++ {
		exit, err := m.Step(t.Context(), 0)
		require.NoError(t, err)
		require.Equal(t, machine.Stepped, exit.Reason)
		if !entered && exit.PC == symbols["entry point"] {
			stub, entered = n, true
		}
		state, err := m.State(0)
		require.NoError(t, err)
		if state.(*machine.AMD64State).CS.Selector&3 == 3 {
			t.Logf("%d instructions of the stub, %d of the kernel's entry", stub, n-stub)
			require.Less(t, n-stub, 120)
			return
		}
		require.Less(t, n, 1000)
	}
}

// BenchmarkBoot is the time from the start of a machine to the end of main.
func BenchmarkBoot(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("not on Linux")
	}
	for b.Loop() {
		b.StopTimer()
		m, out := start(b, "hello")
		b.StartTimer()
		exit := finish(b, m)
		require.Equal(b, machine.DebugExit, exit.Reason, "%s", out)
	}
}
