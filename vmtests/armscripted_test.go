package vmtests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// TestPhases for arm64 where every write is seen: one that needs neither another
// CPU nor a rescue program's patience, or all.
func TestEmulatedARM64Phases(t *testing.T) {
	for _, r := range []runner{onEmulatedARM64, emulatedARM(emulated.Options{CPU: "max", EL2: true, GIC: 3})} {
		for _, test := range phaseTests {
			if usual := r.name == onEmulatedARM64.name && test.name == "notifiers are cut off"; test.amd64 || !usual && !*full {
				continue
			}
			t.Run(r.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
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

// A system error between any two instructions from the freeze point to the rescue
// image's entry, and an interrupt: the entry is reached as if there had been
// none, and no byte of the host has changed.
func TestEmulatedARM64FaultAtEveryInstructionOfTheTrampoline(t *testing.T) {
	step := uint64(19)
	if *full {
		step = 1
	}
	for _, el2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("EL2 %t", el2), func(t *testing.T) {
			t.Parallel()
			r := emulatedARM(emulated.Options{EL2: el2})
			h := freezeAt(t, r, machine.Config{}, "call", "", witnessProgram)
			instructions := h.runToEntry(r, nil)
			t.Logf("%d instructions", instructions)
			for n := uint64(0); n < instructions; n += step {
				for _, what := range []emulated.Fault{{Kind: emulated.NMI}, {Kind: emulated.Interrupt, Vector: 40}} {
					h.runToEntry(r, func(m *emulated.Machine) {
						require.NoError(t, m.Inject(m.Instructions()+n, what))
					})
				}
			}
		})
	}
}

// runToEntry goes from the freeze point to the image's entry in another machine.
// It must be reached with the host's memory as it was. It gives how many
// instructions that were.
func (h *handOff) runToEntry(r runner, prepare func(*emulated.Machine)) uint64 {
	h.t.Helper()
	created, err := r.create(machine.Config{})
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, created.Close()) }()
	require.NoError(h.t, machine.Restore(created, h.before))
	m := created.(*emulated.Machine)
	start := m.Instructions()
	if prepare != nil {
		prepare(m)
	}
	exit, err := m.RunTo(h.context(), h.opened().Block.Image.Entry)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "%v", exit)
	there := &handOff{t: h.t, machine: m, block: h.block, before: h.before}
	require.Empty(h.t, there.changed())
	return m.Instructions() - start
}

// The models of caches bite: a host that arms without cleaning what it has written
// to the reservation finds the memory's zeros where it has put the trampoline.
func TestEmulatedARM64HostThatDoesNotClean(t *testing.T) {
	clean := binary.LittleEndian.AppendUint32(nil, 0xd50b7a20) // DC CVAC, X0
	nop := binary.LittleEndian.AppendUint32(nil, 0xd503201f)
	for name, o := range map[string]emulated.Options{"kept lines": {Caches: emulated.KeptLines}, "evicted lines": {Caches: emulated.EvictedLines}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := hostImage(t, machine.ARM64)
			require.Equal(t, 1, bytes.Count(image, clean))
			config := machine.Config{Boot: machine.Boot{Image: bytes.ReplaceAll(image, clean, nop)}}
			h := start(t, emulatedARM(o), config, "panic=call ", witnessProgram)
			exit := h.finish()
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
			match := armedLine.FindStringSubmatch(h.console.String())
			require.NotNil(t, match, "%s", h.console)
			h.block, h.freeze = armedAt(t, match)
			area := h.panicArea(h.blockNow())
			require.Equal(t, handoff.StateRefused, area.State)
			require.Equal(t, h.freeze, area.Tombstone.PC, "what was there instead of the trampoline is no instruction")
			require.Equal(t, arm64.ClassUnknown, arm64.ESR(area.Tombstone.Vector).Class())
		})
	}
}

// The check of the evidence is checked on arm64, too: one write of a notifier is
// seen.
func TestEmulatedARM64ScribblingNotifierIsCaught(t *testing.T) {
	h := freezeAt(t, onEmulatedARM64, machine.Config{}, "call", "notify=scribble", witnessProgram)
	breaches, _ := h.evidence.Breaches()
	writes := 0
	for _, b := range breaches {
		if !b.OnStack() && !b.Unaware {
			writes++
		}
	}
	require.Equal(t, 1, writes, "%v", breaches)
}
