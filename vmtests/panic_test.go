package vmtests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// panicKinds are the ways in which examples/host panics.
var panicKinds = []struct {
	kind    string
	reason  handoff.Reason
	message string
}{
	{"go", handoff.ReasonExit, "the program ended with exit code 2"},
	{"nil", handoff.ReasonExit, "the program ended with exit code 2"},
	{"stack", handoff.ReasonExit, "the program ended with exit code 2"},
	{"memory", handoff.ReasonMemory, ""},
	{"kernel", handoff.ReasonKernelFault, ""},
	{"call", handoff.ReasonCall, "the operator asked for it"},
	{"exit", handoff.ReasonExit, "the program ended with exit code 3"},
}

// Each kind of panic, emulated; one of them, or all, under KVM and in QEMU.
func TestPanicKinds(t *testing.T) {
	for _, r := range runners {
		for _, test := range panicKinds {
			if r.name != onEmulator.name && test.kind != "nil" && !*full {
				continue
			}
			if test.kind == "stack" && !*full {
				continue // the runtime's text is long
			}
			t.Run(r.name+"/"+test.kind, func(t *testing.T) {
				t.Parallel()
				h := freezeAt(t, r, machine.Config{}, test.kind, "", witnessProgram)
				said := h.requireTrue(h.finish(), test.reason, test.message)
				t.Logf("entry to main %s ns, %s", said.facts["entry_to_main_ns"], said.facts["registers"])
			})
		}
	}
}

// The checks are checked: a rescue program that writes one byte of its host's
// memory, and one that tells one wrong digest, are caught.
func TestLiarsAreCaught(t *testing.T) {
	t.Run("writes", func(t *testing.T) {
		t.Parallel()
		h := freezeAt(t, witnesses(), machine.Config{}, "call", "debug.rescue.witness=write", witnessProgram)
		h.requireEnd(h.finish())
		changed := h.changed()
		require.Len(t, changed, 1)
		require.Equal(t, uint64(1), changed.Size(), "%v", changed)
	})
	t.Run("lies", func(t *testing.T) {
		t.Parallel()
		h := freezeAt(t, witnesses(), machine.Config{}, "call", "debug.rescue.witness=lie", witnessProgram)
		wrong := h.wrongDigests(h.requireEnd(h.finish()))
		require.Len(t, wrong, 1)
		require.Equal(t, physmem.Address(0), wrong[0].Start, "%v", wrong)
	})
}
