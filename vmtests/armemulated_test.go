package vmtests

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/drill"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// emulatedARM is the emulated arm64 machine with what there is to choose.
func emulatedARM(o emulated.Options) runner {
	o.Architecture = machine.ARM64
	name := fmt.Sprintf("%s arm64 %s EL2 %t GIC %d", onEmulator.name, o.CPU, o.EL2, o.GIC)
	return runner{name, o.New, onEmulator.timeout, machine.ARM64}
}

// onEmulatedARM64 is arm64's own.
var onEmulatedARM64 = emulatedARM(emulated.Options{CPU: "cortex-a57", GIC: 2})

// Each kind of panic on the emulated arm64 machine. From the panic's first
// instruction on every write is seen.
func TestEmulatedARM64PanicKinds(t *testing.T) {
	for _, test := range panicKinds {
		if test.kind == "stack" && !*full {
			continue // the runtime's text is long
		}
		t.Run(test.kind, func(t *testing.T) {
			t.Parallel()
			h := freezeAt(t, onEmulatedARM64, machine.Config{}, test.kind, "", witnessProgram)
			said := h.requireTrue(h.finish(), test.reason, test.message)
			t.Logf("entry to main %s ns, %s", said.facts["entry_to_main_ns"], said.facts["registers"])
		})
	}
}

// An SError, which is this architecture's machine check, is a panic with the registers
// of what it came to: a host in a loop of one instruction.
func TestEmulatedARM64SystemError(t *testing.T) {
	freeze, block := learn(t, onEmulatedARM64, machine.Config{}, "", witnessProgram)
	h := stopAt(t, onEmulatedARM64, machine.Config{}, "panic=nmi ", "panic of kind \"nmi\"\r\n", witnessProgram)
	h.freeze, h.block = freeze, block
	h.runFor(50 * time.Millisecond) // from the console into the loop
	state, err := h.machine.State(0)
	require.NoError(t, err)
	require.NoError(t, h.machine.NMI(0))
	h.freezeHere()
	said := h.requireTrue(h.finish(), handoff.ReasonMachineCheck, "system error")
	require.Contains(t, said.facts["registers"], fmt.Sprintf("pc=%#x ", state.PC()))
}

// The cells of CPUs, exception levels, interrupt controllers and numbers of
// CPUs: one of each, or all.
func TestEmulatedARM64Machines(t *testing.T) {
	some := map[string]bool{
		"emulated arm64 cortex-a53 EL2 true GIC 2 4": true, "emulated arm64 cortex-a72 EL2 true GIC 3 1": true,
		"emulated arm64 neoverse-n1 EL2 false GIC 3 4": true, "emulated arm64 max EL2 true GIC 3 1": true,
	}
	for _, cpu := range emulated.CPUs() {
		for _, el2 := range []bool{false, true} {
			for _, gic := range []int{2, 3} {
				for _, cpus := range []int{1, 4} {
					r := emulatedARM(emulated.Options{CPU: cpu, EL2: el2, GIC: gic})
					name := fmt.Sprintf("%s %d", r.name, cpus)
					if !some[name] && !*full {
						continue
					}
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						h := freezeAt(t, r, machine.Config{CPUs: cpus}, "nil", "", witnessProgram)
						h.requireTrue(h.finish(), handoff.ReasonExit, "")
					})
				}
			}
		}
	}
}

// A fault on another CPU is a panic of the host with that CPU's registers, and
// stops the first one. Where firmware is called by SMC, too.
func TestEmulatedARM64PanicOnAnotherCPU(t *testing.T) {
	for _, el2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("EL2 %t", el2), func(t *testing.T) {
			t.Parallel()
			h := freezeAt(t, emulatedARM(emulated.Options{EL2: el2}), machine.Config{CPUs: 2}, "cpu", "", witnessProgram)
			said := h.requireTrue(h.finish(), handoff.ReasonUserFault, "")
			require.Contains(t, said.facts["registers"], "cpu=1 ")
			require.Contains(t, said.facts["registers"], "esr=0x920000")
		})
	}
}

// The checks are checked on the emulated arm64 machine: who writes one byte of the
// host's memory, and who tells one wrong digest, is caught.
func TestEmulatedARM64LiarsAreCaught(t *testing.T) {
	t.Run("writes", func(t *testing.T) {
		t.Parallel()
		h := freezeAt(t, onEmulatedARM64, machine.Config{}, "call", "debug.rescue.witness=write", witnessProgram)
		h.requireEnd(h.finish())
		changed := h.changed()
		require.Len(t, changed, 1)
		require.Equal(t, uint64(1), changed.Size(), "%v", changed)
	})
	t.Run("lies", func(t *testing.T) {
		t.Parallel()
		h := freezeAt(t, onEmulatedARM64, machine.Config{}, "call", "debug.rescue.witness=lie", witnessProgram)
		require.Len(t, h.wrongDigests(h.requireEnd(h.finish())), 1)
	})
}

// From the freeze point to the first instruction at EL0: counted one by one.
func TestEmulatedARM64InstructionsAtEL1(t *testing.T) {
	for _, el2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("EL2 %t", el2), func(t *testing.T) {
			t.Parallel()
			h := freezeAt(t, emulatedARM(emulated.Options{EL2: el2}), machine.Config{}, "call", "", witnessProgram)
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

// A frozen arm64 host is dumped to a disk of either version of virtio-mmio, and to
// one whose interrupt storms.
func TestEmulatedARM64Dump(t *testing.T) {
	f := freeze(t, scene{sizes: usualScene, on: onEmulatedARM64.name})
	for name, w := range map[string]fault{
		"version 1": {attachment: device.MMIOLegacy},
		"version 2": {attachment: device.MMIOModern},
		"storm":     {disks: map[int]device.Faults{0: {Storm: device.Always}}},
	} {
		if name != "version 1" && !*full {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.on = onEmulatedARM64
			d := f.goOn(t, w)
			d.requireStatus("whole", "0")
			d.requireWhole(0)
			t.Logf("%v of the guest's time", d.took)
		})
	}
}

// With caches that nobody tidies up for a guest, and with maintenance and system
// registers that take as long as they may, hand-offs are the same: nothing is
// missing between the host's last store and the rescue program's first load.
func TestEmulatedARM64Caches(t *testing.T) {
	for name, o := range map[string]emulated.Options{
		"kept lines":            {Caches: emulated.KeptLines, Delayed: true},
		"evicted lines":         {Caches: emulated.EvictedLines, Delayed: true},
		"kept lines, EL2":       {Caches: emulated.KeptLines, Delayed: true, EL2: true, CPU: "max"},
		"without caches, later": {Delayed: true, EL2: true, CPU: "neoverse-n1"},
	} {
		if name != "kept lines" && !*full {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := emulatedARM(o)
			r.name += " " + name
			h := freezeAt(t, r, machine.Config{}, "call", "", witnessProgram)
			h.requireTrue(h.finish(), handoff.ReasonCall, "")
		})
	}
}

// An arm64 host finds its disk on PCI by the device tree, and is dumped to it.
func TestEmulatedARM64PCI(t *testing.T) {
	for _, attachment := range []device.Attachment{device.PCIModern, device.PCITransitional} {
		if attachment != device.PCIModern && !*full {
			continue
		}
		t.Run(attachment.String(), func(t *testing.T) {
			t.Parallel()
			o := emulated.Options{Architecture: machine.ARM64, Disks: device.Options{Attachment: attachment}}
			runDrill(t, drill.Config{Machine: "emulated", Runner: o.New, Architecture: handoff.ARM64, Panic: "call", Work: 10 * time.Millisecond})
		})
	}
}

// Drills of arm64 hosts in a row on the emulated machine, each with another kind
// of panic and size of memory.
func TestEmulatedARM64Drills(t *testing.T) {
	count := 0 // there is one in package drill's tests
	if *full {
		count = 20
	}
	kinds := drill.Kinds()
	for seed := range count {
		kind := kinds[seed%len(kinds)]
		t.Run(fmt.Sprintf("%d %s", seed, kind), func(t *testing.T) {
			r := runDrill(t, drill.Config{
				Machine: "emulated", Runner: emulated.NewARM64, Architecture: handoff.ARM64, Panic: kind, Work: 10 * time.Millisecond,
				Memory: uint64(48+seed*13%80) << 20, Fill: seed%5 == 4,
			})
			t.Logf("%d MiB: %d pages of %d bytes equal, %d instructions to main, all %d ms",
				r.MemoryBytes>>20, r.VerifiedPages, r.CompressedBytes, *r.HandoffInstructions, r.Wall/1e6)
		})
	}
}
