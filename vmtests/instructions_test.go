package vmtests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// kernelInstructions runs a host from just before its panic to the rescue
// program's first instruction in ring 3, EL0 on arm64, and counts what the CPU
// executes in ring 0, EL1 on arm64: from the first instruction of the exception
// or system call that panics.
func kernelInstructions(t *testing.T, r runner, kind string) (panicPath, handOff int) {
	t.Helper()
	ring := map[machine.Architecture]uint8{machine.AMD64: 0, machine.ARM64: 1}[r.architecture]
	config := machine.Config{InterruptController: r.architecture == machine.AMD64} // arm64 always has one
	h := armedHost(t, r, config, kind, "", witnessProgram)
	begin := symbol(t, hostProgram.imageFor(t, r.architecture), "/kernel.beginPanic")
	count, begun, inside := 0, false, false
	m := h.machine.(*emulated.Machine)
	executed := func(e emulator.Executed) {
		was := inside
		inside = e.Ring == ring
		begun = begun || e.PC == begin
		if inside && !was && !begun {
			count = 0 // of earlier ones
		}
		if inside {
			count++
		}
	}
	m.Trace(executed)
	if !*full { // the seals take long to follow, and most of them is one loop
		h.runToSymbol("/rescue.checkSeals")
		m.Trace(nil)
		h.runToSymbol("/kernel.gate.abi0")
		m.Trace(executed)
	}
	h.freezeHere()
	require.True(t, begun, "%s", h.console)
	panicPath, count = count, 0
	exit, err := m.RunTo(h.context(), h.opened().Block.Image.Entry)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	for inside && count < 1000 {
		exit, err := m.Step(h.context(), 0)
		require.NoError(t, err)
		require.Equal(t, machine.Stepped, exit.Reason, "%v", exit)
	}
	m.Trace(nil)
	require.False(t, inside)
	return panicPath, count
}

// runToSymbol runs to a function of the host's program.
func (h *handOff) runToSymbol(name string) {
	h.t.Helper()
	exit, err := h.machine.RunTo(h.context(), symbol(h.t, hostProgram.imageFor(h.t, h.runner.architecture), name))
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
}

// From the panic to the rescue program's first instruction in ring 3 few are
// executed in ring 0, where nothing catches a fault: on arm64 as few as on amd64.
func TestKernelInstructionsFromThePanic(t *testing.T) {
	for _, kind := range []string{"call", "nil"} {
		t.Run(kind, func(t *testing.T) {
			if kind != "call" && !*full {
				t.Skip("-full runs it")
			}
			counts := map[machine.Architecture]int{}
			for _, r := range []runner{onEmulator, onEmulatedARM64} {
				panicPath, handOff := kernelInstructions(t, r, kind)
				t.Logf("%s: %d instructions on the panic path, %d behind the freeze point", r.architecture, panicPath, handOff)
				counts[r.architecture] = panicPath + handOff
				require.Less(t, counts[r.architecture], 1000, r.architecture)
			}
			require.Less(t, counts[machine.ARM64], 2*counts[machine.AMD64])
		})
	}
}
