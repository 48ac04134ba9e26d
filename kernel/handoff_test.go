package kernel_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

// A host arms with the same program as rescue image and panics; the rescue
// program reads reason, registers and log, and does some work. (Package
// vmtests has what must hold of a hand-off.)
func TestHandOff(t *testing.T) {
	t.Parallel()
	tests := map[string]handoff.Reason{
		"call":      handoff.ReasonCall,
		"throw":     handoff.ReasonExit,
		"memory":    handoff.ReasonMemory,
		"recursion": handoff.ReasonMemory,
		"gate":      handoff.ReasonKernelFault,
		"nmi":       handoff.ReasonNMI,
	}
	image(t)
	program, err := os.ReadFile(guest.path)
	require.NoError(t, err)
	for kind, reason := range tests {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m, out := start(t, "arm "+kind, func(c *machine.Config) { c.Boot.Modules = []machine.Module{{Data: program}} })
			if kind == "nmi" {
				pauseAt(t, m, out, "computing")
				require.NoError(t, m.NMI(0))
			}
			exit := finish(t, m)
			require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
			require.Zero(t, exit.Code, "%s", out)
			require.Contains(t, out.String(), fmt.Sprintf(": %v, ", reason))
			require.Contains(t, out.String(), `greeting "hello from the host"`)
			require.Contains(t, out.String(), "scenario done\n")
		})
	}
}
