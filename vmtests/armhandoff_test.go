package vmtests

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// armRunner is QEMU's board virt with a CPU and more of its options.
func armRunner(cpu, board string) runner {
	o := qemu.Options{Architecture: machine.ARM64, CPU: cpu, Board: "virt" + board}
	return runner{"arm64 " + cpu + board, o.New, 2 * time.Minute, machine.ARM64}
}

var plainARM64 = armRunner("cortex-a57", "")

// Each kind of panic on arm64.
func TestARM64PanicKinds(t *testing.T) {
	for _, test := range panicKinds {
		if test.kind == "stack" && !*full {
			continue // the runtime's text is long
		}
		t.Run(test.kind, func(t *testing.T) {
			h := freezeAt(t, plainARM64, machine.Config{}, test.kind, "", witnessProgram)
			said := h.requireTrue(h.finish(), test.reason, test.message)
			t.Logf("entry to main %s ns, panic to entry %s ns, %s", said.facts["entry_to_main_ns"], said.facts["phase0_to_entry_ns"], said.facts["registers"])
		})
	}
}

// The cells of CPUs, exception levels, interrupt controllers and numbers of
// CPUs: one of each, or all.
func TestARM64Machines(t *testing.T) {
	some := map[string]bool{
		"cortex-a72,virtualization=on,gic-version=2 1":   true,
		"neoverse-n1,virtualization=off,gic-version=3 4": true,
		"max,virtualization=on,gic-version=3 1":          true,
	}
	for _, cpu := range []string{"cortex-a57", "cortex-a72", "neoverse-n1", "max"} {
		for _, level := range []string{"off", "on"} {
			for _, gic := range []int{2, 3} {
				for _, cpus := range []int{1, 4} {
					board := fmt.Sprintf(",virtualization=%s,gic-version=%d", level, gic)
					name := fmt.Sprintf("%s%s %d", cpu, board, cpus)
					if !some[name] && !*full {
						continue
					}
					t.Run(name, func(t *testing.T) {
						if cpus == 1 {
							h := freezeAt(t, armRunner(cpu, board), machine.Config{}, "nil", "", witnessProgram)
							h.requireTrue(h.finish(), handoff.ReasonExit, "")
							return
						}
						// The others run, one of them with interrupts masked.
						h := armedARM64(t, armRunner(cpu, board), machine.Config{CPUs: cpus}, fmt.Sprintf("cpus=%d %s", cpus, patient))
						h.requireOthersStopped(true)
						h.requireTrue(h.finish(), handoff.ReasonCall, "")
					})
				}
			}
		}
	}
}

// A fault on another CPU is a panic of the host with that CPU's registers, and
// stops the first one, which computes with everything masked. Where firmware is
// called by SMC, too.
func TestARM64PanicOnAnotherCPU(t *testing.T) {
	for _, board := range []string{"", ",virtualization=on"} {
		t.Run("virt"+board, func(t *testing.T) {
			h := freezeAt(t, armRunner("cortex-a57", board), machine.Config{CPUs: 2}, "cpu", "", witnessProgram)
			said := h.requireTrue(h.finish(), handoff.ReasonUserFault, "")
			require.Contains(t, said.facts["registers"], "cpu=1 ")
			require.Contains(t, said.facts["registers"], "esr=0x920000")
		})
	}
}

// From the freeze point to the first instruction at EL0: counted one by one.
func TestARM64InstructionsAtEL1(t *testing.T) {
	for _, board := range []string{"", ",virtualization=on"} {
		t.Run("virt"+board, func(t *testing.T) {
			h := freezeAt(t, armRunner("cortex-a57", board), machine.Config{}, "call", "", witnessProgram)
			count := 0
			for ; count < 1000; count++ {
				state, err := h.machine.State(0)
				require.NoError(t, err)
				if state.(*machine.ARM64State).PSTATE&0xf == 0 {
					break
				}
				exit, err := h.machine.Step(h.context(), 0)
				require.NoError(t, err)
				require.Equal(t, machine.Stepped, exit.Reason, "%v after %d instructions", exit, count)
			}
			require.Less(t, count, 400)
			t.Logf("%d instructions from the freeze point to EL0", count)
		})
	}
}

// On arm64, too, the panic path writes to the reservation and the message buffer
// only.
func TestARM64PanicPathWritesOnlyTheReservation(t *testing.T) {
	r := plainARM64
	freeze, block := learn(t, r, machine.Config{}, "", witnessProgram)
	h := start(t, r, machine.Config{}, "panic=call ", witnessProgram)
	h.freeze, h.block = freeze, block
	exit, err := h.machine.RunTo(h.context(), symbol(t, hostProgram.imageFor(t, machine.ARM64), "/kernel.runPanic"))
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	panicked, err := h.machine.Snapshot()
	require.NoError(t, err)
	h.freezeHere()
	opened := h.opened()
	except := physmem.NewRanges(append(opened.Block.MessageBuffer.Extents, opened.Block.Reservation)...)
	changed, err := panicked.Changes(h.before, except, 64)
	require.NoError(t, err)
	require.Empty(t, changed, "the panic path wrote to the host's memory")
	h.requireTrue(h.finish(), handoff.ReasonCall, "")
}

// Hand-offs in a row on arm64, each with another bitmap and kind of panic.
func TestARM64ManyHandOffs(t *testing.T) {
	count := 2
	if *full {
		count = 20
	}
	for seed := range count {
		kind := panicKinds[seed%len(panicKinds)]
		t.Run(fmt.Sprintf("%d %s", seed, kind.kind), func(t *testing.T) {
			h := freezeAt(t, plainARM64, machine.Config{}, kind.kind, fmt.Sprintf("after=%03dms", 1+seed*7%50), witnessProgram)
			h.requireTrue(h.finish(), kind.reason, kind.message)
		})
	}
}

// The checks are checked on arm64: who writes one byte of the host's memory, and
// who tells one wrong digest, is caught.
func TestARM64LiarsAreCaught(t *testing.T) {
	h := freezeAt(t, plainARM64, machine.Config{}, "call", "debug.rescue.witness=write", witnessProgram)
	h.requireEnd(h.finish())
	changed := h.changed()
	require.Len(t, changed, 1)
	require.Equal(t, uint64(1), changed.Size(), "%v", changed)

	h = freezeAt(t, plainARM64, machine.Config{}, "call", "debug.rescue.witness=lie", witnessProgram)
	wrong := h.wrongDigests(h.requireEnd(h.finish()))
	require.Len(t, wrong, 1)
}
