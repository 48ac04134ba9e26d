package kernel_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// The same images in QEMU's emulation, where ring 0 and its rules are not
// KVM's: CPUs without XSAVE, with SMEP and SMAP, with five levels possible.
func TestQEMU(t *testing.T) {
	t.Parallel()
	for cpu, scenarios := range map[string][]string{
		"qemu64":   {"boot"},
		"Nehalem":  {"nil"},
		"Haswell":  {"memory"},
		"max":      {"run"},
		"max,-pku": {"collect"},
	} {
		for _, scenario := range scenarios {
			t.Run(cpu+" "+scenario, func(t *testing.T) {
				t.Parallel()
				runScenarioOn(t, qemu.Options{CPU: cpu}.New, scenario)
			})
		}
	}
}

func TestQEMUHandOff(t *testing.T) {
	t.Parallel()
	image(t)
	program, err := os.ReadFile(guest.path)
	require.NoError(t, err)
	for kind, reason := range map[string]handoff.Reason{"gate": handoff.ReasonKernelFault, "throw": handoff.ReasonExit} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m, out := startOn(t, qemu.New, "arm "+kind, func(c *machine.Config) { c.Boot.Modules = []machine.Module{{Data: program}} })
			exit := finish(t, m)
			require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
			require.Contains(t, out.String(), fmt.Sprintf(": %v, ", reason))
			require.Contains(t, out.String(), "scenario done\n")
		})
	}
}

func TestQEMUProtection(t *testing.T) {
	t.Parallel()
	_, symbols := image(t)
	runScenarioOn(t, qemu.New, fmt.Sprintf("protect %#x %#x", symbols[importPath+".control"], symbols["main.poke"]))
}
