package kernel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Thousands of NMIs a second, from the first exception on, reach the stubs of
// faults, system calls and the gate; nothing of it may be lost or upset.
func TestNMIStorm(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"run", "collect", "nil"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			m, out := start(t, scenario)
			pauseAtMain(t, m)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sent := make(chan int)
			go func() {
				n := 0
				for ; ctx.Err() == nil; n++ {
					_ = m.NMI(0)
					time.Sleep(100 * time.Microsecond) // without it the guest gets nowhere
				}
				sent <- n
			}()
			exit := finish(t, m)
			cancel()
			t.Logf("%d NMIs sent", <-sent)
			require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
			require.Zero(t, exit.Code, "%s", out)
		})
	}
}

// pauseAtMain lets the kernel come up to where NMIs are welcome: with its
// interrupt table in place.
func pauseAtMain(t *testing.T, m machine.Machine) {
	t.Helper()
	_, symbols := image(t)
	exit, err := m.RunTo(t.Context(), symbols[importPath+".exception.abi0"])
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason)
}
