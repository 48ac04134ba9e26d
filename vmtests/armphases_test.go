package vmtests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// TestPhases for arm64, with either interrupt controller: the guard and the timer
// that ends a notifier are its own.
func TestARM64Phases(t *testing.T) {
	for _, r := range []runner{plainARM64, armRunner("max", ",virtualization=on,gic-version=3")} {
		for _, test := range phaseTests {
			if test.amd64 {
				continue
			}
			t.Run(r.name+"/"+test.name, func(t *testing.T) {
				h := freezeAt(t, r, machine.Config{CPUs: test.cpus}, test.kind, test.command, witnessProgram)
				said := h.requireTrue(h.finish(), test.reason, "")
				requireFacts(t, said, test.facts)
				for _, line := range test.log {
					require.Contains(t, h.log(), line)
				}
			})
		}
	}
}
